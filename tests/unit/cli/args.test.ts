import { describe, expect, test } from "bun:test";
import { type Options, parseArguments } from "../../../src/cli/args.ts";
import { CliError } from "../../../src/cli/errors.ts";

const OPTIONS: Options = {
  port: { value: "PORT", short: "p", summary: "" },
  format: { value: "FORMAT", summary: "", choices: ["text", "json"] },
  json: { summary: "" },
  help: { short: "h", summary: "" },
};

describe("words and options", () => {
  test.each([
    [[], [], {}],
    [["a", "b"], ["a", "b"], {}],
    [["--json", "a"], ["a"], { json: "" }],
    [["a", "--port", "1"], ["a"], { port: "1" }],
    [["--port=1", "--", "--json"], ["--json"], { port: "1" }],
    [["-h", "-p", "1"], [], { help: "", port: "1" }],
    [["-p=2"], [], { port: "2" }],
    [["--port", "1", "--port", "2"], [], { port: "2" }],
    [["--port", "-1"], [], { port: "-1" }],
    [["--port=--x"], [], { port: "--x" }],
    [["--port=a=b"], [], { port: "a=b" }],
    [["-"], ["-"], {}],
    [["--format", "json"], [], { format: "json" }],
  ] as [string[], string[], Record<string, string>][])("%p", (words, positional, options) => {
    const args = parseArguments(words, OPTIONS);
    expect(args.positional).toEqual(positional);
    for (const name of Object.keys(OPTIONS)) expect(args.text(name)).toBe(options[name]);
    expect(args.has("json")).toBe("json" in options);
  });

  test.each([
    [["--prot", "1"], 'Cannot use option "--prot": no such option, did you mean --port'],
    [["--quiet"], 'Cannot use option "--quiet": no such option'],
    [["-x"], 'Cannot use option "-x": no such option'],
    [["--toString"], 'Cannot use option "--toString": no such option'],
    [["--port"], "Cannot use --port: it needs a value, --port PORT"],
    [["--port="], "Cannot use --port: it needs a value, --port PORT"],
    [["--port", "--json"], "Cannot use --port: it needs a value, --port PORT"],
    [["--json=1"], "Cannot give --json a value: it takes none"],
    [["--format", "yaml"], 'Cannot use --format "yaml": wanted text or json'],
  ] as [string[], string][])("%p is refused", (words, message) => {
    expect(() => parseArguments(words, OPTIONS)).toThrow(new CliError(2, message));
  });
});

describe("whole numbers", () => {
  test.each(["0", "7", "100"])("%s", (text) => {
    expect(parseArguments(["--port", text], OPTIONS).whole("port", 0, 100)).toBe(Number(text));
  });

  test.each(["-1", "101", "1.5", "1e1", "0x1", "a", "9".repeat(30)])("%s is refused", (text) => {
    const args = parseArguments(["--port", text], OPTIONS);
    expect(() => args.whole("port", 0, 100)).toThrow(
      `Cannot use --port "${text}": wanted a whole number from 0 to 100`,
    );
  });

  test("none is none", () => {
    expect(parseArguments([], OPTIONS).whole("port", 0, 100)).toBeUndefined();
  });
});
