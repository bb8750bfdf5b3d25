import { afterAll, beforeAll, expect, test } from "bun:test";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { createMachine, type Machine } from "./cli.ts";

let machine: Machine;

beforeAll(async () => {
  machine = await createMachine();
});
afterAll(() => machine.remove());

const NAMES = Object.keys(COMMANDS).filter((name) => !COMMANDS[name]?.isHidden);
const INNER = NAMES.flatMap((group) =>
  Object.entries(COMMANDS[group]?.commands ?? {}).map(([name, { options }]) => ({ group, name, options })),
);

test.each([["--help"], ["-h"], ["help"]])("gateway %s lists every command", async (word) => {
  const { code, out, err } = await machine.run([word]);
  expect([code, err]).toEqual([0, ""]);
  for (const name of NAMES) expect(out).toMatch(new RegExp(`^  ${name} `, "m"));
});

test.each(NAMES)("help of %s shows each of its options, whichever way it is asked for", async (name) => {
  const { code, out, err } = await machine.run(["help", name]);
  expect([code, err]).toEqual([0, ""]);
  for (const option of Object.keys(COMMANDS[name]?.options ?? {})) expect(out).toContain(` --${option}`);
  for (const line of out.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  expect((await machine.run([name, "--help"])).out).toBe(out);
  expect((await machine.run([name, "-h"])).out).toBe(out);
});

test.each(INNER)("help of $group $name", async ({ group, name, options }) => {
  const { code, out, err } = await machine.run(["help", group, name]);
  expect([code, err]).toEqual([0, ""]);
  expect(out).toContain(`gateway ${group} ${name} `);
  for (const option of Object.keys(options)) expect(out).toContain(` --${option}`);
  for (const line of out.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  expect((await machine.run([group, name, "--help"])).out).toBe(out);
  const whole = await machine.run([group]);
  expect([whole.code, whole.out]).toEqual([0, expect.stringMatching(new RegExp(`^  ${name} `, "m"))]);
});

test.each([["version"], ["--version"], ["-v"], ["-V"]])("gateway %s", async (word) => {
  const { code, out } = await machine.run([word]);
  expect(code).toBe(0);
  expect(out).toMatch(/^gateway \d+\.\d+\.\d+ \(bun [\d.]+\)\n$/);
});

test("version as JSON", async () => {
  const { out } = await machine.run(["version", "--json"]);
  expect(JSON.parse(out)).toEqual({
    version: expect.stringMatching(/^\d/),
    runtime: expect.stringMatching(/^bun /),
  });
});

test.each([
  [["stats"], ['Cannot run "stats": no such command, did you mean status', "See: gateway help"]],
  [
    ["sessions.list"],
    [
      'Cannot run "sessions.list": no such command',
      "A method of the gateway is called with: gateway call sessions.list",
      "See: gateway help",
    ],
  ],
  [["constructor"], ['Cannot run "constructor": no such command']],
  [
    ["--prot", "1"],
    [
      'Cannot use option "--prot": no such option, did you mean --port',
      "Usage: gateway run [OPTIONS]",
      "See: gateway help run",
    ],
  ],
  [["run", "--log-format", "xml"], ['Cannot use --log-format "xml": wanted text or json']],
  [["run", "--port", "70000"], ['Cannot use --port "70000": wanted a whole number from 0 to 65535']],
  [["config", "gte"], ['Cannot run "config gte": no such command, did you mean config get']],
  [
    ["config", "toString"],
    ['Cannot run "config toString": no such command', expect.stringMatching(/^There are: get, /)],
  ],
  [
    ["config", "--json"],
    ['Cannot use option "--json": no such option', "Usage: gateway config COMMAND [OPTIONS]"],
  ],
  [["help", "call", "health"], ['Cannot use "health": gateway call has no commands']],
  [["config", "set"], ["Cannot set a value: no key is named"]],
  [["config", "set", "gateway.port"], ['Cannot set "gateway.port": there is no value']],
  [
    ["config", "set", "models.providers", "{"],
    [expect.stringMatching(/^Cannot set "models.providers": wanted JSON, but /)],
  ],
  [["config", "set", "a..b", "1"], ['Cannot set "a..b": it is no key, which is written like gateway.port']],
  [["config", "unset"], ["Cannot unset a value: no key is named"]],
  [["config", "get", "gateway.port", "--file"], ["Cannot show a part of the file: leave KEY or --file out"]],
  [["version", "now"], ['Cannot use "now": gateway version takes no such word']],
  [["call"], ["Cannot call a method: none is named", "Usage: gateway call METHOD [JSON] [OPTIONS]"]],
  [["call", "health", "{"], ["Cannot read the parameters as JSON: Expected '}'"]],
  [["call", "health", "[]"], ['Cannot use the parameters: wanted a JSON object such as {"limit":5}']],
  [["call", "health", "-"], ["Cannot read standard input as JSON: Unexpected EOF"]],
  [["call", "a", "{}", "b"], ['Cannot use "b": gateway call takes no such word']],
  [["chat"], ["Cannot send a message: there is none on standard input"]],
  [["status", "--token", "a", "--password", "b"], ["Cannot use both --token and --password: give one"]],
  [
    ["status", "--timeout-ms", "0"],
    ['Cannot use --timeout-ms "0": wanted a whole number from 1 to 86400000'],
  ],
] as [string[], string[]][])("%p is a usage error", async (args, lines) => {
  const { code, out, err } = await machine.run(args);
  expect([code, out]).toEqual([2, ""]);
  expect(err.split("\n").slice(0, lines.length)).toEqual(lines);
});

test("a problem as JSON", async () => {
  const { code, err } = await machine.run(["call", "health", "[]", "--json"]);
  const message = 'Cannot use the parameters: wanted a JSON object such as {"limit":5}';
  expect([code, JSON.parse(err)]).toEqual([2, { error: { message }, exitCode: 2 }]);
});

test("schema needs no gateway", async () => {
  const { code, out } = await machine.run(["schema"]);
  expect(code).toBe(0);
  const { openrpc, methods } = JSON.parse(out);
  expect(openrpc).toMatch(/^1\./);
  expect(methods.map(({ name }: { name: string }) => name)).toContain("chat.send");
});
