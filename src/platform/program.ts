import type { ChildProcess } from "node:child_process";
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

/** A flood of complaints is held back to this much in this time: cutting it up costs us, too. */
const STDERR_WINDOW_BYTES = 1024 * 1024;
const STDERR_WINDOW_MS = 100;

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

/** The child with its pipes, which are there because all of them were asked for. */
interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly channel: Readable | undefined;
}

/** Starts a program in a process group of its own, through `node:child_process`, which both runtimes have. */
export const startProgram: Process["startProgram"] = async (options) => {
  try {
    return programOf(await spawn(findProgram(options), options));
  } catch (cause) {
    throw new Error(`Cannot start program "${options.command[0]}": ${reasonOf(cause)}`, { cause });
  }
};

/** The same for a program that is known to be ours. @throws Error with the reason alone */
export async function startOwn(options: ProgramOptions): Promise<Program> {
  try {
    return programOf(await spawn(options.command[0], options));
  } catch (cause) {
    throw new Error(reasonOf(cause), { cause });
  }
}

function spawn(
  path: string,
  { command, directory, env, hasChannel = false }: ProgramOptions,
): Child | Promise<Child> {
  // Few gateways start a program, and loading the module is part of every start otherwise.
  const { spawn: start } = process.getBuiltinModule("node:child_process");
  const child = start(path, command.slice(1), {
    cwd: directory,
    env: { ...env },
    stdio: hasChannel ? ["pipe", "pipe", "pipe", "pipe"] : ["pipe", "pipe", "pipe"],
    detached: true,
  });
  // It has a number from here on, if it has been started at all; the event that says so may come late.
  const { pid, stdin, stdout, stderr } = child;
  if (pid === undefined) return new Promise<Child>((_, reject) => child.once("error", reject));
  // Errors from here on are of signals that come too late.
  child.on("error", () => {});
  if (!stdin || !stdout || !stderr) throw new Error("it has no pipes");
  const channel = child.stdio[3];
  return { process: child, pid, stdin, stdout, stderr, channel: isReadable(channel) ? channel : undefined };
}

/** Told by what it can do: the class itself would load a module at every start. */
function isReadable(stream: Readable | Writable | null | undefined): stream is Readable {
  return !!stream && "read" in stream;
}

function programOf(child: Child): Program {
  const { pid } = child;
  const pipes = [child.stdin, child.stdout, child.stderr, ...(child.channel ? [child.channel] : [])];
  // A pipe that breaks is told by `write` and by the end.
  for (const stream of pipes) stream.on("error", () => {});
  const ended = endOf(child);
  const writer = new Writer(child.stdin, ended);
  return {
    pid,
    stdout: chunksOf(child.stdout),
    channel: child.channel ? chunksOf(child.channel) : nothing(),
    stderr: linesOf(child.stderr),
    write: (text) => writer.write(text),
    closeInput: () => void child.stdin.end(),
    async stop(graceMs) {
      const { exitCode, signalCode } = child.process;
      if (exitCode === null && signalCode === null) signalGroup(pid, "SIGTERM");
      const timer = setTimeout(() => signalGroup(pid, "SIGKILL"), graceMs);
      await ended;
      clearTimeout(timer);
      for (const stream of pipes) stream.destroy();
    },
    ended,
  };
}

function endOf(child: Child): Promise<string> {
  const { pid } = child;
  return new Promise((resolve) => {
    child.process.once("exit", (code, signal) => {
      // What it has started and left behind ends with it.
      signalGroup(pid, "SIGKILL");
      child.stdin.destroy();
      const timer = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        child.channel?.destroy();
      }, LAST_OUTPUT_MS);
      timer.unref();
      child.process.once("close", () => clearTimeout(timer));
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

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {
  // There is no such descriptor.
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
  let sinceMs = performance.now();
  let taken = 0;
  stderr.on("data", (bytes: Uint8Array) => {
    queue.push(cutter.push(bytes));
    stderr.pause();
    const nowMs = performance.now();
    if (nowMs - sinceMs > STDERR_WINDOW_MS) {
      sinceMs = nowMs;
      taken = 0;
    }
    taken += bytes.length;
    if (taken < STDERR_WINDOW_BYTES) void othersTurn().then(() => stderr.resume());
    else setTimeout(() => stderr.resume(), STDERR_WINDOW_MS).unref();
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
