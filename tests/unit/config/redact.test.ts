import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { z } from "zod";
import {
  REDACTED,
  redactText,
  redactValue,
  restoreRedacted,
  restoreRedactedText,
} from "../../../src/config/show/redact.ts";
import { documentOf, EXAMPLE, schema } from "./support.ts";

/** A file with a secret wherever one can be, in comments too. */
const FILE = `\uFEFF// my gateway, "token": "CANARY-head"
{
  "gateway": {
    "port": 18789, // the usual one
    "auth": {
      "token": "CANARY-token", // was CANARY-token since May
      "password": "\${PASSWORD}", /* "password": "CANARY-old" */
    },
    "remote": { "url": "wss://me:CANARY-user@host", "token": "CANARY-remote" },
  },
  "models": {
    "providers": {
      // "openrouter": { "baseUrl": "https://openrouter.ai/api/v1", "apiKey": "\${OPENROUTER_KEY}" },
      // "openai": { "baseUrl": "https://api.openai.com/v1", "apiKey": "sk-CANARY-of-openai-long" },
      "a": { "baseUrl": "http://a/v1", "apiKey": "CANARY-key", "headers": { "x-user": "CANARY-header" } },
      "b": { "baseUrl": "http://b/v1?api_key=CANARY-query", "apiKey": { "$env": "B_KEY" } },
      "c": { "baseUrl": "http://c/v1", "apiKey": { "$file": "c.key" } },
      "d": { "baseUrl": "http://d/v1", "apiKey": "CANARY \${D_KEY}" },
    },
  },
  "env": {
    "DIRECT": "CANARY-direct",
    /* "vars": { "NAME": "CANARY-commented" },
       export API_KEY=CANARY-export, apiKey: 'CANARY-single', gateway --token CANARY-option
       Authorization: Bearer CANARY-bearer, tokens: ["CANARY-1", "CANARY-2"] */
    "vars": { "TZ": "CANARY-vars" },
  },
  "channels": {
    "telegram": { "enabled": true, "botToken": "CANARY-bot" /* CANARY-bot */, "maxTokens": 4096, "allowFrom": [1, 2] },
    "slack": { "accounts": [{ "id": "a", "botToken": "CANARY-a" }, { "id": "b", "botToken": "CANARY-b" }] },
    "odd": { "credentials": { "user": "CANARY-u", /* "pin": 1 */ "pin": 1234 }, "password": 5678, "token": null, "cookie": "" },
  },
}
`;

function redacted(text: string): string {
  const result = redactText(text, schema);
  if (result === undefined) throw new Error("the text does not read");
  return result;
}

describe("a value", () => {
  test("is the same without its secrets", () => {
    expect(redactValue(schema, documentOf(FILE).value)).toEqual({
      gateway: {
        port: 18789,
        auth: { token: "***", password: "${PASSWORD}" },
        remote: { url: "***", token: "***" },
      },
      models: {
        providers: {
          a: { baseUrl: "http://a/v1", apiKey: "***", headers: { "x-user": "***" } },
          b: { baseUrl: "***", apiKey: { $env: "B_KEY" } },
          c: { baseUrl: "http://c/v1", apiKey: { $file: "c.key" } },
          d: { baseUrl: "http://d/v1", apiKey: "***" },
        },
      },
      env: { DIRECT: "***", vars: { TZ: "***" } },
      channels: {
        telegram: { enabled: true, botToken: "***", maxTokens: 4096, allowFrom: [1, 2] },
        slack: {
          accounts: [
            { id: "a", botToken: "***" },
            { id: "b", botToken: "***" },
          ],
        },
        odd: { credentials: "***", password: "***", token: null, cookie: "" },
      },
    });
  });

  test("is a copy, and the one it is of stays as it was", () => {
    const value = { gateway: { auth: { token: "abcdef" }, trustedProxies: ["::1"] } };
    const copy = redactValue(schema, value);
    expect(copy).toEqual({ gateway: { auth: { token: "***" }, trustedProxies: ["::1"] } });
    expect(value.gateway.auth.token).toBe("abcdef");
    expect(copy).not.toBe(value);
  });

  test("an object that only looks like a reference is a secret", () => {
    const root = z.strictObject({ pair: z.unknown().meta({ secret: true }) });
    for (const pair of [{ $env: "sk-abc" }, { $env: "A", $file: "b" }, { $env: 1 }, {}, ["${A}"]])
      expect(redactValue(root, { pair })).toEqual({ pair: "***" });
    expect(redactValue(root, { pair: { $env: "A_B1" } })).toEqual({ pair: { $env: "A_B1" } });
  });

  test("arguments of programs are judged by their options", () => {
    const args = ["--api-key", "CANARY", "--token=CANARY", "-v", "--max-tokens", "4096", "--password", "--x"];
    const more = ["--key", "${KEY}", "--token=${TOKEN}", "API_KEY=CANARY", "Authorization: Bearer CANARY"];
    const several = ["--tokens", "CANARY", "--port", "18789", "a=b", "note: x"];
    expect(redactValue(undefined, { args, more, several })).toEqual({
      args: ["--api-key", "***", "***", "-v", "--max-tokens", "4096", "--password", "--x"],
      more: ["--key", "${KEY}", "--token=${TOKEN}", "***", "***"],
      several: ["--tokens", "***", "--port", "18789", "a=b", "note: x"],
    });
  });

  test("an address that lets in whoever knows it is hidden", () => {
    const urls = [
      "https://hooks.slack.com/services/T000/B000/CANARY",
      "https://discord.com/api/webhooks/123/CANARY",
      "https://api.telegram.org/bot123:abc/sendMessage",
      "https://x.webhook.office.com/webhookb2/0a1b2c3d-CANARY-CANARY",
    ];
    const open = ["https://discord.com/channels/1", "https://host/webhooks", "https://host/robot/1"];
    expect(redactValue(undefined, { urls, open })).toEqual({ urls: urls.map(() => "***"), open });
    const named = {
      webhookUrl: "https://a/b",
      webhook: { url: "https://a/b", path: "/c" },
      url: "https://a/b",
    };
    const hidden = { webhookUrl: "***", webhook: { url: "***", path: "/c" }, url: "https://a/b" };
    expect(redactValue(undefined, named)).toEqual(hidden);
  });

  test("what may be anything is judged by its names", () => {
    const root = z.strictObject({ entries: z.record(z.string(), z.unknown()) });
    const entries = { hook: { url: "http://h", secret: "s" }, apiKey: "k", tokens: 3 };
    expect(redactValue(root, { entries })).toEqual({
      entries: { hook: { url: "http://h", secret: "***" }, apiKey: "***", tokens: 3 },
    });
  });
});

describe("a text", () => {
  test("has no secret left, not in comments either", () => {
    expect(FILE.match(/CANARY/g)?.length).toBe(25);
    expect(redacted(FILE)).not.toContain("CANARY");
  });

  test("is the same text around them", () => {
    expect(redacted(FILE).split("\n").slice(0, 12)).toEqual([
      '\uFEFF// my gateway, "token": "***"',
      "{",
      '  "gateway": {',
      '    "port": 18789, // the usual one',
      '    "auth": {',
      '      "token": "***", // was *** since May',
      '      "password": "${PASSWORD}", /* "password": "***" */',
      "    },",
      '    "remote": { "url": "***", "token": "***" },',
      "  },",
      '  "models": {',
      '    "providers": {',
    ]);
  });

  test("reads to the redacted value", () => {
    expect(documentOf(redacted(FILE)).value).toEqual(redactValue(schema, documentOf(FILE).value));
  });

  test("redacted once more is no other", () => {
    expect(redacted(redacted(FILE))).toBe(redacted(FILE));
  });

  test.each([
    '{ "gateway": { "port": 1 } } // keys are written in "quotes", tokens too',
    `{} // "apiKey": "\${OPENROUTER_KEY}", apiKey: \${A_KEY}, "token": { "$env": "A_TOKEN" }, "password": ""`,
    '{} // "maxTokens": 4096, contextTokens: 8192, "token": null, https://host:8080/v1?model=x',
    "{} /*** a section ***/",
    "{} // the token is required, the API key is set below; password was rotated on 2024-05-01",
    "{} // the key is GATEWAY_TOKEN or gateway.auth.token, the cookie is longer than 16 characters, key F12",
    "{} // see https://docs.example.com/en/webhooks/webhook-events-and-payloads",
  ])("a comment without a secret stays: %s", (text) => {
    expect(redacted(text)).toBe(text);
  });

  test.each([
    ['// "token": "abc"', '// "token": "***"'],
    ["// token: abc, next", "// token: ***, next"],
    ['// "a": { "token": "abc\\"def" } tail', '// "a": { "token": "***" } tail'],
    ['// "token": "not closed', '// "token": "***"'],
    ["// password = hunter2", "// password = ***"],
    ['// "OPENAI": "abc"', '// "OPENAI": "***"'],
    ['// "headers": { "x-user": "abc", "y": "${Y}" }', '// "headers": { "x-user": "***", "y": "${Y}" }'],
    ["// see http://me:abc@host/x", "// see ***"],
    ["// old token was CANARY, gone in May", "// old token was ***, gone in May"],
    ["// the API key is now abc12345!", "// the API key is now ***!"],
    ["// password is 'swordfish'", '// password is "***"'],
    ["// my token sk1234abcd9 is here", "// my token *** is here"],
    ["// posts to https://hooks.slack.com/services/T0/B0/CANARY", "// posts to ***"],
    ["// ghp_0123456789abcdefABCD", "// ***"],
    ["// 123456789:AAE0123456789-0123456789_0123456", "// ***"],
    ["// curl -H 'Authorization: Bearer abc123def'", "// curl -H 'Authorization: ***'"],
  ])("%s → %s", (comment, hidden) => {
    expect(redacted(`{\n  ${comment}\n}`)).toBe(`{\n  ${hidden}\n}`);
  });

  test("that cannot be read is not shown", () => {
    for (const text of ['{ "token": "abc"', "token: abc", "[1]", "", '{ "a": 1, "a": 2 }'])
      expect(redactText(text, schema)).toBeUndefined();
  });

  test("a comment as long as a file may be takes no longer than its length", () => {
    // Each of these makes a pattern that looks back at what it has seen take minutes.
    for (const part of [
      "token",
      "key:[",
      "a.",
      '"',
      "{",
      "---",
      "--a-",
      "http://",
      "http://a?b",
      'env:{"a":',
      "token was ",
      "key    ",
      "key is ....x",
      "http://a/hook/",
      "http://hooks.",
      "http://bot1",
    ])
      expect(redacted(`{} // ${part.repeat(200_000 / part.length)}`).length).toBeGreaterThan(4);
  });
});

describe("what was hidden comes back", () => {
  test("a whole file, byte for byte", () => {
    expect(restoreRedactedText(redacted(FILE), FILE)).toEqual({ ok: true, text: FILE });
    expect(restoreRedactedText(redacted(EXAMPLE), EXAMPLE)).toEqual({ ok: true, text: EXAMPLE });
  });

  test("a whole value", () => {
    const { value } = documentOf(FILE);
    expect(restoreRedacted(redactValue(schema, value), value)).toEqual({ value, missing: [] });
  });

  test("around an edit, which is all that changes", () => {
    const edited = redacted(FILE).replace("18789", "9000").replace('"enabled": true, ', "");
    const wanted = FILE.replace("18789", "9000").replace('"enabled": true, ', "");
    expect(restoreRedactedText(edited, FILE)).toEqual({ ok: true, text: wanted });
  });

  test("as it was written: escapes, references inside, objects with comments", () => {
    const before = '{ "token": "a\\u0062c", "key": "Bearer ${A}", "credentials": { /* mine */ "pin": 1 } }';
    const next = '{ "credentials": "***", "key": "***", "token": "***" }';
    expect(restoreRedactedText(next, before)).toEqual({
      ok: true,
      text: '{ "credentials": { /* mine */ "pin": 1 }, "key": "Bearer ${A}", "token": "a\\u0062c" }',
    });
  });

  test("a new one may be written in its place", () => {
    expect(restoreRedacted({ token: "new", key: "***" }, { token: "old", key: "kept" })).toEqual({
      value: { token: "new", key: "kept" },
      missing: [],
    });
  });

  test("never out of nothing", () => {
    const next = { gateway: { auth: { token: "***" } }, list: [{ id: "new", token: "***" }] };
    const missing = [
      ["gateway", "auth", "token"],
      ["list", 0, "token"],
    ];
    expect(restoreRedacted(next, { list: [{ id: "old", token: "t" }] })).toEqual({ value: next, missing });
    expect(restoreRedactedText(JSON.stringify(next), '{ "list": [{ "id": "old", "token": "t" }] }')).toEqual({
      ok: false,
      paths: missing,
    });
    expect(restoreRedactedText('{ "a": "***" }', "no { json")).toEqual({ ok: false, paths: [["a"]] });
  });

  test("not from what objects inherit", () => {
    expect(restoreRedacted({ toString: "***" }, {}).missing).toEqual([["toString"]]);
  });

  test("a text that cannot be read is left to its reader", () => {
    expect(restoreRedactedText('{ "a": "***"', "{}")).toEqual({ ok: true, text: '{ "a": "***"' });
  });

  test.each([
    [
      "elements are found by their id",
      [
        { id: "b", token: "***" },
        { id: "a", token: "***" },
      ],
      [
        { id: "a", token: "1" },
        { id: "b", token: "2" },
      ],
      [
        { id: "b", token: "2" },
        { id: "a", token: "1" },
      ],
    ],
    [
      "one without an id by the rest of it",
      [{ name: "b", token: "***" }],
      [
        { name: "a", token: "1" },
        { name: "b", token: "2" },
      ],
      [{ name: "b", token: "2" }],
    ],
    [
      "moved ones by the rest of them",
      [
        { name: "b", token: "***" },
        { name: "a", token: "***" },
      ],
      [
        { name: "a", token: "1" },
        { name: "b", token: "2" },
      ],
      [
        { name: "b", token: "2" },
        { name: "a", token: "1" },
      ],
    ],
    [
      "one that was edited beside its secret by its place",
      [
        { name: "c", token: "***" },
        { name: "b", token: "***" },
      ],
      [
        { name: "a", token: "1" },
        { name: "b", token: "2" },
      ],
      [
        { name: "c", token: "1" },
        { name: "b", token: "2" },
      ],
    ],
    ["those that look the same keep their order", ["***", "***", "new"], ["1", "2"], ["1", "2", "new"]],
    ["lists in lists", [["***"], ["x"]], [["1"], ["x"]], [["1"], ["x"]]],
  ])("%s", (_, next, before, wanted) => {
    expect(restoreRedacted({ list: next }, { list: before })).toEqual({
      value: { list: wanted },
      missing: [],
    });
  });

  test("arguments of programs, each behind its option wherever that stands now", () => {
    const before = { args: ["--api-key", "one", "-v", "--password", "two", "--token=three"] };
    expect(restoreRedactedText(redacted(JSON.stringify(before)), JSON.stringify(before))).toEqual({
      ok: true,
      text: JSON.stringify(before),
    });
    const next = { args: ["--password", "***", "--api-key", "***", "--first"] };
    expect(restoreRedacted(next, before)).toEqual({
      value: { args: ["--password", "two", "--api-key", "one", "--first"] },
      missing: [],
    });
    expect(restoreRedacted({ args: ["--secret", "***"] }, before).missing).toEqual([["args", 1]]);
  });

  test("where two could be meant, neither is taken", () => {
    expect(restoreRedacted(["***"], ["1", "2"]).missing).toEqual([[0]]);
    const twins = [
      { url: "x", token: "1" },
      { url: "x", token: "2" },
    ];
    expect(restoreRedacted([{ url: "x", token: "***" }], twins).missing).toEqual([[0, "token"]]);
  });

  test("a comment that was edited, or could be either of two, stays hidden", () => {
    const before = '{\n  // "token": "one"\n  // "token": "two"\n}';
    expect(restoreRedactedText('{\n  // "token": "***"\n}', before)).toEqual({
      ok: true,
      text: '{\n  // "token": "***"\n}',
    });
    expect(restoreRedactedText("{ /*** here ***/ }", "{ /*** there ***/ }")).toEqual({
      ok: true,
      text: "{ /*** here ***/ }",
    });
  });

  test("of any configuration, value and text", () => {
    const secret = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => text !== REDACTED);
    const entry = fc.record({
      id: fc.constantFrom("a", "b", "c", "d", "e"),
      name: fc.string({ maxLength: 5 }),
      token: secret,
    });
    const config = fc.record({
      env: fc.dictionary(fc.stringMatching(/^[A-Z]{1,4}$/), secret),
      list: fc.uniqueArray(entry, { selector: ({ id }) => id }),
      channels: fc.dictionary(
        fc.stringMatching(/^[a-z]{1,4}$/),
        fc.record({ botToken: secret, port: fc.nat() }),
      ),
    });
    fc.assert(
      fc.property(config, (value) => {
        const text = JSON.stringify(value, undefined, 2);
        const shown = redacted(text);
        expect(documentOf(shown).value).toEqual(redactValue(schema, value));
        expect(restoreRedacted(documentOf(shown).value, value)).toEqual({ value, missing: [] });
        expect(restoreRedactedText(shown, text)).toEqual({ ok: true, text });
      }),
      { seed: 3, numRuns: 300 },
    );
  });
});
