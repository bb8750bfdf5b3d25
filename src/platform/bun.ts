import { fstatSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

import type { Platform, TextSink } from "../ports.ts";
import { bunPlugins } from "./bun-plugins.ts";
import { bunServe } from "./bun-server.ts";
import { bunWatch } from "./bun-watch.ts";
import { systemClock, systemTimers } from "./clock.ts";
import { openDatabase } from "./database.ts";
import { createFiles } from "./files.ts";
import { lock } from "./lock.ts";
import { Output } from "./output.ts";
import type { Again } from "./plugin-process.ts";
import { createProcess } from "./process.ts";
import { createCrypto } from "./randomness.ts";

/** All ports on Bun. Nothing made from here on is readable by another user of the machine. */
export function createBunPlatform(): Platform {
  return {
    runtime: `bun ${Bun.version}`,
    clock: systemClock,
    timers: systemTimers,
    crypto: createCrypto({
      sha256: (text) => new Bun.CryptoHasher("sha256").update(text).digest(),
      equal: (a, b) => crypto.timingSafeEqual(a, b),
    }),
    files: createFiles(),
    process: createProcess({
      stdout: output(1, Bun.stdout),
      stderr: output(2, Bun.stderr),
      isTerminal,
      collectGarbage: () => Bun.gc(true),
      again,
    }),
    plugins: bunPlugins,
    openDatabase,
    lock,
    serve: bunServe,
    watch: bunWatch,
  };
}

/** The built program is itself; from source it is Bun, told to fetch nothing, with our entry. */
const again: Again = () => {
  // Where the files of a built program seem to be.
  const isBuilt = Bun.main.startsWith("/$bunfs/");
  if (isBuilt) return [process.execPath];
  const entry = fileURLToPath(new URL("../main.ts", import.meta.url));
  return [process.execPath, "--no-install", "--no-env-file", entry];
};

/**
 * The runtime's own writer: does not block on a stalled pipe, and `process.stdout` alone is 12 ms of a
 * start.
 */
function output(fd: number, file: Bun.BunFile): TextSink {
  let writer: Bun.FileSink | undefined;
  return new Output(
    () => isTerminal(fd),
    (text) => {
      writer ??= file.writer();
      const written = writer.write(text);
      const flushed = writer.flush();
      const isDone = !(written instanceof Promise || flushed instanceof Promise);
      return isDone ? undefined : Promise.all([written, flushed]);
    },
  );
}

function isTerminal(fd: number): boolean {
  // Most that are not a terminal are no character device either, and `node:tty` takes 10 ms to load.
  if (!isCharacterDevice(fd)) return false;
  return process.getBuiltinModule("node:tty").isatty(fd);
}

function isCharacterDevice(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice();
  } catch {
    // Closed: not a terminal.
    return false;
  }
}
