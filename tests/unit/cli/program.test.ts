import { afterAll, beforeAll, expect, test } from "bun:test";
import { programName } from "../../../src/cli/program.ts";
import { createMachine, type Machine } from "./cli.ts";

let machine: Machine;

beforeAll(async () => {
  machine = await createMachine();
});
afterAll(() => machine.remove());

const AGENTS = {
  npm: "npm/11.19.1 node/v20.20.2 linux x64 workspaces/false",
  bun: "bun/1.4.5 npm/? node/v26.3.0 linux x64",
  deno: "deno/2.9.6 npm/? deno/2.9.6 linux x86_64",
};

test.each([
  ["gateway", undefined, undefined],
  ["npx --yes bun@1.4.5 run gateway", AGENTS.npm, "gateway"],
  ["bun run gateway", AGENTS.bun, "gateway"],
  ["deno task gateway", AGENTS.deno, undefined],
  // The binary, started by some other package's script.
  ["gateway", AGENTS.npm, "start"],
  ["gateway", AGENTS.npm, "npx"],
])("%s", (name, agent, script) => {
  const env = { npm_config_user_agent: agent, npm_lifecycle_event: script };
  expect(programName({ runtime: "bun 1.4.5", process: { env } })).toBe(name);
});

test("a hint can be typed as it is", async () => {
  const env = { npm_config_user_agent: AGENTS.npm, npm_lifecycle_event: "gateway" };
  const program = `npx --yes bun@${Bun.version} run gateway`;
  const unreached = await machine.run(["status", "--url", "127.0.0.1:1"], { env });
  expect(unreached.err).toEndWith(`Is it running? Start it with: ${program}\n`);
  expect((await machine.run(["token"], { env })).err).toEndWith(`at its first start: ${program}\n`);
  expect((await machine.run(["stats"], { env })).err).toEndWith(`See: ${program} help\n`);
});
