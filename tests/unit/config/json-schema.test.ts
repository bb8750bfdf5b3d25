import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { configJsonSchema } from "../../../src/config/show/json-schema.ts";
import { settingsOf } from "../../../src/config/judge.ts";
import { EXAMPLE, documentOf } from "./support.ts";

const settings = settingsOf({});
const { schema, uiHints } = configJsonSchema(settings);
/** The schema as a reader of it understands it. */
const reader = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);

/** Paths of what the schema does not allow. */
function refused(value: unknown): readonly string[] {
  const result = reader.safeParse(value);
  return result.success ? [] : result.error.issues.map(({ path, code }) => `${path.join(".")} ${code}`);
}

describe("the schema", () => {
  test("allows the example of the protocol and that of the README", async () => {
    const readme = await Bun.file(`${import.meta.dir}/../../../README.md`).text();
    const example = /```jsonc\n([\s\S]*?)```/.exec(readme)?.[1];
    expect(refused(documentOf(EXAMPLE).value)).toEqual([]);
    expect(refused(documentOf(example ?? "").value)).toEqual([]);
  });

  test.each([
    ["nothing", {}],
    ["its own address", { $schema: "./moltbot.schema.json" }],
    [
      "what the system we replace has and this does not use",
      {
        channels: { telegram: { botToken: "x" } },
        gateway: { controlUi: { enabled: true }, tls: { enabled: true }, tailscale: { mode: "off" } },
        agents: {
          defaults: { workspace: "~/clawd", heartbeat: {} },
          list: [{ id: "a", name: "A", tools: {} }],
        },
        env: { shellEnv: { enabled: true } },
        models: { mode: "merge", providers: { a: { baseUrl: "http://a", models: [], headers: {} } } },
      },
    ],
    [
      "a provider that is skipped",
      { models: { providers: { a: { baseUrl: "http://a", api: "google-generative-ai" } } } },
    ],
    [
      "a key nobody knows in a server of tools",
      { mcp: { servers: { a: { command: "a", note: "from a page" } } } },
    ],
    [
      "references where secrets are",
      {
        gateway: { auth: { token: { $env: "TOKEN" }, password: { $file: "password" } } },
        models: { providers: { a: { baseUrl: "http://a", apiKey: { $env: "A_KEY" } } } },
        mcp: { servers: { a: { url: "http://a", headers: { Authorization: { $file: "a" } } } } },
        agents: { defaults: { env: { A: { $env: "A" } } } },
        env: { DIRECT: { $env: "X" }, vars: { A: { $file: "a" } } },
      },
    ],
    [
      "included files",
      {
        $include: ["a.json", "b.json"],
        gateway: { $include: "gateway.json", port: 1 },
        models: { providers: { $include: "p.json", a: { $include: "a.json" } } },
        agents: { list: { $include: "agents.json" } },
      },
    ],
  ])("allows %s", (_, value) => {
    expect(refused(value)).toEqual([]);
  });

  test.each([
    ["a mistyped key", { gateway: { prot: 1 } }, ["gateway unrecognized_keys"]],
    ["a section nobody has", { xyzzy: {} }, [" unrecognized_keys"]],
    ["a port that is none", { gateway: { port: 70_000 } }, ["gateway.port too_big"]],
    [
      "a word that is none of those",
      { gateway: { log: { level: "loud" } } },
      ["gateway.log.level invalid_value"],
    ],
    [
      "a reference where no secret is",
      { gateway: { port: { $env: "PORT" } } },
      ["gateway.port invalid_type"],
    ],
    [
      "an api nobody has",
      { models: { providers: { a: { baseUrl: "x", api: "y" } } } },
      ["models.providers.a.api invalid_value"],
    ],
  ])("does not allow %s", (_, value, issues) => {
    expect(refused(value)).toEqual(issues);
  });

  test.each([
    ["two references at once", { gateway: { auth: { token: { $env: "A", $file: "b" } } } }],
    ["an object that is no reference", { gateway: { auth: { token: {} } } }],
    ["a number as a secret", { env: { A: 1 } }],
  ])("does not allow %s", (_, value) => {
    expect(refused(value)).not.toEqual([]);
  });

  test("an entry needs what it cannot do without, unless it is included", () => {
    const text = JSON.stringify(schema);
    expect(text).toContain('"anyOf":[{"required":["id"]},{"required":["$include"]}]');
  });

  test("is plain JSON and says nothing of our own metadata", () => {
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
    const keywords = new Set<string>();
    const visit = (node: unknown): void => {
      if (Array.isArray(node)) node.forEach(visit);
      if (typeof node !== "object" || node === null || Array.isArray(node)) return;
      for (const [name, part] of Object.entries(node)) {
        keywords.add(name);
        // Below these are names, not keywords.
        if (name === "properties" || name === "$defs") Object.values(part as object).forEach(visit);
        else if (name !== "default") visit(part);
      }
    };
    visit(schema);
    for (const own of ["unused", "unusedNotes", "moved", "skip", "tolerant", "reload", "secret"]) {
      expect([...keywords]).not.toContain(own);
    }
    expect(schema).toMatchObject({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      properties: { gateway: { properties: { port: { type: "integer", default: 18789, maximum: 65535 } } } },
    });
  });

  test("has what features add", () => {
    const notes = z.strictObject({
      max: z.int().default(3).meta({ description: "Notes kept", reload: "live" }),
    });
    const made = configJsonSchema(settingsOf({ notes }));
    expect(made.schema).toMatchObject({ properties: { notes: { properties: { max: { default: 3 } } } } });
    expect(made.uiHints["notes.max"]).toMatchObject({ label: "Max", group: "Notes", placeholder: "3" });
  });
});

describe("hints", () => {
  test("say of a setting what a form needs", () => {
    expect(uiHints["gateway.limits.frameBytesMax"]).toEqual({
      label: "Frame bytes max",
      help: "Largest message of a connected client, bytes",
      group: "Gateway",
      order: uiHints["gateway.limits.frameBytesMax"]?.order ?? 0,
      placeholder: "1048576",
      reload: "process",
      env: "CLAWDBOT_GATEWAY_LIMITS_FRAME_BYTES_MAX",
    });
  });

  test("there is one for every setting", () => {
    for (const leaf of settings.leaves) {
      expect(uiHints[leaf.key]).toMatchObject({ env: leaf.env, reload: leaf.reload });
    }
  });

  test("entries of lists and tables are a star", () => {
    expect(uiHints["models.providers.*.apiKey"]).toMatchObject({ label: "Api key", sensitive: true });
    expect(uiHints["agents.list.*.id"]).toMatchObject({ help: "Name in session keys" });
    expect(uiHints["agents.list.*.model.primary"]).toMatchObject({ label: "Primary" });
    expect(uiHints["models.providers.*.apiKey"]?.env).toBeUndefined();
  });

  test("every secret is sensitive and shows no example", () => {
    const sensitive = Object.entries(uiHints).filter(([, hint]) => hint.sensitive);
    expect(sensitive.map(([key]) => key)).toEqual([
      "gateway.auth.token",
      "gateway.auth.password",
      "agents.defaults.env.*",
      "agents.list.*.env.*",
      "agents.list.*.mcp.servers.*.env.*",
      "agents.list.*.mcp.servers.*.headers.*",
      "models.providers.*.apiKey",
      "models.providers.*.env.*",
      "mcp.servers.*.env.*",
      "mcp.servers.*.headers.*",
      "env.vars.*",
      "env.*",
    ]);
    expect(sensitive.filter(([, hint]) => hint.placeholder !== undefined)).toEqual([]);
  });

  test("are in the order of the schema", () => {
    const orders = Object.values(uiHints).map(({ order }) => order);
    expect(orders).toEqual(orders.map((_, index) => index + 1));
  });
});
