import { readFileSync } from "node:fs";
import process from "node:process";

import { numberOf } from "./system-calls.ts";
import type { CallName, Machine } from "./system-calls.ts";

/** As much of Bun's foreign calls as is used here: named by hand, as other runtimes compile this file too. */
interface Foreign {
  dlopen(
    name: string,
    symbols: Readonly<Record<string, { readonly args: readonly string[]; readonly returns: string }>>,
  ): { readonly symbols: Readonly<Record<string, (...args: number[]) => number>> };
  ptr(memory: NodeJS.TypedArray): number;
  readonly read: { i32(address: number, offset: number): number };
}

/** The system's kernel, called directly. */
export interface Kernel {
  readonly machine: Machine;
  /** The C library is musl. */
  readonly isMusl: boolean;
  /** What the kernel answers: a negative one is the error's number. */
  call(name: CallName, ...args: number[]): number;
  /** Where the bytes are; they stay there. */
  addressOf(memory: NodeJS.TypedArray): number;
}

const ARGUMENTS = 6;

/** Answers of calls there are none of on a processor. */
const NO_SUCH_CALL = -38;

/** @throws Error that says why there is none, without a subject */
export function openKernel(): Kernel {
  const machine = machineOf(process.arch);
  // Not imported by name: Deno compiles this file too, and has no such module.
  const foreign: unknown = Reflect.apply(process.getBuiltinModule, process, ["bun:ffi"]);
  if (!isForeign(foreign)) throw new Error("this runtime cannot call the kernel");
  const isMusl = readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-");
  const library = isMusl ? `libc.musl-${machine === "x64" ? "x86_64" : "aarch64"}.so.1` : "libc.so.6";
  const { symbols } = foreign.dlopen(library, {
    syscall: { args: Array.from({ length: ARGUMENTS + 1 }, () => "i64"), returns: "i64_fast" },
    __errno_location: { args: [], returns: "ptr" },
  });
  const { syscall, __errno_location: errnoAt } = symbols;
  if (!syscall || !errnoAt) throw new Error("the C library lets nobody call the kernel");
  // An address is only a number: without this the bytes could be freed before the kernel reads them.
  const kept: NodeJS.TypedArray[] = [];
  return {
    machine,
    isMusl,
    addressOf(memory) {
      kept.push(memory);
      return foreign.ptr(memory);
    },
    call(name, ...args) {
      const number = numberOf(name, machine);
      if (number === undefined) return NO_SUCH_CALL;
      const rest = Array.from({ length: ARGUMENTS }, (_, index) => args[index] ?? 0);
      const answer = syscall(number, ...rest);
      return answer === -1 ? -foreign.read.i32(errnoAt(), 0) : answer;
    },
  };
}

function machineOf(arch: string): Machine {
  if (arch === "x64" || arch === "arm64") return arch;
  throw new Error(`the processor is of another kind (${arch})`);
}

function isForeign(module: unknown): module is Foreign {
  return typeof module === "object" && module !== null && "dlopen" in module && "ptr" in module;
}
