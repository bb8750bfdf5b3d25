import { RpcError } from "../../../src/contract/errors.ts";
import type { AgentEvent, AgentMessage, AgentRuntime, AgentTurn, Clock, Timers } from "../../../src/ports.ts";

/** The system's own time, for what really waits. */
export const realTimers: Timers = {
  after(ms, work) {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  },
  every(ms, work) {
    const timer = setInterval(work, ms);
    return () => clearInterval(timer);
  },
};

export const realClock: Clock = { now: () => Date.now(), elapsed: () => performance.now() };

export function turnOf(...messages: (string | AgentMessage)[]): AgentTurn {
  const all = messages.map((said) =>
    typeof said === "string" ? { role: "user" as const, text: said } : said,
  );
  return { runId: "run-1", sessionKey: "main", messages: all };
}

export interface Heard {
  readonly events: AgentEvent[];
  readonly text: string;
  readonly error: unknown;
}

/** All that an agent says, and what it throws. */
export async function listen(
  runtime: AgentRuntime,
  turn = turnOf("hello"),
  signal = never(),
): Promise<Heard> {
  const events: AgentEvent[] = [];
  let error: unknown;
  try {
    for await (const event of runtime.prompt(turn, signal)) events.push(event);
  } catch (thrown) {
    error = thrown;
  }
  return { events, text: textOf(events), error };
}

export function textOf(events: readonly AgentEvent[]): string {
  return events.map((event) => (event.type === "text" ? event.text : "")).join("");
}

export function never(): AbortSignal {
  return new AbortController().signal;
}

/** Code, message and wait of an error of ours; anything else fails the test. */
export function faultOf(error: unknown): { code: string; message: string; retryAfterMs: number | undefined } {
  if (!(error instanceof RpcError)) throw new Error(`not an RpcError: ${String(error)}`);
  return { code: error.code, message: error.message, retryAfterMs: error.extra.retryAfterMs };
}
