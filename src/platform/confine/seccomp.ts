import { encode } from "./filter.ts";
import type { Instruction } from "./filter.ts";
import type { Kernel } from "./kernel.ts";

const PR_SET_NO_NEW_PRIVS = 38;
const SET_MODE_FILTER = 1;
const FLAG_TSYNC = 1;

/**
 * From here on the kernel asks this program before each call of every thread of the process.
 *
 * @throws Error that says why not, without a subject
 */
export function installFilter(kernel: Kernel, program: readonly Instruction[]): void {
  const instructions = encode(program);
  // struct sock_fprog: how many, padding, where.
  const header = new BigUint64Array([BigInt(program.length), BigInt(kernel.addressOf(instructions))]);
  const isFinal = kernel.call("prctl", PR_SET_NO_NEW_PRIVS, 1);
  if (isFinal < 0) throw new Error(`the kernel refuses no_new_privs (error ${-isFinal})`);
  const answer = kernel.call("seccomp", SET_MODE_FILTER, FLAG_TSYNC, kernel.addressOf(header));
  // A positive one names a thread that could not be brought along.
  if (answer !== 0) throw new Error(`the kernel refuses the filter (error ${Math.abs(answer)})`);
}
