/**
 * Writes the configuration of its home without a gateway, through the writer that the command line uses.
 * `NUMBER BASE_HASH PAIR` on a line is a write of two settings; with `loop`, two texts in turn until it ends.
 */
import { createCopies } from "../../src/config/write/copies.ts";
import type { Intent } from "../../src/config/write/rewrite.ts";
import { createConfigStore } from "../../src/config/store.ts";
import { createConfigWriter, WriteRefused } from "../../src/config/write/writer.ts";
import { configSections } from "../../src/features/contracts.ts";
import { createBunPlatform } from "../../src/platform/bun.ts";
import { parseEnv } from "../../src/platform/env-file.ts";

const platform = createBunPlatform();
const { env, home, args, stdout } = platform.process;
const store = createConfigStore({ ...platform, parseEnv, env, home, sections: configSections });
const copies = createCopies({ ...platform, stateDir: store.paths.stateDir });
const writer = createConfigWriter({ ...platform, store, copies, lock: (path) => platform.lock(path) });

async function outcome(intent: Intent, baseHash: string): Promise<string> {
  try {
    await writer.write(intent, { baseHash });
    return `ok ${(await store.readConfigFileSnapshot()).hash}`;
  } catch (error) {
    if (!(error instanceof WriteRefused)) throw error;
    return error.kind === "stale" ? "conflict" : `${error.kind}: ${error.message}`;
  }
}

async function loop(): Promise<void> {
  const texts = JSON.parse(env["TEXTS"] ?? "[]") as readonly string[];
  const { source } = await store.readConfigFileSnapshot();
  let turn = texts.indexOf([...(source?.texts.values() ?? [])][0] ?? "");
  for (;;) {
    turn = (turn + 1) % texts.length;
    await writer.write({ kind: "replace", text: texts[turn] ?? "", isVerbatim: true, drop: [] });
    stdout.write("written\n");
  }
}

// What the first write would load otherwise.
await store.readConfigFileSnapshot();
stdout.write("ready\n");
for await (const line of platform.process.lines()) {
  if (args[0] === "loop") await loop();
  const [number = "", baseHash = "", pair = ""] = line.split(" ");
  const value = 1_000 + Number(pair);
  const patch = { agents: { defaults: { timeoutSeconds: value } }, sessions: { keepMax: value } };
  stdout.write(`${number} ${await outcome({ kind: "patch", patch }, baseHash)}\n`);
}
