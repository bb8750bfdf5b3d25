import { onTestFinished } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../../scripts/build.ts";
import { createOutput, type Output, within } from "./output.ts";

/** A home and a folder to start in, both empty; gone, with all that runs there, when the test ends. */
export interface Home {
  readonly path: string;
  /** Where programs start. */
  readonly cwd: string;
  readonly stateDir: string;
  readonly configPath: string;
  readonly programs: Program[];
}

/** A process that was started. */
export interface Program extends Output {
  readonly pid: number;
  signal(signal: NodeJS.Signals): void;
  /** Writes to its standard input. */
  type(text: string): void;
  /** Its exit code, 128 and more for a signal; all it printed has been read. Rejects if it does not end. */
  exited(): Promise<number>;
}

export interface Gateway extends Program {
  readonly url: string;
  readonly port: number;
  /** The generated one. */
  token(): string;
  /** Sends the signal and waits for the end. @returns the exit code */
  stop(signal?: NodeJS.Signals): Promise<number>;
}

type Env = Readonly<Record<string, string>>;

export interface StartOptions {
  /** After `run --port 0 --log-format json`; where one is given twice the later one counts. */
  readonly args?: readonly string[];
  readonly env?: Env;
  /** What to start in place of `dist/gateway run`. */
  readonly command?: readonly string[];
  /** Where `args` put it. */
  readonly stateDir?: string;
}

/** Inside a test only. @param config the configuration file, as text or as what it holds; none by default */
export function createHome(config?: unknown): Home {
  const path = mkdtempSync(join(tmpdir(), "gateway-home-"));
  const cwd = join(path, "empty");
  const stateDir = join(path, ".clawdbot");
  const configPath = join(stateDir, "moltbot.json");
  const home: Home = { path, cwd, stateDir, configPath, programs: [] };
  mkdirSync(cwd);
  if (config !== undefined) {
    mkdirSync(stateDir, { mode: 0o700 });
    const text = typeof config === "string" ? config : JSON.stringify(config, null, 2);
    writeFileSync(configPath, text, { mode: 0o600 });
  }
  onTestFinished(() => clear(home));
  return home;
}

async function clear({ path, programs }: Home): Promise<void> {
  for (const program of programs) program.signal("SIGKILL");
  await Promise.all(programs.map((program) => program.exited()));
  rmSync(path, { recursive: true, force: true });
}

/**
 * Starts the built gateway, on a port that the system picks, and waits until it says where it listens: in its
 * log, and for the command line in its note.
 */
export async function startGateway(home: Home, options: StartOptions = {}): Promise<Gateway> {
  const { command = [BINARY, "run"], args = [], env, stateDir = home.stateDir } = options;
  const program = spawn(home, [...command, "--port", "0", "--log-format", "json", ...args], env);
  const { url } = await program.logged("gateway listening");
  await within(noted(stateDir, program.pid), "note in the state directory", program.stderr);
  return {
    ...program,
    url: String(url),
    port: Number(new URL(String(url)).port),
    token: () => readFileSync(join(stateDir, "gateway.token"), "utf8").trim(),
    stop(signal = "SIGTERM") {
      program.signal(signal);
      return program.exited();
    },
  };
}

function noted(stateDir: string, pid: number): Promise<void> {
  const note = join(stateDir, "gateway.json");
  const { promise, resolve } = Promise.withResolvers<void>();
  // It comes whole, by renaming.
  const look = (): void => {
    if (existsSync(note) && readFileSync(note, "utf8").includes(`"pid":${pid},`)) resolve();
  };
  const watcher = watch(stateDir, look);
  look();
  return promise.finally(() => watcher.close());
}

/** Runs the binary to its end. */
export async function runBinary(
  home: Home,
  args: readonly string[],
  env?: Env,
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const program = spawn(home, [BINARY, ...args], env);
  const code = await program.exited();
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

/** Starts a program with nothing of our environment but what it is given. */
export function spawn(home: Home, command: readonly string[], env: Env = {}): Program {
  const { output, take, end } = createOutput();
  const child = Bun.spawn(built(command), {
    cwd: home.cwd,
    env: environment(home, env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const read = Promise.all([
    pump(child.stdout, (text) => take("stdout", text)),
    pump(child.stderr, (text) => take("stderr", text)),
  ]).then(end);
  const ended = Promise.all([child.exited, read]).then(([code]) => code);
  const program: Program = {
    ...output,
    pid: child.pid,
    signal: (signal) => child.kill(signal),
    type(text) {
      // Little enough for the pipe to take at once.
      void child.stdin.write(text);
      void child.stdin.flush();
    },
    exited: () => within(ended, "end of the process", output.printed),
  };
  home.programs.push(program);
  return program;
}

/** Starts the binary on a terminal of its own. All it shows is its standard output, and `\x03` is Ctrl-C. */
export function startOnTerminal(home: Home, args: readonly string[]): Program {
  const { output, take, end } = createOutput();
  const decoder = new TextDecoder();
  const read = Promise.withResolvers<void>();
  const child = Bun.spawn(built([BINARY, ...args]), {
    cwd: home.cwd,
    env: environment(home, {}),
    terminal: {
      cols: 200,
      data: (_, bytes) => take("stdout", decoder.decode(bytes, { stream: true })),
      exit: () => read.resolve(),
    },
  });
  const ended = Promise.all([child.exited, read.promise.then(end)]).then(([code]) => code);
  const program: Program = {
    ...output,
    pid: child.pid,
    signal: (signal) => child.kill(signal),
    type: (text) => void child.terminal?.write(text),
    exited: () => within(ended, "end of the process", output.printed),
  };
  home.programs.push(program);
  return program;
}

function built(command: readonly string[]): string[] {
  if (command[0] === BINARY && !existsSync(BINARY))
    throw new Error('Cannot start "dist/gateway": not built, `bun run build` does it');
  return [...command];
}

function environment(home: Home, env: Env): Record<string, string> {
  return {
    HOME: home.path,
    PATH: "/usr/bin:/bin",
    TERM: "xterm",
    // No model server of this machine's is asked what it has: port 9 is nobody's.
    OLLAMA_HOST: "127.0.0.1:9",
    // Where Bun itself runs a file: no cache of what it compiled.
    BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0",
    ...env,
  };
}

async function pump(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}
