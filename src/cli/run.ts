import { messageOf } from "../contract/errors.ts";
import { PORT_DEFAULT } from "../config/values.ts";
import { type GatewayServer, startGatewayServer } from "../gateway.ts";
import type { Development } from "../gateway/development.ts";
import { EXIT, StartError } from "../gateway/errors.ts";
import type { Platform } from "../ports.ts";
import { VERSION } from "../version.ts";
import type { Arguments } from "./args.ts";
import type { CommandInput, RunCommand } from "./command.ts";
import { CliError } from "./errors.ts";
import { stateDirOf } from "./places.ts";
import { programName } from "./program.ts";
import { shellWord } from "./shell-word.ts";

/** What a shell makes of a program that ended by a signal. @source POSIX: 128 plus the number */
const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143 } as const;

/** Why the gateway is to stop, and what the program answers then. */
type Stopping = { readonly reason: string; readonly exitCode: number };

/** Runs a gateway until it is told to stop. */
export const run: RunCommand = (input) => runGateway(input);

interface RunOptions {
  /** A plugin that is being written, on for this run. */
  readonly development?: Development;
  /** Begins what goes on beside the gateway until `signal` is aborted; a rejection ends the gateway. */
  readonly beside?: (server: GatewayServer, signal: AbortSignal) => Promise<void>;
}

/** The same, with what else a command has to do meanwhile. @returns the exit code. @throws CliError */
export async function runGateway(input: CommandInput, options: RunOptions = {}): Promise<number> {
  const { platform } = input;
  const { development, beside } = options;
  platform.process.keepFilesPrivate();
  const watch = watchForEnd(platform);
  const server = await start(input, development);
  watch.onFailure((error) => server.log.error("uncaught error, stopping", { error }));
  watch.onReload(() => {
    server.log.info("SIGHUP: the configuration is read again");
    void server.reload();
  });
  if (input.screen.isTerminal) greet(input, server);
  const ending = new AbortController();
  const besideFailed = beside?.(server, ending.signal).then(() => never) ?? never;
  let why = "failed";
  try {
    const ends = [watch.end, server.failed.catch(restartFailed), besideFailed];
    const { reason, exitCode } = await Promise.race(ends);
    why = reason;
    return exitCode;
  } finally {
    ending.abort();
    await server.close({ reason: why });
  }
}

const never = new Promise<never>(() => {});

function restartFailed(error: unknown): Stopping {
  const exitCode = error instanceof StartError ? error.exitCode : EXIT.failed;
  return { reason: `cannot restart: ${messageOf(error)}`, exitCode };
}

async function start(
  { platform, args }: CommandInput,
  development: Development | undefined,
): Promise<GatewayServer> {
  try {
    const flags = { ...flagsOf(args), ...(development && { development }) };
    return await startGatewayServer(args.whole("port", 0, 65_535), { platform, flags });
  } catch (error) {
    if (error instanceof StartError) throw new CliError(error.exitCode, error.message);
    throw error;
  }
}

function flagsOf(args: Arguments): NonNullable<Parameters<typeof startGatewayServer>[1]["flags"]> {
  const given = {
    bind: args.text("bind"),
    token: args.text("token"),
    config: args.text("config"),
    stateDir: args.text("state-dir"),
    logFormat: args.text("log-format"),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Waits for a signal or an error that nobody caught, whichever comes first; from before the start on. */
function watchForEnd({ process }: Platform) {
  const end = Promise.withResolvers<Stopping>();
  let isEnding = false;
  // Asked now: a terminal that has hung up is none any more.
  const isOnTerminal = process.stdinIsTerminal || process.stderr.isTerminal;
  let reload = (): void => {};
  let tell = (error: string): void => process.stderr.write(`uncaught error: ${error}\n`);
  process.onStopSignal((signal) => {
    // The second one is from somebody who does not want to wait.
    if (isEnding) process.exit(SIGNAL_EXIT[signal]);
    isEnding = true;
    end.resolve({ reason: `stopped by ${signal}`, exitCode: EXIT.ok });
  });
  process.onHangup(() => {
    if (!isOnTerminal) return reload();
    // A shell tells again what the system has told: a second one means no more than the first.
    if (isEnding) return;
    isEnding = true;
    end.resolve({ reason: "stopped by SIGHUP", exitCode: EXIT.ok });
  });
  process.onUncaught((error) => {
    // Once: what follows an uncaught error is mostly its consequence.
    if (isEnding) return;
    isEnding = true;
    tell(error instanceof Error ? (error.stack ?? error.message) : String(error));
    end.resolve({ reason: "stopped by an internal error", exitCode: EXIT.failed });
  });
  return {
    end: end.promise,
    onFailure: (work: (error: string) => void) => void (tell = work),
    // What is read while it starts is as new as it can be.
    onReload: (work: () => void) => void (reload = work),
  };
}

/** For a person at a terminal. The token is shown once, when it is made, and goes into no log. */
function greet({ platform, screen }: CommandInput, server: GatewayServer): void {
  const { urls, token, port, stateDir } = server;
  const program = programName(platform);
  const isUsual = port === PORT_DEFAULT && urls[0].startsWith("http://127.0.0.1:");
  const url = isUsual ? "" : ` --url ${urls[0].replace(/^http/, "ws")}/ws`;
  const usual = stateDirOf(platform.process, { text: () => undefined });
  const place = stateDir === usual ? "" : ` --state-dir ${shellWord(stateDir)}`;
  const lines = [
    `${screen.bold(`gateway ${VERSION}`)} listens on ${urls[0]}`,
    ...(token?.created
      ? ["", "From another terminal:", `  ${program} call health${url} --token ${token.value}`, ""]
      : []),
    `Talk to it: ${program} chat${place}`,
    screen.dim("Ctrl-C stops it"),
  ];
  for (const line of lines) screen.line(line);
}
