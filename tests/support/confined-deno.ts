// A program on Deno: says what its permissions hold, and tries what a plugin may not do.
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";

import { confine } from "../../src/platform/confine/confine.ts";
import type { Confinement } from "../../src/ports.ts";

const [confinement = "{}", secret = "", readable = "", writable = "", port = ""] = process.argv.slice(2);

async function outcomeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return "ok";
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

const connected = (): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(port), "127.0.0.1", resolve);
    socket.once("error", reject);
    socket.once("connect", () => socket.destroy());
  });

const run = (): unknown => new Deno.Command("/bin/true").outputSync();

const held = await confine(JSON.parse(confinement) as Confinement);
const outcomes = {
  secret: await outcomeOf(() => readFileSync(secret)),
  readable: await outcomeOf(() => readFileSync(readable)),
  overwritten: await outcomeOf(() => writeFileSync(readable, "")),
  written: await outcomeOf(() => writeFileSync(writable, "written")),
  network: await outcomeOf(connected),
  program: await outcomeOf(run),
};
console.log(JSON.stringify({ held, outcomes }));
