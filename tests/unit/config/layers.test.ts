import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { formatIssue } from "../../../src/config/issues.ts";
import { valueAt } from "../../../src/config/layers.ts";
import { configOf, EXAMPLE, layered, leaves } from "./support.ts";

/** What one layer says, as written in the file, in a variable, on the command line, and what that means. */
const SAMPLES: Record<
  string,
  { file: unknown; means?: unknown; env: [string, unknown]; flag: [string, unknown] }
> = {
  "gateway.port": { file: 1, env: ["2", 2], flag: ["3", 3] },
  "gateway.bind": { file: "lan", env: ["tailnet", "tailnet"], flag: ["127.0.0.2", "127.0.0.2"] },
  "gateway.mode": { file: "remote", env: ["local", "local"], flag: ["remote", "remote"] },
  "gateway.auth.mode": { file: "token", env: ["password", "password"], flag: ["none", "none"] },
  "gateway.auth.token": { file: "a", env: ["b", "b"], flag: ["c", "c"] },
  "gateway.auth.password": { file: "a", env: ["b", "b"], flag: ["c", "c"] },
  "gateway.allowedHosts": { file: ["a"], env: ["b,c", ["b", "c"]], flag: ["d", ["d"]] },
  "gateway.allowedOrigins": {
    file: ["http://a"],
    env: ["http://b", ["http://b"]],
    flag: ["app://c", ["app://c"]],
  },
  "gateway.trustedProxies": { file: ["10.0.0.1"], env: ["::1", ["::1"]], flag: ["10.0.0.3", ["10.0.0.3"]] },
  "gateway.limits.frameBytesMax": { file: 65_536, env: ["65537", 65_537], flag: ["65538", 65_538] },
  "gateway.limits.clientsMax": { file: 1, env: ["2", 2], flag: ["3", 3] },
  "gateway.reload.mode": { file: "off", env: ["hot", "hot"], flag: ["restart", "restart"] },
  "gateway.reload.debounceMs": { file: 300, env: ["200", 200], flag: ["10", 10] },
  "gateway.metrics.public": { file: true, env: ["false", false], flag: ["true", true] },
  "gateway.log.format": { file: "json", env: ["text", "text"], flag: ["json", "json"] },
  "gateway.log.level": { file: "debug", env: ["warn", "warn"], flag: ["error", "error"] },
  "agents.defaults.model": { file: "a/a", env: ["b/b", "b/b"], flag: ["c/c", "c/c"] },
  "agents.defaults.systemPrompt": { file: "a", env: ["b", "b"], flag: ["c", "c"] },
  "agents.defaults.timeoutSeconds": { file: 1, env: ["2", 2], flag: ["3", 3] },
  "agents.defaults.maxConcurrent": { file: 1, env: ["2", 2], flag: ["3", 3] },
  "agents.defaults.workspace": { file: "/a", env: ["/b", "/b"], flag: ["~/c", "~/c"] },
  "agents.defaults.env": { file: { A: "a" }, env: ['{"A":"b"}', { A: "b" }], flag: ["{}", {}] },
  "agents.defaults.limits.tokensMax": { file: 1, env: ["2", 2], flag: ["3", 3] },
  "agents.defaults.limits.toolCallsMax": { file: 1, env: ["2", 2], flag: ["3", 3] },
  "agents.defaults.limits.outputBytesMax": { file: 1, env: ["2", 2], flag: ["3", 3] },
  "agents.defaults.compaction.reserveTokensFloor": { file: 1, env: ["0", 0], flag: ["3", 3] },
  "agents.list": { file: [{ id: "a" }], env: ['[{"id":"b"}]', [{ id: "b" }]], flag: ["[]", []] },
  "models.providers": {
    file: { a: { baseUrl: "http://a" } },
    means: { a: { baseUrl: "http://a", api: "openai-completions" } },
    env: ["{}", {}],
    flag: ["{}", {}],
  },
  "plugins.enabled": { file: false, env: ["true", true], flag: ["false", false] },
  "plugins.paths": { file: ["/a"], env: ["/b", ["/b"]], flag: ["/c", ["/c"]] },
  "plugins.allow": { file: ["a"], env: ["b", ["b"]], flag: ["c", ["c"]] },
  "plugins.deny": { file: ["a"], env: ["b", ["b"]], flag: ["c", ["c"]] },
  "channels.telegram": {
    file: { botToken: "a" },
    env: ['{"botToken":"b"}', { botToken: "b" }],
    flag: ['{"botToken":"c"}', { botToken: "c" }],
  },
  hooks: {
    file: { token: "a" },
    env: ['{"token":"b"}', { token: "b" }],
    flag: ['{"token":"c"}', { token: "c" }],
  },
  cron: {
    file: { enabled: true },
    env: ['{"enabled":false}', { enabled: false }],
    flag: ['{"enabled":false}', { enabled: false }],
  },
  "plugins.entries": {
    file: { a: { enabled: true } },
    env: ['{"b":{"enabled":false}}', { b: { enabled: false } }],
    flag: ["{}", {}],
  },
  "session.scope": { file: "global", env: ["per-sender", "per-sender"], flag: ["global", "global"] },
  "session.dmScope": {
    file: "per-peer",
    env: ["per-channel-peer", "per-channel-peer"],
    flag: ["per-account-channel-peer", "per-account-channel-peer"],
  },
  "session.identityLinks": {
    file: { ann: ["telegram:1"] },
    env: ['{"ann":["signal:2"]}', { ann: ["signal:2"] }],
    flag: ["{}", {}],
  },
  "session.reset.mode": { file: "idle", env: ["daily", "daily"], flag: ["idle", "idle"] },
  "session.reset.atHour": { file: 0, env: ["5", 5], flag: ["23", 23] },
  "session.reset.idleMinutes": { file: 1, env: ["2", 2], flag: ["3", 3] },
  "session.resetByType": {
    file: { dm: { mode: "idle" } },
    env: ['{"group":{"atHour":5}}', { group: { atHour: 5 } }],
    flag: ["{}", {}],
  },
  "session.resetByChannel": {
    file: { discord: { idleMinutes: 10_080 } },
    env: ['{"slack":{"mode":"daily"}}', { slack: { mode: "daily" } }],
    flag: ["{}", {}],
  },
  "session.resetTriggers": { file: ["/a"], env: ["/b,/c", ["/b", "/c"]], flag: ["/d", ["/d"]] },
  "session.idleMinutes": { file: 1, env: ["2", 2], flag: ["3", 3] },
  "messages.queue.mode": { file: "steer", env: ["queue", "queue"], flag: ["interrupt", "interrupt"] },
  "messages.queue.byChannel": {
    file: { telegram: "steer" },
    env: ['{"telegram":"steer+backlog"}', { telegram: "steer+backlog" }],
    flag: ["{}", {}],
  },
  "tools.allow": { file: ["a"], env: ["b,c", ["b", "c"]], flag: ["files__*", ["files__*"]] },
  "tools.deny": { file: ["a"], env: ["b,c", ["b", "c"]], flag: ["d", ["d"]] },
  "tools.approve": { file: ["a"], env: ["b,c", ["b", "c"]], flag: ["*", ["*"]] },
  "mcp.servers": {
    file: { a: { command: "a" } },
    env: ['{"b":{"url":"http://b"}}', { b: { url: "http://b" } }],
    flag: ["{}", {}],
  },
  "env.vars": { file: { A: "a" }, env: ['{"A":"b"}', { A: "b" }], flag: ['{"A":"c"}', { A: "c" }] },
};

describe("layers", () => {
  test.each(leaves.map((leaf) => [leaf.key, leaf] as const))(
    "%s: default < file < environment < flag",
    (key, leaf) => {
      const sample = SAMPLES[key];
      if (!sample) throw new Error(`there is no sample for ${key}`);
      const text = JSON.stringify(
        leaf.path.reduceRight<unknown>((value, name) => ({ [name]: value }), sample.file),
      );
      const env = { [leaf.env]: sample.env[0] };
      const flags = [{ key, name: "--it", value: sample.flag[0] }];
      const steps = [
        layered(undefined),
        layered(text),
        layered(text, { env }),
        layered(text, { env, flags }),
      ];
      const seen = steps.map((result) => (result.valid ? valueAt(result.config, leaf.path) : result.errors));
      expect(seen[0]).toEqual(leaf.default);
      expect(seen[1]).toEqual(sample.means ?? sample.file);
      expect(seen[2]).toEqual(sample.env[1]);
      expect(seen[3]).toEqual(sample.flag[1]);

      const last = steps[3];
      const settings = last?.valid ? last.provenance.get(key) : undefined;
      expect(settings?.map(({ layer }) => layer)).toEqual(["flag", "env", "file", "default"]);
      expect(settings?.[0]).toEqual({ layer: "flag", name: "--it", value: sample.flag[1] });
      expect(settings?.[1]).toEqual({ layer: "env", name: leaf.env, value: sample.env[1] });
      expect(settings?.[2]).toMatchObject({
        layer: "file",
        file: "moltbot.json",
        line: 1,
        value: sample.file,
      });
      expect(settings?.[3]).toEqual({ layer: "default", value: leaf.default });
    },
  );

  test("a setting remembers the line and column of its key", () => {
    const result = layered('{\n  "gateway": {\n    // why\n    "limits": { "clientsMax": 5 }\n  }\n}');
    expect(result.valid && result.provenance.get("gateway.limits.clientsMax")?.[0]).toEqual({
      layer: "file",
      value: 5,
      file: "moltbot.json",
      line: 4,
      column: 17,
    });
  });

  test("the configuration is frozen, all the way down", () => {
    const config = configOf(
      '{"models":{"providers":{"a":{"baseUrl":"http://a","models":[{"id":"m","cost":{"input":1}}]}}}}',
    );
    const unfrozen: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== "object" || value === null) return;
      if (!Object.isFrozen(value)) unfrozen.push(path);
      for (const [name, member] of Object.entries(value)) visit(member, `${path}.${name}`);
    };
    visit(config, "");
    expect(unfrozen).toEqual([]);
    expect(() => {
      (config.gateway as { port: number }).port = 1;
    }).toThrow();
  });

  test("two readings share nothing that could be changed", () => {
    expect(configOf("{}").gateway.allowedHosts).not.toBe(configOf("{}").gateway.allowedHosts);
  });

  test("the protocol's example loads, and says once what is not used", () => {
    const result = layered(EXAMPLE, { env: { OLLAMA_KEY: "key of ollama" } });
    expect(result.valid && result.config.models.providers["ollama"]?.apiKey).toBe("key of ollama");
    expect(result.valid && result.config.agents.defaults.model).toEqual({
      primary: "ollama/qwen3",
      fallbacks: [],
    });
    expect(result.warnings.map(formatIssue)).toEqual(["moltbot.json: Not used here: discovery"]);
  });

  test("the protocol's example without its variable", () => {
    const result = layered(EXAMPLE);
    expect(!result.valid && result.errors.map(formatIssue)).toEqual([
      'moltbot.json:4:92: Cannot use "models.providers.ollama.apiKey": the variable OLLAMA_KEY is not set, or empty',
    ]);
  });

  test("a feature's section, with what it does not know", () => {
    const sections = {
      notes: z
        .strictObject({ keepMax: z.int().min(1).default(500).meta({ reload: "live" }) })
        .meta({ unused: ["oldKey"] }),
    };
    const outside = { sections, env: { CLAWDBOT_NOTES_KEEP_MAX: "7" } };
    expect(configOf('{"notes":{"oldKey":"main"}}', outside)["notes"]).toEqual({ keepMax: 7 });
    expect(configOf(undefined, { sections })["notes"]).toEqual({ keepMax: 500 });
    const wrong = layered('{"notes":{"keepMin":1}}', { sections });
    expect(!wrong.valid && wrong.errors[0]?.message).toBe(
      'Cannot use "notes.keepMin": there is no such key, did you mean "notes.keepMax"',
    );
  });
});

describe("errors in the file", () => {
  const cases: [string, string, string[]][] = [
    [
      "a mistyped key",
      '{\n  "gateway": {\n    "prot": 18789\n  }\n}',
      ['3:5: Cannot use "gateway.prot": there is no such key, did you mean "gateway.port"'],
    ],
    [
      "another case",
      '{"gateway":{"Port":1}}',
      ['1:13: Cannot use "gateway.Port": there is no such key, did you mean "gateway.port"'],
    ],
    [
      "a mistyped section of the system we replace",
      '{"chanels":{}}',
      // Nobody is sent to a key that is not used here.
      ['1:2: Cannot use "chanels": there is no such key, did you mean "channels"'],
    ],
    [
      "a key at the wrong level",
      '{"token":"x"}',
      ['1:2: Cannot use "token": there is no such key, did you mean "gateway.auth.token"'],
    ],
    [
      "a key like no other",
      '{"zzz":1}',
      [
        '1:2: Cannot use "zzz": there is no such key; known here: gateway, agents, models, session, messages, tools, mcp, plugins, channels, hooks, cron, env',
      ],
    ],
    [
      "a key named like a method",
      '{"gateway":{"toString":1}}',
      [
        '1:13: Cannot use "gateway.toString": there is no such key; known here: port, bind, mode, auth, allowedHosts, allowedOrigins, trustedProxies, limits, reload, metrics, log',
      ],
    ],
    [
      "a key that has moved",
      '{"gateway":{"token":"x"}}',
      ['1:13: Cannot use "gateway.token": it is called "gateway.auth.token" now'],
    ],
    [
      "a wrong kind",
      '{"gateway":{"port":"80"}}',
      ['1:20: Cannot use "gateway.port": wanted a whole number from 0 to 65535, got text'],
    ],
    ["a null", '{"gateway":null}', ['1:12: Cannot use "gateway": wanted an object, got null']],
    [
      "a list for an object",
      '{"gateway":{"auth":[]}}',
      ['1:20: Cannot use "gateway.auth": wanted an object, got a list'],
    ],
    [
      "out of range",
      '{"gateway":{"port":65536}}',
      ['1:20: Cannot use "gateway.port": wanted a whole number from 0 to 65535, got 65536'],
    ],
    [
      "a broken number",
      '{"gateway":{"port":1.5}}',
      ['1:20: Cannot use "gateway.port": wanted a whole number from 0 to 65535, got 1.5'],
    ],
    [
      "an unknown word",
      '{"gateway":{"auth":{"mode":"trusted-proxy"}}}',
      ['1:28: Cannot use "gateway.auth.mode": wanted "token", "password" or "none"'],
    ],
    [
      "a bind that could widen",
      '{"gateway":{"bind":"custom"}}',
      ['1:20: Cannot use "gateway.bind": wanted the IP address itself in place of "custom"'],
    ],
    [
      "a host name as bind",
      '{"gateway":{"bind":"localhost"}}',
      ['1:20: Cannot use "gateway.bind": wanted "loopback", "lan", "tailnet" or an IP address'],
    ],
    [
      "an element",
      '{"gateway":{"trustedProxies":["10.0.0.1","10.0.0.0/33"]}}',
      ['1:42: Cannot use "gateway.trustedProxies.1": wanted an IP address or a network such as 10.0.0.0/8'],
    ],
    [
      "an origin with a wildcard",
      '{"gateway":{"allowedOrigins":["https://*.x"]}}',
      ['1:31: Cannot use "gateway.allowedOrigins.0": wanted an origin such as https://host:port'],
    ],
    [
      "a secret of the wrong kind keeps quiet",
      '{"gateway":{"auth":{"token":123456789}}}',
      ['1:29: Cannot use "gateway.auth.token": wanted text, got a number'],
    ],
    [
      "an alternative",
      '{"agents":{"defaults":{"model":5}}}',
      ['1:32: Cannot use "agents.defaults.model": wanted text or an object, got a number'],
    ],
    [
      "inside an alternative",
      '{"agents":{"defaults":{"model":{"primary":5}}}}',
      ['1:43: Cannot use "agents.defaults.model.primary": wanted text, got a number'],
    ],
    [
      "a mistyped key inside an alternative",
      '{"agents":{"defaults":{"model":{"fallback":[]}}}}',
      [
        '1:33: Cannot use "agents.defaults.model.fallback": there is no such key, did you mean "agents.defaults.model.fallbacks"',
      ],
    ],
    [
      "something missing",
      '{"models":{"providers":{\n"a b":{}}}}',
      ['2:1: Cannot use "models.providers.\\"a b\\".baseUrl": it is missing, wanted text'],
    ],
    [
      "a credential in an address",
      '{"models":{"providers":{"a":{"baseUrl":"https://me:secret@x/v1"}}}}',
      [
        '1:40: Cannot use "models.providers.a.baseUrl": wanted an http or https address without user name and password',
      ],
    ],
    [
      "a user name in an address",
      '{"models":{"providers":{"a":{"baseUrl":"http://me@x/v1"}}}}',
      [
        '1:40: Cannot use "models.providers.a.baseUrl": wanted an http or https address without user name and password',
      ],
    ],
    [
      "what tells editors the schema, out of its place",
      '{"gateway":{"$schema":"x"}}',
      [
        '1:13: Cannot use "gateway.$schema": there is no such key; known here: port, bind, mode, auth, allowedHosts, allowedOrigins, trustedProxies, limits, reload, metrics, log',
      ],
    ],
    [
      "an api nobody speaks",
      '{"models":{"providers":{"a":{"baseUrl":"http://x","api":"openai"}}}}',
      [
        '1:57: Cannot use "models.providers.a.api": wanted "openai-completions", "anthropic-messages" or "acp"',
      ],
    ],
    [
      "an agent's program without a word of it",
      '{"models":{"providers":{"a":{"api":"acp"}}}}',
      ['1:25: Cannot use "models.providers.a.command": it is missing, wanted a list'],
    ],
    [
      "a program where a server was meant",
      '{"models":{"providers":{"a":{"api":"openai-completions","command":["opencode","acp"]}}}}',
      ['1:36: Cannot use "models.providers.a.api": wanted "acp" beside a command'],
    ],
    [
      "a program that is nothing",
      '{"models":{"providers":{"a":{"api":"acp","command":[]}}}}',
      ['1:52: Cannot use "models.providers.a.command": wanted at least 1 entries'],
    ],
    [
      "a reset nobody knows",
      '{"session":{"reset":{"mode":"weekly"},"dmScope":"all"}}',
      [
        '1:29: Cannot use "session.reset.mode": wanted "daily" or "idle"',
        '1:49: Cannot use "session.dmScope": wanted "main", "per-peer", "per-channel-peer" or "per-account-channel-peer"',
      ],
    ],
    [
      "a way to wait nobody knows",
      '{"messages":{"queue":{"byChannel":{"slack":"later"}}}}',
      [
        '1:44: Cannot use "messages.queue.byChannel.slack": wanted "followup", "collect", "steer", "interrupt", "queue", "steer-backlog" or "steer+backlog"',
      ],
    ],
    [
      "a server of tools that is no address",
      '{"mcp":{"servers":{"a":{"url":"ftp://a"}}}}',
      [
        '1:31: Cannot use "mcp.servers.a.url": wanted an http or https address without user name and password',
      ],
    ],
    [
      "equal agents",
      '{"agents":{"list":[{"id":"a"},{"id":"a"}]}}',
      ['1:19: Cannot use "agents.list": two agents have the same id'],
    ],
    [
      "several, by place",
      '{"x1y":1,"gateway":{\n"port":-1,"mod":"local"}}',
      [
        '1:2: Cannot use "x1y": there is no such key; known here: gateway, agents, models, session, messages, tools, mcp, plugins, channels, hooks, cron, env',
        '2:8: Cannot use "gateway.port": wanted a whole number from 0 to 65535, got -1',
        '2:11: Cannot use "gateway.mod": there is no such key, did you mean "gateway.mode"',
      ],
    ],
  ];
  test.each(cases)("%s", (_, text, wanted) => {
    const result = layered(text);
    expect(!result.valid && result.errors.map(formatIssue)).toEqual(
      wanted.map((line) => `moltbot.json:${line}`),
    );
  });

  test("a value the environment covers is not looked at, its neighbours are", () => {
    const text = '{"gateway":{"port":"x","bind":5}}';
    const result = layered(text, { env: { CLAWDBOT_GATEWAY_PORT: "1" } });
    expect(!result.valid && result.errors.map(({ key }) => key)).toEqual(["gateway.bind"]);
  });

  test("of two wrong layers the stronger is to blame", () => {
    const flags = [{ key: "gateway.port", name: "--port", value: "x" }];
    const result = layered('{"gateway":{"port":"x"}}', { env: { CLAWDBOT_GATEWAY_PORT: "x" }, flags });
    expect(!result.valid && result.errors.map(({ layer, name }) => [layer, name])).toEqual([
      ["flag", "--port"],
    ]);
  });

  test("what is in the way of the environment's value is the file's fault", () => {
    const result = layered('{"gateway":"x"}', { env: { CLAWDBOT_GATEWAY_PORT: "1" } });
    expect(!result.valid && result.errors.map(formatIssue)).toEqual([
      'moltbot.json:1:12: Cannot use "gateway": wanted an object, got text',
    ]);
  });
});
