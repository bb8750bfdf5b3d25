import { describe, expect, test } from "bun:test";
import type { ConfigIssue } from "../../../src/config/issues.ts";
import { judge, settingsOf } from "../../../src/config/judge.ts";
import { redactText } from "../../../src/config/show/redact.ts";
import { readDocument } from "../../../src/config/text/document.ts";
import { treeOf } from "../../../src/config/tree/tree.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { documentOf, layered, schema } from "./support.ts";

const { configIssuesMax, configIssueCharsMax, configKeyCharsMax } = LIMITS;

function object(count: number, member: (index: number) => string): string {
  return `{${Array.from({ length: count }, (_, index) => member(index)).join(",\n")}}`;
}

function errorsOf(text: string): readonly ConfigIssue[] {
  const result = layered(text);
  return result.valid ? [] : result.errors;
}

/** What goes out at once: an event, a status, lines of a log. */
function expectBounded(issues: readonly ConfigIssue[]): void {
  expect(issues.length).toBeLessThanOrEqual(configIssuesMax);
  for (const { key, message } of issues) {
    expect(key.length).toBeLessThanOrEqual(configKeyCharsMax);
    expect(message.length).toBeLessThanOrEqual(configIssueCharsMax);
  }
}

describe("a configuration with more mistakes than anybody reads", () => {
  test("has the first of them told, and how many more there are", () => {
    const errors = errorsOf(object(10_000, (index) => `"wrong${index}": 1`));
    expectBounded(errors);
    expect(errors).toHaveLength(configIssuesMax);
    expect(errors[0]).toMatchObject({ key: "wrong0", line: 1, column: 2 });
    const more = 10_000 - configIssuesMax + 1;
    expect(errors.at(-1)).toEqual({
      layer: "file",
      file: "moltbot.json",
      key: "",
      message: `and ${more} more`,
    });
  });

  test("as many as are told are all told", () => {
    const errors = errorsOf(object(configIssuesMax, (index) => `"wrong${index}": 1`));
    expect(errors).toHaveLength(configIssuesMax);
    expect(errors.at(-1)?.key).toBe(`wrong${configIssuesMax - 1}`);
  });

  test.each([
    ["entries of a list", `{"gateway":{"trustedProxies":[${"1,".repeat(5_000)}1]}}`],
    ["variables that are not set", `{"env":{"vars":${object(5_000, (at) => `"V${at}": "\${NO_${at}}"`)}}}`],
    ["providers", `{"models":{"providers":${object(5_000, (at) => `"p${at}": {"apiKey": 1}`)}}}`],
    ["a name as long as a file", `{"env":{"vars":{"A": "\${${"N".repeat(900_000)}}"}}}`],
    ["keys inside each other", `${`{"${"k".repeat(200)}":`.repeat(50)}1${"}".repeat(50)}`],
  ])("%s", (_, text) => {
    const errors = errorsOf(text);
    expect(errors.length).toBeGreaterThan(0);
    expectBounded(errors);
  });

  test("keys that are set twice or not allowed", () => {
    const reading = readDocument(object(5_000, () => `"a": 1`));
    const errors = reading.ok ? [] : reading.errors;
    expect(errors).toHaveLength(configIssuesMax);
    expect(errors.at(-1)?.reason).toBe(`and ${5_000 - configIssuesMax} more keys like these`);
  });

  test("one setting that names a long value a thousand times", () => {
    const [first] = errorsOf(
      `{"env":{"A": "${"x".repeat(100_000)}", "vars":{"B": "${"${A}".repeat(1_000)}"}}}`,
    );
    expect(first).toMatchObject({ key: "env.vars.B" });
    expect(first?.message).toContain("what all references put in is more than");
  });
});

describe("warnings", () => {
  test("are as many at most, and names that are not used here as well", () => {
    const skipped = object(5_000, (index) => `"p${index}": {"api": "somebody-else"}`);
    const unused = object(5_000, (index) => `"u${index}": 1`);
    const result = layered(`{"models":{"providers":${skipped}}, "channels": {}, "browser": ${unused}}`, {
      env: Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`CLAWDBOT_WRONG_${index}`, "x"])),
    });
    expectBounded(result.warnings);
    expect(result.warnings).toHaveLength(configIssuesMax);
    expect(result.warnings.at(-1)?.message).toMatch(/^and \d+ more$/);
  });

  test("what a variable hides is among those that are told", () => {
    const env = {
      CLAWDBOT_GATEWAY_PORT: "1",
      ...Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`CLAWDBOT_WRONG_${index}`, "x"])),
    };
    const { warnings } = layered('{"gateway":{"port":"wrong"}}', { env });
    expect(warnings[0]?.key).toBe("gateway.port");
  });
});

test("more secrets than a log can hide are refused", () => {
  const settings = settingsOf({});
  const judged = (count: number) => {
    const text = `{"env":{"vars":${object(count, (index) => `"V${index}": "secret-${index}"`)}}}`;
    const file = { path: "moltbot.json", text, document: documentOf(text) };
    const tree = treeOf(file.document.value, { file, path: [] });
    if (!("members" in tree)) throw new Error("an object was expected");
    const source = { ...file, files: [file], texts: new Map(), tree, errors: [], changes: [] };
    const rest = { secretFiles: new Map(), watched: [] };
    return judge({ settings, source: { ...source, ...rest }, file: file.path, env: {}, flags: [] });
  };
  expect(judged(LIMITS.configSecretsMax)).toMatchObject({ valid: true });
  expect(judged(LIMITS.configSecretsMax + 1)).toMatchObject({
    valid: false,
    errors: [{ key: "", message: `Cannot use configuration: it has more than 20000 secrets` }],
  });
});

test("a file as large as files may be, with a secret and a comment at each turn, is redacted", () => {
  // With a look at every member for every secret this takes minutes.
  const text = `{"env":{"vars":${object(15_000, (at) => `"V${at}": "secret-${at}" // was secret-${at}\n`)}}}`;
  expect(text.length).toBeLessThan(LIMITS.configBytesMax);
  const shown = redactText(text, schema);
  expect(shown).not.toContain("secret-");
  expect(shown?.match(/\*\*\*/g)).toHaveLength(30_000);
});
