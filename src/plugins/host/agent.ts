import { z } from "zod";
import { once } from "../../contract/define.ts";
import { RpcError } from "../../contract/errors.ts";
import type { AgentEvent, AgentTurn } from "../../ports.ts";

/** Events that wait for their reader: far more than any answer is ahead of it. */
const WAITING_MAX = 4_096;

/** What an agent elsewhere may tell. */
const Told = once(() =>
  z.discriminatedUnion("type", [
    z.object({ type: z.literal("text"), text: z.string() }),
    z.object({ type: z.literal("thinking"), text: z.string() }),
    z.object({ type: z.literal("tool_start"), id: z.string(), name: z.string(), args: z.string() }),
    z.object({ type: z.literal("tool_update"), id: z.string(), text: z.string() }),
    z.object({ type: z.literal("tool_result"), id: z.string(), text: z.string(), isError: z.boolean() }),
    z.object({
      type: z.literal("usage"),
      inputTokens: z.number(),
      outputTokens: z.number(),
      cachedTokens: z.number().exactOptional(),
    }),
    z.object({ type: z.literal("model"), model: z.string() }),
    z.object({ type: z.literal("end"), reason: z.enum(["stop", "length", "tool_calls", "filter"]) }),
  ]),
);

type Ask = (signal: AbortSignal, onItem: (value: unknown) => void) => Promise<unknown>;

/** What an agent in another process answers, as it comes; ends at once when `signal` is aborted. */
export async function* answersOf(ask: Ask, signal: AbortSignal): AsyncGenerator<AgentEvent, void, undefined> {
  const unwanted = new AbortController();
  const either = AbortSignal.any([signal, unwanted.signal]);
  const waiting: AgentEvent[] = [];
  const end: { failure?: Error; isOver: boolean } = { isOver: false };
  let wake = (): void => {};
  const over = (failure?: Error): void => {
    if (!end.isOver && failure) end.failure = failure;
    end.isOver = true;
    wake();
  };
  signal.addEventListener("abort", () => wake(), { once: true });
  ask(either, (value) => {
    const told = Told().safeParse(value);
    if (!told.success) over(new Error(`its agent told what is no event: ${z.prettifyError(told.error)}`));
    else if (waiting.length >= WAITING_MAX)
      over(new RpcError("unavailable", "Cannot hear agent: it tells more than can be taken"));
    else waiting.push(told.data);
    wake();
  }).then(
    () => over(),
    (error: unknown) => over(error instanceof Error ? error : new Error(String(error))),
  );
  try {
    while (!signal.aborted) {
      const event = waiting.shift();
      if (event) yield event;
      else if (end.isOver) break;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    if (!signal.aborted && end.failure) throw end.failure;
  } finally {
    unwanted.abort();
  }
}

/** As much of a turn as crosses. */
export function plainTurn({
  runId,
  messages,
  isPlain,
}: AgentTurn): Pick<AgentTurn, "runId" | "messages" | "isPlain"> {
  return { runId, messages, ...(isPlain !== undefined && { isPlain }) };
}
