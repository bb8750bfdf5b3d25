import type { Progress } from "@modelcontextprotocol/client";
import type { Clock, Timers } from "../../ports.ts";
import type { ToolAnswer } from "../tools.ts";
import { MCP } from "./bounds.ts";
import type { Connection } from "./connection.ts";
import { toAnswer } from "./content.ts";
import { stateOf } from "./words.ts";

/** A call of one tool. */
export interface ServerCall {
  /** As its server knows it. */
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  onUpdate(text: string): void;
}

export interface CallPorts {
  readonly timers: Timers;
  readonly clock: Clock;
  readonly server: string;
  hide(text: string): string;
  /** Resolves when the start that goes on has ended one way or the other; undefined when none does. */
  readonly ready: Promise<void> | undefined;
  /** The one to call, if there is one. */
  connection(): Connection | undefined;
  /** Why there is none. */
  problem(): string;
}

/** Calls one tool once, within its time. What goes wrong is an answer. */
export async function callTool(call: ServerCall, ports: CallPorts): Promise<ToolAnswer> {
  const { signal, timeoutMs, tool } = call;
  const own = new AbortController();
  const cancel = (): void => own.abort("it was cancelled");
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  const seconds = Math.round(timeoutMs / 1_000);
  const stop = ports.timers.after(timeoutMs, () => own.abort(`it did not answer in ${seconds} s`));
  const refuse = (state: string): ToolAnswer => ({
    text: `Cannot call tool "${tool}" of "${ports.server}": ${ports.hide(state)}`,
    isError: true,
  });
  let connection: Connection | undefined;
  try {
    if (ports.ready !== undefined) await settled(ports.ready, own.signal);
    if (own.signal.aborted) return refuse(String(own.signal.reason));
    connection = ports.connection();
    if (connection === undefined) return refuse(ports.problem());
    const onProgress = updates(call, ports.clock);
    return toAnswer(await connection.call(tool, call.args, { signal: own.signal, onProgress }));
  } catch (error) {
    if (own.signal.aborted) return refuse(String(own.signal.reason));
    return refuse(connection?.problem() ?? stateOf(error));
  } finally {
    stop();
    signal.removeEventListener("abort", cancel);
  }
}

/** Progress in words; a server that tells it a thousand times a second is heard ten times. */
function updates({ onUpdate }: ServerCall, clock: Clock): (progress: Progress) => void {
  let toldAtMs = -Infinity;
  return ({ progress, total, message }) => {
    const nowMs = clock.elapsed();
    if (nowMs - toldAtMs < MCP.updateMs) return;
    toldAtMs = nowMs;
    const count = total === undefined ? `${progress}` : `${progress} of ${total}`;
    onUpdate((message ?? count).slice(0, MCP.wordsCharsMax).toWellFormed());
  };
}

function settled(ready: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener("abort", done);
      resolve();
    };
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
    void ready.finally(done);
  });
}
