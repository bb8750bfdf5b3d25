import process from "node:process";

import type { Process } from "../ports.ts";
import { codeOf, wordsOf } from "./failures.ts";

/** The keys of the terminal reach the program and us; while it runs they are meant for it. */
const KEYS = ["SIGINT", "SIGQUIT"] as const;

/** What a terminal's user is told of the usual reasons. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such program",
  EACCES: "it may not be run",
};

/** Runs a program on our own terminal, through `node:child_process`, which both runtimes have. */
export const runInTerminal: Process["runInTerminal"] = async ([program, ...args]) => {
  const ignore = (): void => {};
  for (const key of KEYS) process.on(key, ignore);
  try {
    return await run(program, args);
  } catch (cause) {
    throw new Error(`Cannot run "${program}": ${reasonOf(cause)}`, { cause });
  } finally {
    for (const key of KEYS) process.off(key, ignore);
  }
};

function run(program: string, args: readonly string[]): Promise<number> {
  // Few commands start a program, and loading the module is part of every start otherwise.
  const { spawn } = process.getBuiltinModule("node:child_process");
  const { signals } = process.getBuiltinModule("node:os").constants;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit" });
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : signals[signal])));
  });
}

function reasonOf(error: unknown): string {
  // Deno's word for what its flags do not allow.
  if (error instanceof Error && error.name === "NotCapable") return "starting programs is not allowed";
  return REASONS[codeOf(error) ?? ""] ?? wordsOf(error);
}
