// The protocol's own test server, over both of its ways.
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  everythingCommand,
  type HttpProgram,
  newServerCommand,
  startOverHttp,
} from "../../support/mcp-everything.ts";
import { callTool, createMcpKit, stopMcpKits } from "../../support/mcp-tools.ts";

const programs = new Map<string, Promise<HttpProgram>>();

afterEach(stopMcpKits);
afterAll(async () => {
  for (const program of programs.values()) await (await program).stop();
});

const program = async ([command, ...args]: [string, ...string[]]) => ({ command, args });

async function address(name: string, command: () => Promise<string[]>) {
  const started = programs.get(name) ?? startOverHttp(command());
  programs.set(name, started);
  return { url: (await started).url };
}

const WAYS = {
  stdio: async () => program(await everythingCommand()),
  http: () => address("everything", () => everythingCommand("streamableHttp")),
};

const NEW_WAYS = {
  stdio: async () => program(await newServerCommand("stdio")),
  http: () => address("new", () => newServerCommand("http")),
};

describe.each(["stdio", "http"] as const)("over %s", (way) => {
  test("its tools are told, answer in words, and tell their progress", async () => {
    const kit = createMcpKit({ mcp: { servers: { all: await WAYS[way]() } } });
    const set = await kit.open();
    const names = set.specs.map(({ name }) => name);
    expect(names).toContain("all__echo");
    expect(names.every((name) => /^[a-zA-Z0-9_-]{1,64}$/.test(name))).toBe(true);
    const say = async (name: string, args: unknown = {}): Promise<string> =>
      (await callTool(set, `all__${name}`, args)).text;
    expect(await say("echo", { message: "hello" })).toBe("Echo: hello");
    expect(await say("get-sum", { a: 2, b: 3 })).toContain("5");
    expect(await say("get-tiny-image")).toMatch(/\[image image\/png, \d+ (?:B|KB)\]/);
    expect(await say("get-structured-content", { location: "Chicago" })).toContain("temperature");
    expect(await say("get-resource-links", { count: 2 })).toMatch(/: demo:\/\/resource\//);
    const refused = await callTool(set, "all__get-sum", { a: "two" });
    expect(refused.isError).toBe(true);
    const updates: string[] = [];
    const options = { onUpdate: (text: string) => void updates.push(text) };
    const long = await callTool(
      set,
      "all__trigger-long-running-operation",
      { duration: 0.6, steps: 3 },
      options,
    );
    expect(long).toMatchObject({ isError: false });
    expect(updates).toEqual(["1 of 3", "2 of 3", "3 of 3"]);
    // What needs a person or a model at our side is not there for us.
    expect(names.filter((name) => /elicitation|sampling|roots/.test(name))).toEqual([]);
  }, 60_000);

  test("a call that is cancelled ends at once, and others go on", async () => {
    const kit = createMcpKit({ mcp: { servers: { all: await WAYS[way]() } } });
    const set = await kit.open();
    const abort = new AbortController();
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const args = { duration: 60, steps: 600 };
    const options = { signal: abort.signal, onUpdate: () => resolve() };
    const long = callTool(set, "all__trigger-long-running-operation", args, options);
    await begun;
    abort.abort();
    expect((await long).text).toEndWith("it was cancelled");
    expect((await callTool(set, "all__echo", { message: "on" })).text).toBe("Echo: on");
  }, 60_000);
});

test.each(["stdio", "http"] as const)(
  "a server of the newest version alone answers over %s",
  async (way) => {
    const kit = createMcpKit({ mcp: { servers: { new: await NEW_WAYS[way]() } } });
    const set = await kit.open();
    expect(set.specs.map(({ name }) => name)).toEqual(["new__echo", "new__grow"]);
    expect(await callTool(set, "new__echo", { said: "hello" })).toEqual({ text: "hello", isError: false });
    expect((await callTool(set, "new__echo", { said: 7 })).isError).toBe(true);
  },
  60_000,
);

test("a server of the newest version tells over HTTP that its tools are others", async () => {
  const kit = createMcpKit({ mcp: { servers: { new: await NEW_WAYS.http() } } });
  const set = await kit.open();
  await kit.logged("tools server is ready");
  await callTool(set, "new__grow");
  await kit.logged("tools server is ready");
  expect(set.specs.map(({ name }) => name)).toContain("new__fresh");
}, 60_000);
