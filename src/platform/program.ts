import type { ChildProcessByStdio } from "node:child_process";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { setImmediate } from "node:timers";

import type { Process, Program, ProgramOptions } from "../ports.ts";
import { LineCutter, LineQueue } from "./bounded-lines.ts";
import { codeOf, wordsOf } from "./failures.ts";
import { findProgram } from "./program-path.ts";

/** As the port promises. */
const stderrLineBytesMax = 8 * 1024;

/** Lines nobody has read yet: 2 MiB at most. */
const stderrLinesMax = 256;

/** What it wrote last is in a pipe and comes at once; past this somebody else holds the other end. */
const LAST_OUTPUT_MS = 1_000;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such program",
  EACCES: "it may not be run",
  E2BIG: "its arguments and environment are too large",
  EMFILE: "too many files are open",
  EAGAIN: "too many programs are running",
  ENOMEM: "there is not enough memory",
};

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Starts a program in a process group of its own, through `node:child_process`, which both runtimes have. */
export const startProgram: Process["startProgram"] = async (options) => {
  try {
    const child = await spawn(findProgram(options), options);
    return programOf(child.child, child.pid);
  } catch (cause) {
    throw new Error(`Cannot start program "${options.command[0]}": ${reasonOf(cause)}`, { cause });
  }
};

function spawn(path: string, { command, directory, env }: ProgramOptions) {
  // Few gateways start a program, and loading the module is part of every start otherwise.
  const { spawn: start } = process.getBuiltinModule("node:child_process");
  const child: Child = start(path, command.slice(1), {
    cwd: directory,
    env: { ...env },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  return new Promise<{ child: Child; pid: number }>((resolve, reject) => {
    child.once("error", reject);
    child.once("spawn", () => {
      child.off("error", reject);
      // Later errors are of signals that come too late.
      child.on("error", () => {});
      const { pid } = child;
      if (pid === undefined) reject(new Error("it has no process id"));
      else resolve({ child, pid });
    });
  });
}

function programOf(child: Child, pid: number): Program {
  // A pipe that breaks is told by `write` and by the end.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on("error", () => {});
  const ended = endOf(child, pid);
  const writer = new Writer(child.stdin, ended);
  return {
    pid,
    stdout: chunksOf(child.stdout),
    stderr: linesOf(child.stderr),
    write: (text) => writer.write(text),
    closeInput: () => void child.stdin.end(),
    async stop(graceMs) {
      if (child.exitCode === null && child.signalCode === null) signalGroup(pid, "SIGTERM");
      const timer = setTimeout(() => signalGroup(pid, "SIGKILL"), graceMs);
      await ended;
      clearTimeout(timer);
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
    },
    ended,
  };
}

function endOf(child: Child, pid: number): Promise<string> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => {
      // What it has started and left behind ends with it.
      signalGroup(pid, "SIGKILL");
      child.stdin.destroy();
      const timer = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, LAST_OUTPUT_MS);
      timer.unref();
      child.once("close", () => clearTimeout(timer));
      resolve(signal === null ? `exit code ${code ?? 0}` : `signal ${signal}`);
    });
  });
}

function signalGroup(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of the group is left.
  }
}

/** Read as the consumer asks, so that the pipe fills and holds the program back when nobody does. */
async function* chunksOf(stdout: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of stdout) {
      if (chunk instanceof Uint8Array) yield chunk;
      await othersTurn();
    }
  } catch (error) {
    // Destroyed by `stop`, or because it outlived its program: that is an end like any other.
    if (!stdout.destroyed) throw error;
  }
}

/** A program that writes without end has the next piece ready: without this nobody else would get a turn. */
function othersTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Read whether or not anybody asks: a program must not stand still because nobody reads its complaints. */
function linesOf(stderr: Readable): AsyncIterable<string> {
  const cutter = new LineCutter(stderrLineBytesMax);
  const queue = new LineQueue(stderrLinesMax);
  stderr.on("data", (bytes: Uint8Array) => {
    queue.push(cutter.push(bytes));
    stderr.pause();
    void othersTurn().then(() => stderr.resume());
  });
  stderr.once("close", () => {
    queue.push(cutter.end());
    queue.end();
  });
  return queue;
}

/** Tells each write that waits of the end: the runtimes do not tell all of them. */
class Writer {
  readonly #stdin: Writable;
  readonly #waiting = new Set<(error: Error) => void>();
  #failure: string | undefined;

  constructor(stdin: Writable, ended: Promise<string>) {
    this.#stdin = stdin;
    void ended.then((end) => this.#fail(`it has ended with ${end}`));
    stdin.once("close", () => this.#fail("it does not read any more"));
  }

  write(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(failure(this.#failure));
      if (!this.#stdin.writable) return reject(failure("it does not read any more"));
      this.#waiting.add(reject);
      this.#stdin.write(text, (cause) => {
        this.#waiting.delete(reject);
        if (cause) reject(failure("it does not read any more", cause));
        else resolve();
      });
    });
  }

  #fail(state: string): void {
    this.#failure ??= state;
    for (const reject of this.#waiting) reject(failure(this.#failure));
    this.#waiting.clear();
  }
}

function failure(state: string, cause?: Error): Error {
  return new Error(`Cannot write to program: ${state}`, cause && { cause });
}

function reasonOf(error: unknown): string {
  // Deno's word for what its flags do not allow.
  if (error instanceof Error && error.name === "NotCapable") return "starting programs is not allowed";
  return REASONS[codeOf(error) ?? ""] ?? wordsOf(error);
}
