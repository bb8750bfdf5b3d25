import { onTestFinished } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../../scripts/build.ts";

/** What does not come within this does not come. */
const WAIT_MS = 15_000;

/**
 * A home directory and a folder to start in, both empty; gone with all that runs there when the test ends.
 */
export interface Home {
  readonly path: string;
  /** Where programs start. */
  readonly cwd: string;
  readonly stateDir: string;
  readonly configPath: string;
  readonly programs: Program[];
}

/** One entry of the log, in text or JSON. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A process that was started, and what it has printed so far. */
export interface Program {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Entries of the log, in order. */
  readonly log: readonly LogLine[];
  /** The first entry with this message, come or coming. Rejects when the process ends without it. */
  logged(message: string): Promise<LogLine>;
  signal(signal: NodeJS.Signals): void;
  /** Writes a line to its standard input. */
  say(line: string): void;
  /**
   * Its exit code, 128 and more for a signal, when all it printed has been read. Rejects when it does not
   * end.
   */
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

export interface StartOptions {
  /** After `run --port 0 --log-format json`; of two `--port` the later one counts. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
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
  const home = { path, cwd, stateDir, configPath: join(stateDir, "moltbot.json"), programs: [] };
  mkdirSync(cwd);
  if (config !== undefined) writeConfig(home, config);
  onTestFinished(() => clear(home));
  return home;
}

export function writeConfig({ stateDir, configPath }: Home, config: unknown): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  writeFileSync(configPath, typeof config === "string" ? config : JSON.stringify(config, null, 2), {
    mode: 0o600,
  });
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
  env?: Readonly<Record<string, string>>,
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const program = spawn(home, [BINARY, ...args], env);
  const code = await program.exited();
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

/** Starts a program with nothing of our environment but what it is given. */
export function spawn(
  home: Home,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Program {
  if (command[0] === BINARY && !existsSync(BINARY))
    throw new Error("Cannot start dist/gateway: not built yet, `bun run build` does it");
  const output = createOutput();
  const child = Bun.spawn([...command], {
    cwd: home.cwd,
    env: environment(home, env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  const read = Promise.all([
    pump(child.stdout, (text) => output.take("stdout", text)),
    pump(child.stderr, (text) => output.take("stderr", text)),
  ]).then(() => output.end());
  const ended = Promise.all([child.exited, read]).then(([code]) => code);
  const program: Program = {
    pid: child.pid,
    stdout: () => output.text.stdout,
    stderr: () => output.text.stderr,
    log: output.log,
    logged: (message) => within(output.logged(message), `log line "${message}"`, output.all),
    signal: (signal) => child.kill(signal),
    say(line) {
      // Small enough for the pipe to take at once.
      void child.stdin.write(`${line}\n`);
      void child.stdin.flush();
    },
    exited: () => within(ended, "end of the process", output.all),
  };
  home.programs.push(program);
  return program;
}

/** No model server of this machine's is asked what it has: port 9 is nobody's. */
function environment(home: Home, env: Readonly<Record<string, string>>): Record<string, string> {
  return { HOME: home.path, PATH: "/usr/bin:/bin", TERM: "xterm", OLLAMA_HOST: "127.0.0.1:9", ...env };
}

/** The same on a terminal of its own. */
export interface OnTerminal extends Pick<Program, "pid" | "signal" | "exited"> {
  /** All that was shown so far. */
  screen(): string;
  /** Resolves when the screen has shown this. */
  shown(what: RegExp): Promise<void>;
  /** As a person would, `\x03` being Ctrl-C. */
  type(keys: string): void;
}

export function startOnTerminal(home: Home, args: readonly string[]): OnTerminal {
  let screen = "";
  const waiting: { readonly what: RegExp; readonly found: () => void }[] = [];
  const decoder = new TextDecoder();
  const child = Bun.spawn([BINARY, ...args], {
    cwd: home.cwd,
    env: environment(home, {}),
    terminal: {
      cols: 200,
      data(_, bytes) {
        screen += decoder.decode(bytes, { stream: true });
        for (const { what, found } of waiting) if (what.test(screen)) found();
      },
    },
  });
  const exited = (): Promise<number> => within(child.exited, "end of the process", () => screen);
  const signal = (name: NodeJS.Signals): void => child.kill(name);
  home.programs.push({ ...silent, pid: child.pid, signal, exited });
  return {
    pid: child.pid,
    screen: () => screen,
    shown(what) {
      if (what.test(screen)) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ what, found: resolve });
      return within(promise, `${what} on the screen`, () => screen);
    },
    type: (keys) => void child.terminal?.write(keys),
    signal,
    exited,
  };
}

const silent: Omit<Program, "pid" | "signal" | "exited"> = {
  stdout: () => "",
  stderr: () => "",
  log: [],
  logged: () => Promise.reject(new Error("it logs to its terminal")),
  say: () => undefined,
};

// --- plumbing ---

function createOutput() {
  const text = { stdout: "", stderr: "" };
  const log: LogLine[] = [];
  const waiting: { readonly message: string; readonly found: PromiseWithResolvers<LogLine> }[] = [];
  let rest = "";
  let isEnded = false;
  const all = (): string => `${text.stdout}${text.stderr}`;

  function takeLine(line: string): void {
    const entry = line.startsWith("{") ? (JSON.parse(line) as LogLine) : fromText(line);
    if (!entry) return;
    log.push(entry);
    for (const { message, found } of waiting) if (entry.msg === message) found.resolve(entry);
  }

  return {
    text,
    log,
    all,
    take(stream: keyof typeof text, piece: string): void {
      text[stream] += piece;
      if (stream === "stdout") return;
      const lines = (rest + piece).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) takeLine(line);
    },
    end(): void {
      isEnded = true;
      for (const { message, found } of waiting) found.reject(ended(message));
    },
    logged(message: string): Promise<LogLine> {
      const come = log.find((entry) => entry.msg === message);
      if (come) return Promise.resolve(come);
      if (isEnded) return Promise.reject(ended(message));
      const found = Promise.withResolvers<LogLine>();
      waiting.push({ message, found });
      return found.promise;
    },
  };

  function ended(message: string): Error {
    return new Error(`ended without the log line "${message}": ${all()}`);
  }
}

/** `TIME LEVEL MESSAGE NAME=VALUE…` */
function fromText(line: string): LogLine | undefined {
  const [, level, msg, rest = ""] =
    /^[\d:]+Z (debug|info|warn|error) +(.*?)((?: \w+=(?:"(?:\\.|[^"\\])*"|[^\s"]+))*)$/.exec(line) ?? [];
  if (level === undefined || msg === undefined) return undefined;
  const fields = [...rest.matchAll(/ (\w+)=("(?:\\.|[^"\\])*"|\S+)/g)].map(([, name = "", value = ""]) => [
    name,
    value.startsWith('"') ? (JSON.parse(value) as string) : value,
  ]);
  return { level, msg, ...Object.fromEntries(fields) };
}

async function pump(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}

/** The promise's outcome, or a rejection with what was printed so far. */
export async function within<T>(promise: Promise<T>, what: string, printed: () => string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no ${what} within ${WAIT_MS} ms: ${printed()}`)), WAIT_MS);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
