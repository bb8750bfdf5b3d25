import { readFileSync } from "node:fs";
import process from "node:process";

import type { Kernel } from "./kernel.ts";

/** In the environment of the second start: the process, which is the same one. */
const MARK = "GATEWAY_CONFINED";

/** Whether this is the second start. Asked once: it takes the mark away, which plugins are not to see. */
export function isSecondStart(): boolean {
  const mark = process.env[MARK];
  delete process.env[MARK];
  return mark === String(process.pid);
}

/**
 * Starts this very program anew in this process, with the same arguments and descriptors. What is read of
 * standard input before is lost.
 *
 * Landlock holds for one thread and for what that starts, and by now there are others: the kernel ends them
 * here, and all threads of the new program have what this one has.
 *
 * @returns only when the kernel refuses: the number of its error
 */
export function startAgain(kernel: Kernel): number {
  const args = readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1);
  const env = Object.entries({ ...process.env, [MARK]: String(process.pid) }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const path = Buffer.from("/proc/self/exe\0");
  const pointers = [path, listOf(kernel, args), listOf(kernel, env)].map((memory) =>
    kernel.addressOf(memory),
  );
  return -kernel.call("execve", ...pointers);
}

/** A list of texts as C has it: addresses, and a zero. */
function listOf(kernel: Kernel, texts: readonly string[]): BigUint64Array {
  const addresses = texts.map((text) => BigInt(kernel.addressOf(Buffer.from(`${text}\0`))));
  return new BigUint64Array([...addresses, 0n]);
}
