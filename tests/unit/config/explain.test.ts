import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { readDocument } from "../../../src/config/text/document.ts";
import { describeExplained, type Explained, explain } from "../../../src/config/show/explain.ts";
import { assemble } from "../../../src/config/tree/include.ts";
import { settingsOf } from "../../../src/config/judge.ts";
import { composeLayers } from "../../../src/config/layers.ts";
import type { Flag } from "../../../src/config/env.ts";
import type { Sections } from "../../../src/config/schema.ts";
import { placeOfSpot, type SourceFile, treeAt } from "../../../src/config/tree/tree.ts";

const FILE = `{
  // what I changed
  "gateway": {
    "port": 9000,
    "auth": { "token": "CANARY-token" },
  },
  "agents": {
    "defaults": { "model": { "primary": "ollama/qwen3" } },
    "list": [{ "id": "main" }, { "id": "second", "model": "ollama/other" }],
  },
  "models": {
    "providers": {
      "ollama": { "baseUrl": "http://127.0.0.1:11434/v1" },
      "my.ai": { "baseUrl": "http://my.ai/v1", "apiKey": "CANARY-\${MY_KEY}" },
    },
  },
  "env": { "OPENAI_KEY": "CANARY-openai", "7": "CANARY-seven" },
}`;

interface World {
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly Flag[];
  readonly overrides?: ReadonlyMap<string, unknown>;
  readonly sections?: Sections;
}

function sourceFile(path: string, text: string): SourceFile {
  const reading = readDocument(text);
  if (!reading.ok) throw new Error(JSON.stringify(reading.errors));
  return { path, text, document: reading.document };
}

/** Explains a key of the main file `/c/moltbot.json` and what lies around it. */
function explained(key: string, text: string, { files = {}, env = {}, flags = [], ...more }: World = {}) {
  const settings = settingsOf(more.sections ?? {});
  const { tree, errors } = assemble(sourceFile("/c/moltbot.json", text), (path) =>
    sourceFile(path, files[path] ?? ""),
  );
  expect(errors).toEqual([]);
  const { overrides = new Map() } = more;
  const result = composeLayers({
    ...settings,
    file: "/c/moltbot.json",
    tree,
    env: { MY_KEY: "CANARY-reference", ...env },
    flags,
    overrides,
  });
  if (!result.valid) throw new Error(JSON.stringify(result.errors));
  const { config, provenance } = result;
  return explain(
    {
      settings,
      config,
      provenance,
      positionOf(path) {
        const spot = treeAt(tree, path)?.spot;
        return spot && placeOfSpot(spot);
      },
    },
    key,
  );
}

function found(key: string, text = FILE, world: World = {}): Explained {
  const result = explained(key, text, world);
  if ("problem" in result) throw new Error(result.problem);
  return result;
}

function problem(key: string, text = FILE, world: World = {}): string {
  const result = explained(key, text, world);
  return "problem" in result ? result.problem : `explained: ${JSON.stringify(result)}`;
}

describe("a setting", () => {
  test("that nobody has set", () => {
    expect(found("gateway.bind")).toEqual({
      key: "gateway.bind",
      value: "loopback",
      layer: "default",
      env: "CLAWDBOT_GATEWAY_BIND",
      default: "loopback",
      hidden: [],
      reload: "process",
      description: "Where to listen: loopback, lan, tailnet or one IP address",
    });
  });

  test("from the file, with its place", () => {
    expect(found("gateway.port")).toMatchObject({
      value: 9000,
      layer: "file",
      source: { file: "/c/moltbot.json", line: 4, column: 5 },
      default: 18789,
      hidden: [{ layer: "default", value: 18789 }],
    });
  });

  test("in every layer: the strongest decides, the others are hidden in their order", () => {
    const result = found("gateway.port", FILE, {
      env: { CLAWDBOT_GATEWAY_PORT: "9001" },
      flags: [{ key: "gateway.port", name: "--port", value: 9002 }],
      overrides: new Map([["gateway.port", 9003]]),
    });
    expect(result).toMatchObject({ value: 9003, layer: "override" });
    expect(result.hidden).toEqual([
      { layer: "flag", value: 9002, name: "--port" },
      { layer: "env", value: 9001, name: "CLAWDBOT_GATEWAY_PORT" },
      { layer: "file", value: 9000, source: { file: "/c/moltbot.json", line: 4, column: 5 } },
      { layer: "default", value: 18789 },
    ]);
  });

  test("may be asked for by its variable, the old name too", () => {
    expect(found("CLAWDBOT_GATEWAY_PORT").key).toBe("gateway.port");
    expect(found("CLAWDBOT_GATEWAY_TOKEN").key).toBe("gateway.auth.token");
  });

  test("that is a secret is not shown, wherever it is set", () => {
    const result = found("gateway.auth.token", FILE, {
      env: { CLAWDBOT_GATEWAY_TOKEN: "CANARY-env" },
      flags: [{ key: "gateway.auth.token", name: "--token", value: "CANARY-flag" }],
    });
    expect(result).toMatchObject({ value: "***", layer: "flag", name: "--token" });
    expect(result.hidden.map(({ layer, value }) => [layer, value])).toEqual([
      ["env", "***"],
      ["file", "***"],
    ]);
    expect(JSON.stringify(result)).not.toContain("CANARY");
  });

  test("with secrets inside is shown without them", () => {
    const result = found("models.providers");
    expect(result.value).toMatchObject({ "my.ai": { baseUrl: "http://my.ai/v1", apiKey: "***" } });
    expect(JSON.stringify(result)).not.toContain("CANARY");
  });

  test("without a value or a default", () => {
    const result = found("gateway.auth.password");
    expect(result).toMatchObject({ layer: "default", hidden: [] });
    expect(result.value).toBeUndefined();
    expect(result.default).toBeUndefined();
  });

  test("that a feature added", () => {
    const sections = { notes: z.strictObject({ max: z.int().default(3).meta({ reload: "feature" }) }) };
    expect(found("notes.max", '{ "notes": { "max": 4 } }', { sections })).toMatchObject({
      value: 4,
      layer: "file",
      default: 3,
      reload: "feature",
    });
  });

  test("of an included file, hidden by the including one", () => {
    const text = '{\n  "$include": "base.json",\n  "gateway": { "port": 1 }\n}';
    const files = { "/c/base.json": '{ "gateway": {\n  "port": 2, "bind": "lan" } }' };
    expect(found("gateway.port", text, { files })).toMatchObject({
      value: 1,
      source: { file: "/c/moltbot.json", line: 3 },
      hidden: [
        { layer: "file", value: 2, source: { file: "/c/base.json", line: 2, column: 3 } },
        { layer: "default", value: 18789 },
      ],
    });
    expect(found("gateway.bind", text, { files })).toMatchObject({
      value: "lan",
      source: { file: "/c/base.json", line: 2, column: 14 },
    });
  });
});

describe("a part of a setting", () => {
  test("is set where the innermost part is written", () => {
    expect(found("models.providers.ollama.baseUrl")).toEqual({
      key: "models.providers.ollama.baseUrl",
      value: "http://127.0.0.1:11434/v1",
      layer: "file",
      source: { file: "/c/moltbot.json", line: 13, column: 19 },
      partOf: "models.providers",
      env: "CLAWDBOT_MODELS_PROVIDERS",
      default: undefined,
      hidden: [],
      reload: found("models.providers").reload,
      description: "Address of the API, with its version: http://127.0.0.1:11434/v1",
    });
  });

  test("that the file leaves out has its default", () => {
    const result = found("models.providers.ollama.api");
    expect(result).toMatchObject({ value: "openai-completions", layer: "default", hidden: [] });
    expect(result.source).toBeUndefined();
  });

  test("of a list, by its place", () => {
    expect(found("agents.list.1.model")).toMatchObject({
      value: "ollama/other",
      source: { line: 9, column: 50 },
      partOf: "agents.list",
    });
    expect(found("agents.list[1].model").key).toBe("agents.list.1.model");
    expect(found("agents.list.0")).toMatchObject({ value: { id: "main" }, source: { line: 9, column: 14 } });
  });

  test("of a value of several kinds", () => {
    expect(found("agents.defaults.model.primary")).toMatchObject({ value: "ollama/qwen3", layer: "file" });
  });

  test("with a dot in its name, and a secret in it", () => {
    expect(found('models.providers."my.ai".apiKey')).toMatchObject({
      key: 'models.providers."my.ai".apiKey',
      value: "***",
      layer: "file",
      source: { line: 14 },
    });
  });

  test("hides that part of weaker layers", () => {
    const json = '{"ollama":{"baseUrl":"http://other/v1","apiKey":"CANARY-env"}}';
    const result = found("models.providers.ollama.baseUrl", FILE, {
      env: { CLAWDBOT_MODELS_PROVIDERS: json },
    });
    expect(result).toMatchObject({
      value: "http://other/v1",
      layer: "env",
      name: "CLAWDBOT_MODELS_PROVIDERS",
    });
    expect(result.hidden).toMatchObject([
      { layer: "file", value: "http://127.0.0.1:11434/v1", source: { file: "/c/moltbot.json" } },
    ]);
  });

  test("of merged files does not hide itself", () => {
    const text = '{ "$include": "base.json", "models": { "providers": { "a": { "baseUrl": "http://a" } } } }';
    const files = {
      "/c/base.json":
        '{ "models": { "providers": { "a": { "baseUrl": "http://old" }, "b": { "baseUrl": "http://b" } } } }',
    };
    expect(found("models.providers.b.baseUrl", text, { files })).toMatchObject({
      value: "http://b",
      source: { file: "/c/base.json" },
      hidden: [],
    });
    expect(found("models.providers.a.baseUrl", text, { files })).toMatchObject({
      value: "http://a",
      source: { file: "/c/moltbot.json" },
      hidden: [{ layer: "file", value: "http://old", source: { file: "/c/base.json" } }],
    });
  });

  test("that only a file can say has no variable", () => {
    const result = found("env.OPENAI_KEY");
    expect(result).toMatchObject({ value: "***", layer: "file", source: { line: 17, column: 12 } });
    expect(result.env).toBeUndefined();
    expect(found("env.7")).toMatchObject({ value: "***", layer: "file", source: { line: 17 } });
    expect(found("env.NOBODY")).toMatchObject({ layer: "default", hidden: [] });
  });

  test("of a secret as a whole is not shown either", () => {
    const keys = z.record(z.string(), z.string()).default({}).meta({ secret: true });
    const text = '{ "notes": { "keys": { "a": "CANARY" } } }';
    const result = found("notes.keys.a", text, { sections: { notes: z.strictObject({ keys }) } });
    expect(result).toMatchObject({ value: "***", layer: "file", source: { line: 1, column: 24 } });
  });

  test("of what may be anything is there or not", () => {
    const sections = { hooks2: z.strictObject({ entries: z.record(z.string(), z.unknown()).default({}) }) };
    const text = '{ "hooks2": { "entries": { "a": { "url": "http://h", "secret": "CANARY" } } } }';
    expect(found("hooks2.entries.a.url", text, { sections })).toMatchObject({
      value: "http://h",
      layer: "file",
    });
    expect(found("hooks2.entries.a.secret", text, { sections }).value).toBe("***");
    expect(problem("hooks2.entries.a.nothing", text, { sections })).toBe(
      'Cannot explain "hooks2.entries.a.nothing": there is no "hooks2.entries.a.nothing"',
    );
  });
});

describe("what cannot be explained", () => {
  test.each([
    [
      "gateway.auth",
      "it is a section; its settings: gateway.auth.mode, gateway.auth.token, gateway.auth.password",
    ],
    ["gateway.prot", 'there is no such key, did you mean "gateway.port"'],
    ["gatway.port", 'there is no such key, did you mean "gateway.port"'],
    ["port", 'there is no such key, did you mean "gateway.port"'],
    [
      "models.providers.ollama.baseURI",
      'there is no such key, did you mean "models.providers.ollama.baseUrl"',
    ],
    ["gateway.port.x", 'there is no such key, did you mean "gateway.port"'],
    ["xyzzy", "there is no such key"],
    ["toString", "there is no such key"],
    ["gateway.token", 'it is called "gateway.auth.token" now'],
    ["gateway.controlUi.enabled", "it is kept in the file and not used here"],
    ["gateway.tls", "it is kept in the file and not used here: connections are not encrypted"],
    ["channels.discord.token", "it is kept in the file and not used here"],
    [
      "models.providers.nope.baseUrl",
      'there is no "models.providers.nope"; known: models.providers.ollama, models.providers."my.ai"',
    ],
    ["agents.list.2.id", 'there is no "agents.list.2", the list has 2 entries, counted from 0'],
    ["agents.list.main.id", 'there is no "agents.list.main", the list has 2 entries, counted from 0'],
    ["env.vars.X", 'there is no "env.vars.X", and nothing else is set there either'],
    ["gateway..port", "it is no key, which is written like gateway.port"],
    ["__proto__.x", "it is no key, which is written like gateway.port"],
  ])("%s", (key, reason) => {
    expect(problem(key)).toBe(`Cannot explain ${JSON.stringify(key)}: ${reason}`);
  });

  test("a section of everything names what is in it, up to a bound", () => {
    expect(problem("gateway")).toContain("gateway.port, gateway.bind");
  });
});

describe("in words", () => {
  const plain = { bold: (text: string) => text, dim: (text: string) => text };

  test("at a glance", () => {
    expect(describeExplained(found("gateway.port"), plain)).toBe(
      [
        "gateway.port = 9000",
        "  set by     file /c/moltbot.json:4:5",
        "  hides      default 18789",
        "  variable   CLAWDBOT_GATEWAY_PORT",
        "  on change  the gateway restarts when no run is active",
        "  TCP port; 0 lets the system choose",
      ].join("\n"),
    );
  });

  test("every layer on a line of its own", () => {
    const result = found("gateway.port", FILE, {
      env: { CLAWDBOT_GATEWAY_PORT: "9001" },
      flags: [{ key: "gateway.port", name: "--port", value: 9002 }],
      overrides: new Map([["gateway.port", 9003]]),
    });
    expect(describeExplained(result, plain).split("\n").slice(0, 6)).toEqual([
      "gateway.port = 9003",
      "  set by     override, until the gateway stops",
      "  hides      option --port 9002",
      "             variable CLAWDBOT_GATEWAY_PORT 9001",
      "             file /c/moltbot.json:4:5 9000",
      "             default 18789",
    ]);
  });

  test("what is not set, and a part", () => {
    expect(describeExplained(found("agents.list.0.systemPrompt"), plain)).toStartWith(
      "agents.list.0.systemPrompt is not set\n  set by     default\n  variable   CLAWDBOT_AGENTS_LIST, for all of agents.list\n",
    );
  });

  test("a long value is broken into lines", () => {
    expect(describeExplained(found("models.providers"), plain)).toStartWith(
      'models.providers = {\n  "ollama": {\n    "baseUrl": "http://127.0.0.1:11434/v1",\n',
    );
  });

  test("keys are bold, labels dim", () => {
    const style = { bold: (text: string) => `<b>${text}</b>`, dim: (text: string) => `<i>${text}</i>` };
    const [title, first] = describeExplained(found("gateway.port"), style).split("\n");
    expect(title).toBe("<b>gateway.port</b> = 9000");
    expect(first).toBe("  <i>set by   </i>  file /c/moltbot.json:4:5");
  });

  test("nothing in a value reaches the terminal as a command", () => {
    const text = JSON.stringify({ agents: { defaults: { systemPrompt: "\u001b[2J\u009b1m\u202eabc" } } });
    expect(describeExplained(found("agents.defaults.systemPrompt", text), plain)).toStartWith(
      String.raw`agents.defaults.systemPrompt = "\u001b[2J\u009b1m\u202eabc"`,
    );
  });
});
