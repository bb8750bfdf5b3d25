import { messageOf, RpcError } from "../../contract/errors.ts";
import type { Program } from "../../ports.ts";
import type { PluginContext } from "../api.ts";
import type { CapablePorts, Deny } from "./capable.ts";
import type { PluginStart } from "../running.ts";

/** As `PluginContext.exec` promises, for each of the two outputs. */
const OUTPUT_BYTES_MAX = 1024 * 1024;

const TIMEOUT_MS = 60_000;
/** What takes longer is a service's own matter. */
const TIMEOUT_MS_MAX = 10 * 60_000;

/** From the word to end to the end; all of it is over before a plugin's stop is cut off. */
const GRACE_MS = 1_000;

/** Programs of one plugin at the same time. */
const PROGRAMS_MAX = 16;

interface ExecOf {
  readonly start: Pick<PluginStart, "id" | "directory" | "grants">;
  /** The variables that were granted. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly deny: Deny;
}

type Exec = PluginContext["exec"];
type Options = NonNullable<Parameters<Exec>[1]>;

/** Runs programs for a plugin: bounded in time, in what they say, in number, and ended with it. */
export function createExec(
  { process, timers }: Pick<CapablePorts, "process" | "timers">,
  { start, env, signal, deny }: ExecOf,
): Exec {
  let running = 0;
  const own = { ...env, ...standing(process.env, process.home) };

  async function run(command: Parameters<Exec>[0], what: string, options: Options): ReturnType<Exec> {
    const directory = directoryOf(start.directory, options.directory);
    const program = await process.startProgram({ command, directory, env: own }).catch((error: unknown) => {
      throw new RpcError("unavailable", messageOf(error));
    });
    const cut = Promise.withResolvers<RpcError>();
    const timeoutMs = timeoutOf(options.timeoutMs);
    const late = new RpcError("timeout", `${what}: it has not ended within ${timeoutMs} ms`);
    const stopTimer = timers.after(timeoutMs, () => cut.resolve(late));
    const stopped = (): void => cut.resolve(new RpcError("cancelled", `${what}: plugin "${start.id}" stops`));
    if (signal.aborted) stopped();
    signal.addEventListener("abort", stopped);
    try {
      return await finished(program, options.input, cut.promise);
    } finally {
      stopTimer();
      signal.removeEventListener("abort", stopped);
    }
  }

  return async (command, options = {}) => {
    const name = nameOf(command);
    const what = `Cannot run "${name}"`;
    if (start.grants.exec !== true) throw deny("exec", `run "${name}"`);
    if (!command.every((part) => typeof part === "string" && !part.includes("\0")))
      throw new RpcError("invalid_params", `${what}: its arguments are no text`);
    if (signal.aborted) throw new RpcError("cancelled", `${what}: plugin "${start.id}" stops`);
    if (running >= PROGRAMS_MAX) throw new RpcError("busy", `${what}: ${running} programs of it run`);
    running++;
    try {
      return await run(command, what, options);
    } finally {
      running--;
    }
  };
}

/** Its end and what it said; what cuts it off ends it with all it has started. */
async function finished(
  program: Program,
  input: string | undefined,
  cut: Promise<RpcError>,
): ReturnType<Exec> {
  const said = Promise.all([bytesOf(program.stdout), linesOf(program.stderr)]);
  const written = input === undefined ? Promise.resolve() : program.write(input);
  // One that does not read what it is given may well answer.
  void written.catch(() => {}).finally(() => program.closeInput());
  const end = await Promise.race([program.ended, cut]);
  if (end instanceof RpcError) {
    await program.stop(GRACE_MS);
    await said;
    throw end;
  }
  const [stdout, stderr] = await said;
  return { code: codeOf(end), stdout, stderr };
}

/** What every program needs to find others and its settings. */
function standing(env: Readonly<Record<string, string | undefined>>, home: string): Record<string, string> {
  const path = env["PATH"];
  return { ...(path !== undefined && { PATH: path }), HOME: home };
}

/** All of it is read, so that the program does not wait for us; so much is kept. */
async function bytesOf(output: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let room = OUTPUT_BYTES_MAX;
  for await (const bytes of output) {
    const kept = bytes.subarray(0, room);
    room -= kept.length;
    text += decoder.decode(kept, { stream: true });
  }
  return text + decoder.decode();
}

async function linesOf(output: AsyncIterable<string>): Promise<string> {
  const lines: string[] = [];
  let room = OUTPUT_BYTES_MAX;
  for await (const line of output) {
    const kept = line.slice(0, room);
    if (room > 0) lines.push(`${kept}\n`);
    room -= kept.length + 1;
  }
  return lines.join("");
}

function directoryOf(own: string, given: string | undefined): string {
  if (given === undefined) return own;
  return given.startsWith("/") ? given : `${own}/${given}`;
}

function timeoutOf(given: number = TIMEOUT_MS): number {
  if (Number.isFinite(given) && given >= 1) return Math.min(given, TIMEOUT_MS_MAX);
  throw new RpcError("invalid_params", `Cannot run for ${String(given)} ms: wanted 1 or more`);
}

function nameOf(command: unknown): string {
  const name: unknown = Array.isArray(command) ? command[0] : undefined;
  if (typeof name === "string" && name !== "") return name.slice(0, 100).toWellFormed();
  throw new RpcError("invalid_params", "Cannot run program: its command is empty");
}

/** Numbers of the signals that programs end by, as shells count them. @source signal(7) */
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGABRT: 6,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};

function codeOf(end: string): number {
  const [, code] = /^exit code (\d+)$/.exec(end) ?? [];
  if (code !== undefined) return Number(code);
  return 128 + (SIGNALS[end.replace("signal ", "")] ?? 0);
}
