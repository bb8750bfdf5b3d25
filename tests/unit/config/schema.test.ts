import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { bare, classic } from "../../../src/config/leaves.ts";
import { rootSchema } from "../../../src/config/schema.ts";
import { type Bind, expandHome, toBind, toModels } from "../../../src/config/values.ts";
import { leaves, schema } from "./support.ts";

describe("the schema", () => {
  test("every setting says what it is and what a change of it needs", () => {
    for (const { key, description, schema: leaf } of leaves) {
      expect(`${key}: ${description}`).toMatch(/^\S+: \S.{5,}/);
      expect(`${key}: ${bare(leaf).meta.reload}`).toMatch(/: (live|feature|process)$/);
    }
  });

  test("everything an entry of a table or a list may have says what it is", () => {
    const silent: string[] = [];
    const visit = (wrapped: z.ZodType, path: string): void => {
      const { schema: inner } = bare(wrapped);
      if (inner instanceof z.ZodArray) return visit(classic(inner.element), `${path}.*`);
      if (inner instanceof z.ZodRecord) return visit(classic(inner.valueType), `${path}.*`);
      if (inner instanceof z.ZodUnion) return inner.options.forEach((option) => visit(classic(option), path));
      if (!(inner instanceof z.ZodObject)) return;
      for (const [name, member] of Object.entries(inner.shape)) {
        const { schema: below, meta } = bare(classic(member));
        const isSaid = (meta.description ?? "").length > 5;
        if (!isSaid && !(below instanceof z.ZodObject)) silent.push(`${path}.${name}`);
        visit(classic(member), `${path}.${name}`);
      }
    };
    visit(schema, "");
    expect(silent).toEqual([]);
  });

  test("the defaults are valid, and what the start needs to know", () => {
    expect(schema.parse({})).toEqual({
      gateway: {
        port: 18789,
        bind: "loopback",
        mode: "local",
        auth: {},
        allowedHosts: [],
        allowedOrigins: [],
        trustedProxies: [],
        limits: { frameBytesMax: 1_048_576, clientsMax: 1_024 },
        reload: { mode: "hybrid", debounceMs: 100 },
        metrics: { public: false },
        log: { format: "text", level: "info" },
      },
      agents: { defaults: { timeoutSeconds: 600, compaction: { reserveTokensFloor: 16_384 } }, list: [] },
      models: { providers: {} },
      session: {
        scope: "per-sender",
        dmScope: "main",
        identityLinks: {},
        reset: {},
        resetByType: {},
        resetByChannel: {},
        resetTriggers: ["/new", "/reset"],
      },
      messages: { queue: { mode: "collect", byChannel: {} } },
      tools: {},
      mcp: {},
      plugins: { enabled: true, paths: [], deny: [], entries: {} },
      channels: {},
      env: { vars: {} },
    });
  });

  test("objects take no unknown keys, except where names are free", () => {
    const open: string[] = [];
    const visit = (wrapped: z.ZodType, path: string): void => {
      const { schema: inner } = bare(wrapped);
      if (inner instanceof z.ZodArray) return visit(classic(inner.element), `${path}[]`);
      if (inner instanceof z.ZodRecord) return visit(classic(inner.valueType), `${path}.*`);
      if (inner instanceof z.ZodUnion) return inner.options.forEach((option) => visit(classic(option), path));
      if (!(inner instanceof z.ZodObject)) return;
      if (!(inner.def.catchall instanceof z.ZodNever)) open.push(path);
      for (const [name, member] of Object.entries(inner.shape)) visit(classic(member), `${path}.${name}`);
    };
    visit(schema, "");
    expect(open).toEqual([".channels", ".env"]);
  });

  test("it can be shown as JSON Schema", () => {
    const shown = JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io: "input" })));
    expect(shown.properties.gateway.properties.port).toMatchObject({
      type: "integer",
      minimum: 0,
      maximum: 65_535,
      default: 18789,
    });
  });

  test("a section of the core cannot be taken", () => {
    expect(() => rootSchema({ gateway: z.strictObject({}) })).toThrow(
      'Cannot add configuration section "gateway": it exists already',
    );
  });
});

const address = (text: string): Bind => ({ kind: "address", address: text });

describe("bind", () => {
  const cases: [string, Bind][] = [
    ["loopback", { kind: "loopback" }],
    ["lan", { kind: "lan" }],
    ["tailnet", { kind: "tailnet" }],
    ["auto", { kind: "loopback" }],
    ["192.168.1.5", address("192.168.1.5")],
    ["0.0.0.0", address("0.0.0.0")],
    ["::", address("::")],
    ["::1", address("::1")],
    ["fd00::1:2", address("fd00::1:2")],
    ["::ffff:10.0.0.1", address("::ffff:10.0.0.1")],
  ];
  test.each(cases)("%s", (text, bind) => {
    expect(toBind(text)).toEqual(bind);
  });

  const refused = [
    "",
    "custom",
    "LAN",
    "localhost",
    "*",
    "all",
    "0",
    "127.1",
    "192.168.1.256",
    "192.168.1.1/24",
    "192.168.1.1:80",
    "[::1]",
    "fe80::1%eth0",
    ":::",
    "1".repeat(100),
    "constructor",
  ];
  test.each(refused)("refused: %s", (text) => {
    expect(toBind(text)).toBeUndefined();
    expect(schema.safeParse({ gateway: { bind: text } }).success).toBe(false);
  });
});

describe("helpers", () => {
  test("the home directory", () => {
    const cases = { "~": "/h", "~/clawd": "/h/clawd", "~root/x": "~root/x", "/~/x": "/~/x", "x/~": "x/~" };
    for (const [path, expanded] of Object.entries(cases)) expect(expandHome(path, "/h")).toBe(expanded);
  });

  test("models in the order to try them", () => {
    expect(toModels(undefined)).toEqual([]);
    expect(toModels("a/b")).toEqual(["a/b"]);
    expect(toModels({ primary: "a/b", fallbacks: ["c/d", "e/f"] })).toEqual(["a/b", "c/d", "e/f"]);
    expect(toModels({ fallbacks: ["c/d"] })).toEqual(["c/d"]);
  });
});
