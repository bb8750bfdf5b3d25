import { expect, test } from "bun:test";
import { describePlugin, type PluginInfo } from "../../../../src/cli/plugins/info.ts";
import { describePlugins } from "../../../../src/cli/plugins/list.ts";

const plain = (text: string): string => text;
const SCREEN = { bold: plain, dim: plain, foreign: plain };

const HELLO: PluginInfo = {
  id: "hello",
  version: "1.2.0",
  description: "Greets people",
  state: "running",
  origin: "installed",
  directory: "/home/me/.clawdbot/plugins/hello",
  isolation: "process",
  enabledBy: "plugins.entries.hello.enabled",
  loads: 2,
  methods: ["hello.greet", "hello.last"],
  events: [],
};

test("one a line, and what is wrong below it", () => {
  const torn = {
    ...HELLO,
    id: "torn-one",
    version: undefined,
    description: undefined,
    state: "quarantined" as const,
    error: "gateway.plugin.json: id: wanted text",
    overridden: ["/b/torn-one"],
  };
  const { version, description, enabledBy, ...rest } = torn;
  expect(describePlugins([HELLO, rest], SCREEN)).toBe(
    [
      "hello     running      1.2.0  installed  Greets people",
      "    on by plugins.entries.hello.enabled",
      "torn-one  quarantined         installed",
      "    gateway.plugin.json: id: wanted text",
      "    not used, it has the same id: /b/torn-one",
      "",
    ].join("\n"),
  );
  expect([version, description, enabledBy]).toEqual([undefined, undefined, HELLO.enabledBy]);
  expect(describePlugins([], SCREEN)).toContain("gateway plugins new NAME");
});

test("how often it was loaded", () => {
  const loaded = (loads: number): string | undefined =>
    /^Loaded +(.+)$/m.exec(describePlugin({ ...HELLO, loads }, SCREEN))?.[1];
  expect([0, 1, 2].map(loaded)).toEqual(["never", "once", "2 times"]);
});

test("what it may, what it wants and may not, and what it was denied", () => {
  const shown = describePlugin(
    {
      ...HELLO,
      error: "not today (index.ts:6:40)",
      wants: { network: true, exec: true, env: ["A", "B"] },
      grants: { network: true, env: ["A"] },
      limits: [{ capability: "exec", held: "by the kernel", isHeld: true }],
      denied: [{ capability: "exec", what: "ls", times: 3 }],
      process: { pid: 12, rssBytes: 50 * 1024 * 1024, sharedWith: ["other"] },
      routes: [{ method: "POST", path: "/plugins/hello/in", auth: "public" }],
      services: [{ name: "poll", state: "running", restarts: 0 }],
    },
    SCREEN,
  );
  expect(shown).toBe(
    [
      "hello 1.2.0: running",
      "Greets people",
      "",
      "not today (index.ts:6:40)",
      "",
      "From      /home/me/.clawdbot/plugins/hello (installed)",
      "On by     plugins.entries.hello.enabled",
      "Runs in   the process of plugins (12, 50 MiB, with other)",
      "Loaded    2 times",
      "May       connect to other machines",
      "          see the environment variable A",
      "May not   start programs, with all your rights, which it wants",
      "          see the environment variable B, which it wants",
      "Held      exec: by the kernel",
      "Denied    exec 3 times: ls",
      "Methods   hello.greet",
      "          hello.last",
      "Routes    POST /plugins/hello/in (public)",
      "Services  poll: running",
      "",
    ].join("\n"),
  );
});
