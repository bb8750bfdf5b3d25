import { expect, test } from "bun:test";
import { z } from "zod";
import { grantedOf } from "../../../src/plugins/find/grants.ts";
import { readManifest } from "../../../src/plugins/find/manifest.ts";
import { checkSettings } from "../../../src/plugins/find/settings.ts";

const least = { id: "hello", apiVersion: 1 };
const read = (more: object) => readManifest(JSON.stringify({ ...least, ...more }));

test("the least a manifest says, and what is taken for the rest", () => {
  expect(read({})).toEqual({
    ...least,
    apiVersion: 1,
    entry: "index.ts",
    capabilities: {},
    channels: [],
    autoEnable: [],
  });
});

test("all of it", () => {
  const all = {
    name: "Hello",
    version: "1.2.3",
    description: "Greets",
    entry: "src/main.ts",
    capabilities: { network: true, files: ["~/notes", "/srv"], env: ["HELLO_TOKEN"], sessions: true },
    configSchema: { type: "object", properties: { loud: { type: "boolean" } } },
    channels: ["hello"],
    autoEnable: [{ config: "channels.hello" }, { env: "HELLO_TOKEN" }],
    isolation: "own",
  };
  expect(read(all)).toEqual({ ...least, apiVersion: 1, ...all } as ReturnType<typeof readManifest>);
});

test.each<[string, object, RegExp]>([
  ["a file that climbs out of what is granted", { capabilities: { files: ["~/a/../.."] } }, /without ".."/],
  [
    "a file from nowhere",
    { capabilities: { files: ["notes"] } },
    /capabilities\.files\.0: wanted an absolute/,
  ],
  ["a variable that is none", { capabilities: { env: ["A=B"] } }, /capabilities\.env\.0: wanted the name/],
  ["a name that starts methods of the gateway", { id: "chat" }, /id: "chat" is a name of the gateway's own/],
  ["the name of a section of the gateway", { id: "config" }, /id: "config" is a name of the gateway's own/],
  ["a rule of two kinds", { autoEnable: [{ env: "A", config: "a" }] }, /autoEnable\.0: wanted \{ "config"/],
  ["a rule for a path that is none", { autoEnable: [{ config: "a..b" }] }, /autoEnable\.0/],
  ["an isolation that is the owner's to give", { isolation: "none" }, /isolation/],
  [
    "settings that are no object",
    { configSchema: { type: "array" } },
    /configSchema: wanted "type": "object"/,
  ],
  [
    "a schema that stands for a larger one",
    { configSchema: { type: "object", $ref: "#" } },
    /"\$ref" is not/,
  ],
  [
    "a schema of no kind",
    { configSchema: { type: "object", properties: { a: { type: "x" } } } },
    /Unsupported/,
  ],
])("refused: %s", (_, more, wanted) => {
  const manifest = read(more);
  expect("problem" in manifest ? manifest.problem : "taken").toMatch(wanted);
});

test("a text that is nested beyond measure is refused and harms nobody", () => {
  const deep = `{"id":"hello","apiVersion":1,"configSchema":${'{"not":'.repeat(5_000)}{}${"}".repeat(5_000)}}`;
  expect(readManifest(deep)).toEqual({ problem: "nested deeper than 64" });
});

const settings = z.toJSONSchema(
  z.strictObject({ name: z.string(), times: z.int().min(1).default(3), kind: z.enum(["a", "b"]).optional() }),
  { io: "input" },
);

test.each<[string, unknown, string[]]>([
  ["what fits", { name: "x" }, []],
  ["nothing at all", undefined, ["name: Invalid input: expected string, received undefined"]],
  ["a number that is too small", { name: "x", times: 0 }, ["times: Too small: expected number to be >=1"]],
  ["a key nobody knows", { name: "x", nam: "y" }, ['Unrecognized key: "nam"']],
])("settings are checked before any code is loaded: %s", (_, given, wanted) => {
  expect(checkSettings({ ...settings }, given)).toEqual(wanted);
});

test("a pattern is nobody's to try here, and a property may have its name", () => {
  const slow = { type: "string", pattern: "^(a+)+$" };
  const schema = { type: "object", properties: { pattern: slow }, patternProperties: { "^x": slow } };
  const given = { pattern: `${"a".repeat(200)}!`, xy: 1 };
  expect(checkSettings({ ...schema, additionalProperties: false }, given)).toEqual([]);
  expect(checkSettings(schema, { pattern: 1 })).toEqual([
    "pattern: Invalid input: expected string, received number",
  ]);
});

test.each(["items", "prefixItems", "anyOf"])(
  "neither a pattern nor a reference hides in a list: %s",
  (key) => {
    const list = (inner: object) => ({
      type: "object",
      properties: { a: { ...(key !== "anyOf" && { type: "array" }), [key]: [inner] } },
    });
    expect(read({ configSchema: list({ $ref: "#" }) })).toEqual({
      problem: 'configSchema: "$ref" is not supported',
    });
    const slow = list({ type: "string", pattern: "^(a+)+$" });
    const word = `${"a".repeat(200)}!`;
    expect(checkSettings(slow, { a: key === "anyOf" ? word : [word] })).toEqual([]);
  },
);

test("what is declared and granted: both, or it is not there", () => {
  expect(grantedOf({ network: true, exec: true }, { network: true, exec: false }, "/home/ann")).toEqual({
    grants: { network: true },
    ignored: [],
  });
  expect(grantedOf({ env: ["A"] }, { sessions: true, env: ["A", "B"] }, "/home/ann")).toEqual({
    grants: { env: ["A"] },
    ignored: [
      'grants.env "B" is of no use: its manifest does not declare it',
      "grants.sessions is of no use: its manifest does not declare it",
    ],
  });
});

test.each<[string, string[], string[], string[]]>([
  ["the same", ["~/notes"], ["/home/ann/notes/"], ["/home/ann/notes"]],
  ["less than is declared", ["/"], ["/srv/a"], ["/srv/a"]],
  ["more than is declared", ["~/notes"], ["~"], ["/home/ann/notes"]],
  ["a name that only begins the same", ["/srv/a"], ["/srv/ab"], []],
  ["one from nowhere", ["/"], ["srv/a"], []],
  ["a way out", ["/srv/a"], ["/srv/a/../b"], []],
])("files: %s", (_, declared, given, wanted) => {
  const { grants, ignored } = grantedOf({ files: declared }, { files: given }, "/home/ann");
  expect(grants.files ?? []).toEqual(wanted);
  expect(ignored).toHaveLength(wanted.length === 0 ? 1 : 0);
});
