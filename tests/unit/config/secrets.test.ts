import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { secretValues } from "../../../src/config/show/secrets.ts";
import { layered, schema } from "./support.ts";

const TEXT = `{
  "gateway": { "auth": { "token": "CANARY-token", "password": "CANARY-password" } },
  "models": { "providers": {
    "a": { "baseUrl": "http://a", "apiKey": "\${A_KEY}" },
    "b": { "baseUrl": "http://b" }
  } },
  "env": { "B_KEY": "CANARY-direct", "vars": { "C_KEY": "CANARY-vars", "TZ": "UTC" } }
}`;

function config() {
  const result = layered(TEXT, { env: { A_KEY: "CANARY-reference" } });
  if (!result.valid) throw new Error(JSON.stringify(result.errors));
  return result.config;
}

const CANARIES = ["token", "password", "reference", "direct", "vars"].map((name) => `CANARY-${name}`);

describe("secrets", () => {
  test("every one of a whole configuration is found", () => {
    const before = JSON.stringify(config());
    for (const canary of CANARIES) expect(before).toContain(canary);
    const found = secretValues(schema, config());
    for (const canary of CANARIES) expect(found.some((text) => text.includes(canary))).toBe(true);
    expect(found).not.toContain("http://a");
  });

  test("all are listed for the log, but no text so short that it would hide ordinary words", () => {
    expect(secretValues(schema, config()).toSorted()).toEqual(CANARIES.toSorted());
  });

  test("a secret leaf that is a list or an object is hidden whole", () => {
    const root = z.strictObject({
      keys: z.array(z.string()).meta({ secret: true }),
      pair: z.strictObject({ a: z.string() }).meta({ secret: true }),
    });
    const value = { keys: ["CANARY-1", "CANARY-2"], pair: { a: "CANARY-3" } };
    expect(secretValues(root, value)).toEqual(["CANARY-1", "CANARY-2", "CANARY-3"]);
  });

  test("what a loose object has besides its keys is judged by name", () => {
    const root = z.strictObject({ models: z.array(z.looseObject({ id: z.string() })) });
    const value = {
      models: [{ id: "m", headers: { Authorization: "CANARY-header" }, apiToken: "CANARY-extra" }],
    };
    expect(secretValues(root, value).toSorted()).toEqual(["CANARY-extra", "CANARY-header"]);
  });

  test("an address is one when it has a password or a telling parameter in it", () => {
    const value = [
      "http://me@host/",
      "wss://me:pass@host",
      "redis://:pass@host/0",
      "https://host/v1?model=x&api_key=abc",
      "http://host/@me",
      "ssh://me@host",
      "https://host/v1?monkeys=&page=2",
      "see https://host/v1?key=abc",
    ];
    expect(secretValues(undefined, value)).toEqual(value.slice(0, 4));
  });

  test("what may be anything is judged by its name, and so is what it is in", () => {
    const root = z.strictObject({ entries: z.record(z.string(), z.unknown()), one: z.unknown() });
    const value = {
      entries: { apiKey: "CANARY-1", hook: { env: { NAME: "CANARY-2" }, headers: { x: "CANARY-3" } } },
      one: { passwd: "CANARY-4", name: "nobody" },
    };
    expect(secretValues(root, value)).toEqual(["CANARY-1", "CANARY-2", "CANARY-3", "CANARY-4"]);
  });

  test("of an argument, what is behind its option is one by itself", () => {
    expect(secretValues(undefined, ["--token=CANARY", "--api-key", "CANARY-2"])).toEqual([
      "--token=CANARY",
      "CANARY",
      "CANARY-2",
    ]);
  });

  test("without a schema, names decide", () => {
    const value = {
      botToken: "CANARY",
      nested: [{ apiKey: "CANARY", clientSecret: { x: "CANARY" } }],
      keyboard: "qwerty",
      token: null,
    };
    expect(secretValues(undefined, value)).toEqual(["CANARY"]);
  });
});

describe("errors", () => {
  test("no message holds a value", () => {
    const wrong = `{
      "gateway": { "port": "CANARY", "bind": "CANARY", "mode": "CANARY", "auth": { "mode": "CANARY", "token": ["CANARY"] },
        "trustedProxies": ["CANARY"], "allowedOrigins": ["CANARY"], "log": { "level": "CANARY" } },
      "agents": { "defaults": { "model": ["CANARY"] }, "list": [{ "id": "CANARY CANARY" }] },
      "models": { "providers": { "a": { "baseUrl": "CANARY", "apiKey": ["CANARY"], "api": "CANARY" } } },
      "env": { "vars": { "X": ["CANARY"] } }
    }`;
    const result = layered(wrong, {
      env: { CLAWDBOT_GATEWAY_METRICS_PUBLIC: "CANARY", CLAWDBOT_AGENTS_DEFAULTS_TIMEOUT_SECONDS: "CANARY" },
    });
    expect(!result.valid && result.errors.length).toBe(16);
    expect(JSON.stringify(result)).not.toContain("CANARY");
  });
});
