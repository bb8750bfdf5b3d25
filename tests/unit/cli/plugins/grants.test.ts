import { expect, test } from "bun:test";
import { describeGrants, formatGrants, lacking, parseGrants } from "../../../../src/cli/plugins/grants.ts";

test("what is typed is what is granted, and can be typed again", () => {
  const text = "network,sessions,files=~/notes,files=/srv/a=b,env=HELLO_TOKEN";
  const grants = parseGrants(text);
  expect(grants).toEqual({
    network: true,
    sessions: true,
    files: ["~/notes", "/srv/a=b"],
    env: ["HELLO_TOKEN"],
  });
  expect(formatGrants(grants)).toBe(text);
  expect(parseGrants(formatGrants(grants))).toEqual(grants);
});

test.each(["", "net", "network=yes", "files", "env=", "network,,exec", "constructor"])(
  "%p grants nothing and says so",
  (text) => {
    expect(() => parseGrants(text)).toThrow(/^Cannot use --grant ".*": wanted network, exec, sessions, /);
  },
);

test("what is wanted and not granted, each in words", () => {
  const wants = { network: true, exec: true, files: ["/a", "/b"], env: ["X"] };
  const missing = lacking(wants, { exec: true, files: ["/b"] });
  expect(missing).toEqual({ network: true, files: ["/a"], env: ["X"] });
  expect(describeGrants(missing)).toEqual([
    "connect to other machines",
    "read and write /a",
    "see the environment variable X",
  ]);
  const sly = { files: ["/a\nLet it? y or n: y", "/\u202ecba"] };
  expect(describeGrants(sly)).toEqual([
    "read and write /a\ufffdLet it? y or n: y",
    "read and write /\ufffdcba",
  ]);
  expect(lacking(wants, wants)).toEqual({});
  expect(formatGrants({})).toBe("");
});
