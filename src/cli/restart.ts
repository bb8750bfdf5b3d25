import type { GatewayClient } from "../client/mod.ts";
import { EXIT } from "../gateway/errors.ts";
import type { Platform } from "../ports.ts";
import type { CommandInput, RunCommand } from "./command.ts";
import { type Connection, connect, toCliError } from "./connect.ts";
import { CliError } from "./errors.ts";
import { formatProblem } from "./problem.ts";
import { programName } from "./program.ts";
import type { Screen } from "./screen.ts";

/** Restarts the gateway and waits until it answers again. */
export const restart: RunCommand = async (input) => {
  const { screen, args } = input;
  const connection = await connect(input, "restart");
  try {
    const restarted = await restartGateway(input, connection, args.has("now"));
    if (args.has("json")) screen.line(JSON.stringify(restarted));
    else tellRestart(screen, restarted);
    return restarted.problem === undefined ? EXIT.ok : EXIT.failed;
  } catch (error) {
    throw toCliError(error, connection.target);
  } finally {
    await connection.client.close();
  }
};

/** What came of a restart. */
export interface Restarted {
  /** Where it answers now. */
  readonly url: string;
  /** How long nobody answered. */
  readonly tookMs: number;
  /** Why it runs as it did before; undefined when the configuration is in force as it is written. */
  readonly problem?: string | undefined;
}

/** A gateway that has stopped answers again within this, or has a problem. */
const AWAY_MS_MAX = 60_000;
const RETRY_MS = 50;

/** @throws CliError 69 when it does not come back */
export async function restartGateway(
  input: CommandInput,
  { client }: Connection,
  now: boolean,
): Promise<Restarted> {
  const { platform, screen, args } = input;
  const gone = untilGone(client);
  const { waitsForRuns } = await client.call("system.restart", { now }).catch((error: unknown) => {
    // It was about to restart anyway.
    if (client.state.name === "closed") return { waitsForRuns: 0 };
    throw error;
  });
  if (waitsForRuns > 0 && !now) {
    const runs = waitsForRuns === 1 ? "1 run" : `${waitsForRuns} runs`;
    screen.problem(`Waits for ${runs} to end; ${programName(platform)} restart --now does not`);
  }
  const timeoutMs = args.has("timeout-ms") ? args.whole("timeout-ms", 1, Number.MAX_SAFE_INTEGER) : undefined;
  await within(platform, timeoutMs, gone);
  const goneAtMs = platform.clock.elapsed();
  const again = await comeBack(input, goneAtMs);
  try {
    const tookMs = Math.round(platform.clock.elapsed() - goneAtMs);
    const { config } = await again.client.call("status");
    return { url: again.target.url, tookMs, ...(config.error && { problem: formatProblem(config.error) }) };
  } finally {
    await again.client.close();
  }
}

function untilGone(client: GatewayClient): Promise<void> {
  return new Promise((resolve) => {
    client.onState(({ name }) => {
      if (name !== "ready") resolve();
    });
  });
}

async function within({ timers }: Platform, ms: number | undefined, work: Promise<void>): Promise<void> {
  if (ms === undefined) return work;
  const late = Promise.withResolvers<never>();
  const stop = timers.after(ms, () =>
    late.reject(new CliError(EXIT.failed, `Cannot wait for the restart: it has not begun within ${ms} ms`)),
  );
  await Promise.race([work, late.promise]).finally(stop);
}

/** Connects anew until that works: where it listens may be what has changed. */
async function comeBack(input: CommandInput, sinceMs: number): Promise<Connection> {
  const { clock, timers } = input.platform;
  for (;;) {
    try {
      return await connect(input, "restart");
    } catch (error) {
      const isAway = error instanceof CliError && error.exitCode === EXIT.unreachable;
      if (!isAway || clock.elapsed() - sinceMs > AWAY_MS_MAX) throw error;
    }
    await new Promise<void>((resolve) => void timers.after(RETRY_MS, resolve));
  }
}

/** The same for people. */
export function tellRestart(screen: Screen, { url, tookMs, problem }: Restarted): void {
  if (problem === undefined) {
    screen.line(`restarted in ${(tookMs / 1_000).toFixed(1)} s, answers at ${url}`);
    return;
  }
  screen.line(`restarted, and runs as it did before: ${screen.foreign(problem)}`);
}
