const MAIN = Bun.fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** The program as a person runs it, in a process of its own. */
export type Program = {
  readonly pid: number;
  /** All it has said so far; on a terminal both streams are one. */
  out(): string;
  err(): string;
  /** Waits until it has said something that matches, from `from` on, its style left out. */
  until(wanted: RegExp, from?: number): Promise<RegExpExecArray>;
  /** Types on its terminal, or writes to its standard input. */
  type(text: string): void;
  signal(signal: "SIGTERM" | "SIGINT" | "SIGKILL"): void;
  readonly exited: Promise<number>;
};

export type ProgramOptions = {
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
  /** On a terminal instead of pipes. */
  readonly terminal?: boolean;
  /** Standard input, whole. Default: none. */
  readonly stdin?: string;
  /** Where it is started. Default: here. */
  readonly cwd?: string;
};

/** Longest wait for words that have to come. */
const PATIENCE_MS = 10_000;

const running = new Set<Bun.Subprocess>();

/** For each file that starts programs to name after each test: what this module registers counts for one. */
export async function endPrograms(): Promise<void> {
  for (const child of running) child.kill("SIGKILL");
  await Promise.all([...running].map((child) => child.exited));
  running.clear();
}

// Whatever a run leaves behind would hold a watch of the system each.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts the program; whatever still runs at the end of the test is ended. */
export function startProgram(args: readonly string[], options: ProgramOptions): Program {
  const { home, env = {}, terminal = false, stdin, cwd } = options;
  const said = { out: "", err: "" };
  const waiting = new Set<() => void>();
  const decoders = { out: new TextDecoder(), err: new TextDecoder() };
  const hear = (stream: "out" | "err", bytes: Uint8Array): void => {
    said[stream] += decoders[stream].decode(bytes, { stream: true });
    for (const look of waiting) look();
  };
  const child = Bun.spawn([process.execPath, MAIN, ...args], {
    env: { HOME: home, PATH: process.env["PATH"] ?? "", TERM: "xterm", ...env },
    ...(cwd !== undefined && { cwd }),
    ...(terminal
      ? { terminal: { cols: 120, rows: 40, data: (_: unknown, bytes: Uint8Array) => hear("out", bytes) } }
      : { stdin: stdin === undefined ? "ignore" : new Blob([stdin]), stdout: "pipe", stderr: "pipe" }),
  });
  running.add(child);
  const drained = terminal
    ? []
    : [
        listen(child.stdout, (bytes) => hear("out", bytes)),
        listen(child.stderr, (bytes) => hear("err", bytes)),
      ];
  const until: Program["until"] = (wanted, from = 0) =>
    new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        waiting.delete(look);
        act();
      };
      const look = (): void => {
        const found = wanted.exec(withoutStyle(said.out.slice(from))) ?? wanted.exec(said.err);
        if (found) settle(() => resolve(found));
      };
      const fail = (why: string): void =>
        settle(() => reject(new Error(`${why}, wanted ${String(wanted)} in:\n${said.out}\n${said.err}`)));
      const timer = setTimeout(() => fail(`nothing in ${PATIENCE_MS} ms`), PATIENCE_MS);
      waiting.add(look);
      look();
      void child.exited.then(() => Promise.all(drained)).then(() => (look(), fail("it ended")));
    });
  return {
    pid: child.pid,
    out: () => said.out,
    err: () => said.err,
    until,
    type: (text) => child.terminal?.write(text),
    signal: (signal) => child.kill(signal),
    exited: child.exited.then(async (code) => {
      await Promise.all(drained);
      running.delete(child);
      return code;
    }),
  };
}

/** Runs it to its end. */
export async function runProgram(
  args: readonly string[],
  options: ProgramOptions,
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const program = startProgram(args, options);
  const code = await program.exited;
  return { code, out: program.out(), err: program.err() };
}

async function listen(stream: unknown, hear: (bytes: Uint8Array) => void): Promise<void> {
  if (!(stream instanceof ReadableStream)) return;
  for await (const bytes of stream) hear(bytes);
}

function withoutStyle(text: string): string {
  // oxlint-disable-next-line no-control-regex -- the escape character begins a style
  return text.replace(/\u001b\[\d+m/g, "");
}
