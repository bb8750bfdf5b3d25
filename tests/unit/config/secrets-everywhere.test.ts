import { describe, expect, test } from "bun:test";
import { differences, hidden } from "../../../src/cli/config/differences.ts";
import { formatIssue } from "../../../src/config/issues.ts";
import { settingsOf } from "../../../src/config/judge.ts";
import { describeExplained, explain } from "../../../src/config/show/explain.ts";
import { createHider } from "../../../src/config/show/hider.ts";
import { redactText, redactValue } from "../../../src/config/show/redact.ts";
import { secretValues } from "../../../src/config/show/secrets.ts";
import { documentOf, layered, schema } from "./support.ts";

/** Everything that holds variables or headers, those included that are not used here. */
const written = (mark: string): string => `{
  // once it was CANARY-${mark}-provider
  "agents": {
    "defaults": { "env": { "A": "CANARY-${mark}-defaults" } },
    "list": [{
      "id": "main",
      "env": { "A": "CANARY-${mark}-agent" },
      "mcp": { "servers": {
        "own": { "command": "own", "env": { "A": "CANARY-${mark}-own-env" } },
        "far": { "url": "http://far", "headers": { "X": "CANARY-${mark}-far-header" } }
      } }
    }]
  },
  "models": { "providers": {
    "code": { "api": "acp", "command": ["code"], "env": { "A": "CANARY-${mark}-provider" } },
    "web": { "baseUrl": "http://web", "apiKey": "CANARY-${mark}-key", "headers": { "X": "CANARY-${mark}-unused" } }
  } },
  "mcp": { "servers": {
    "program": { "command": "a", "env": { "A": "CANARY-${mark}-env" }, "oauth": { "clientSecret": "CANARY-${mark}-oauth" } },
    "server": { "url": "http://a", "headers": { "X": "CANARY-${mark}-header" } },
    "left-out": { "env": { "A": "CANARY-${mark}-left" }, "headers": { "X": "CANARY-${mark}-out" } }
  } }
}`;

const settings = settingsOf({});
const TEXT = written("old");
const IN_FORCE = /CANARY-old-(?:defaults|agent|own-env|far-header|provider|key|env|header)$/;
const ALL = [...new Set(TEXT.match(/CANARY-[\w-]+/g))];

function judged() {
  const result = layered(TEXT);
  if (!result.valid) throw new Error(result.errors.map(formatIssue).join("\n"));
  return result;
}

describe("variables and headers", () => {
  test("the file has a secret in every place that is looked at below", () => {
    expect(ALL.length).toBe(12);
    expect(JSON.stringify(judged().config).match(/CANARY-[\w-]+/g)?.length).toBe(8);
  });

  test("are hidden in the configuration and in its text", () => {
    expect(JSON.stringify(redactValue(schema, judged().config))).not.toContain("CANARY");
    expect(JSON.stringify(redactValue(schema, documentOf(TEXT).value))).not.toContain("CANARY");
    const shown = redactText(TEXT, schema);
    expect(shown).not.toContain("CANARY");
    expect(shown).toContain('"command": "own"');
    expect(shown).toContain("// once it was ***");
  });

  test("are hidden in every explanation, of the whole and of a part", () => {
    const { config, provenance } = judged();
    const plain = { bold: (text: string) => text, dim: (text: string) => text };
    const keys = [
      "agents.defaults.env",
      "agents.defaults.env.A",
      "agents.list",
      "agents.list.0.env.A",
      "agents.list.0.mcp.servers.own.env.A",
      "agents.list.0.mcp.servers.far.headers.X",
      "models.providers",
      "models.providers.code.env.A",
      "mcp.servers",
      "mcp.servers.program.env.A",
      "mcp.servers.server.headers.X",
    ];
    for (const key of keys) {
      const explained = explain({ settings, config, provenance }, key);
      if ("problem" in explained) throw new Error(explained.problem);
      expect(JSON.stringify(explained)).toContain("***");
      expect(JSON.stringify(explained) + describeExplained(explained, plain)).not.toContain("CANARY");
    }
  });

  test("are told as changed and hidden in a difference", () => {
    const [before, after] = [documentOf(TEXT).value, documentOf(written("new")).value];
    const found = differences(before, after);
    expect(found.length).toBe(12);
    const shown = hidden(found, redactValue(schema, before), redactValue(schema, after));
    expect(JSON.stringify(shown)).not.toContain("CANARY");
    expect(shown.every((one) => one.before === "***" && one.after === "***")).toBe(true);
  });

  test("are hidden in the log, wherever they turn up", () => {
    const { config } = judged();
    const secrets = secretValues(schema, config);
    expect(secrets.toSorted()).toEqual(ALL.filter((one) => IN_FORCE.test(one)).toSorted());
    const hide = createHider(secrets, "***");
    expect(hide(JSON.stringify(config))).not.toContain("CANARY");
  });

  test("are in no message about what is wrong with them", () => {
    const result = layered(`{
      "agents": { "defaults": { "env": { "A": ["CANARY"] } }, "list": [{ "id": "a", "env": "CANARY" }] },
      "models": { "providers": { "a": { "api": "acp", "command": ["a"], "env": { "A": { "CANARY": "CANARY" } } } } },
      "mcp": { "servers": { "a": { "url": "http://CANARY:CANARY@a", "headers": { "X": ["CANARY"] } } } }
    }`);
    expect(!result.valid && result.errors.map(({ key }) => key)).toEqual([
      "agents.defaults.env.A",
      "agents.list.0.env",
      "models.providers.a.env.A",
      "mcp.servers.a.url",
      "mcp.servers.a.headers.X",
    ]);
    expect(JSON.stringify(result)).not.toContain('"CANARY');
    expect(JSON.stringify(result)).not.toContain("CANARY:");
  });
});
