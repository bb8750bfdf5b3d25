import { createHash, timingSafeEqual } from "node:crypto";
import { fileURLToPath } from "node:url";

import { LIMITS } from "../contract/limits.ts";
import type { Platform, TextSink } from "../ports.ts";
import { systemClock, systemTimers } from "./clock.ts";
import { denoFlags } from "./confine/deno.ts";
import { openDatabase } from "./database.ts";
import { denoPlugins, pluginFlags } from "./deno-plugins.ts";
import { denoServe } from "./deno-server.ts";
import { denoWatch } from "./deno-watch.ts";
import { createFiles } from "./files.ts";
import { lock } from "./lock.ts";
import { Output } from "./output.ts";
import type { Again } from "./plugin-process.ts";
import { createProcess } from "./process.ts";
import { createCrypto } from "./randomness.ts";
import { stdDirectories } from "./std-fs.ts";

/** All ports on Deno. Nothing made from here on is readable by another user of the machine. */
export function createDenoPlatform(): Platform {
  const streams = [Deno.stdin, Deno.stdout, Deno.stderr];
  return {
    runtime: `deno ${Deno.version.deno}`,
    clock: systemClock,
    timers: systemTimers,
    crypto: createCrypto({
      sha256: (text) => createHash("sha256").update(text).digest(),
      equal: timingSafeEqual,
    }),
    files: createFiles(stdDirectories()),
    process: createProcess({
      stdout: output(Deno.stdout),
      stderr: output(Deno.stderr),
      isTerminal: (fd) => streams[fd]?.isTerminal() ?? false,
      // Nobody can ask for it there without a flag of the engine.
      collectGarbage: () => {},
      again,
    }),
    plugins: denoPlugins,
    openDatabase,
    lock,
    serve: denoServe,
    watch: denoWatch,
  };
}

/** The heap is bounded by the engine there. */
const again: Again = (confinement) => {
  const entry = fileURLToPath(new URL("../main.deno.ts", import.meta.url));
  const heap = `--v8-flags=--max-old-space-size=${LIMITS.hostMemoryBytesMax / 2 ** 20}`;
  return [Deno.execPath(), "run", ...pluginFlags(), ...denoFlags(confinement), heap, entry];
};

const encoder = new TextEncoder();

function output(stream: typeof Deno.stdout): TextSink {
  return new Output(
    () => stream.isTerminal(),
    async (text) => {
      const bytes = encoder.encode(text);
      for (let sent = 0; sent < bytes.length;) sent += await stream.write(bytes.subarray(sent));
    },
  );
}
