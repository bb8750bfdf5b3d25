import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { runCli } from "../../../src/cli/main.ts";
import { createBunPlatform } from "../../../src/platform/bun.ts";
import type { Platform, Process, TextSink } from "../../../src/ports.ts";

/** What one call of the program did. */
export type Outcome = { readonly code: number; readonly out: string; readonly err: string };

/** A machine of its own: an empty home directory, an environment, and what is typed. */
export type Machine = {
  readonly home: string;
  run(args: readonly string[], given?: Given): Promise<Outcome>;
  platform(args: readonly string[], given?: Given): { platform: Platform; outcome(): Omit<Outcome, "code"> };
  remove(): Promise<void>;
};

export type Given = {
  readonly env?: Readonly<Record<string, string>>;
  /** Lines of standard input, which is then no terminal. */
  readonly stdin?: readonly string[];
};

/** The program in this process: real files, real sockets, its own ends of the standard streams. */
export async function createMachine(): Promise<Machine> {
  const home = await mkdtemp(`${tmpdir()}/gateway-cli-`);
  const platform: Machine["platform"] = (args, { env = {}, stdin = [] } = {}) => {
    const [stdout, stderr] = [createSink(), createSink()];
    const real = createBunPlatform();
    const process: Process = {
      ...real.process,
      args,
      env,
      home,
      stdout,
      stderr,
      stdinIsTerminal: false,
      lines: async function* () {
        yield* stdin;
      },
      onStopSignal: () => () => undefined,
      onHangup: () => () => undefined,
    };
    return { platform: { ...real, process }, outcome: () => ({ out: stdout.text(), err: stderr.text() }) };
  };
  return {
    home,
    platform,
    run: async (args, given) => {
      const made = platform(args, given);
      const code = await runCli(made.platform);
      return { code, ...made.outcome() };
    },
    remove: () => rm(home, { recursive: true }),
  };
}

function createSink(): TextSink & { text(): string } {
  const parts: string[] = [];
  return {
    isTerminal: false,
    write: (text) => void parts.push(text),
    flush: () => Promise.resolve(),
    text: () => parts.join(""),
  };
}
