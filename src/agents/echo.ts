import type { AgentEvent, AgentRuntime, AgentTurn, Timers } from "../ports.ts";

/** The model reference of the embedded agent. */
export const ECHO_MODEL = "echo/echo";

/** One word: quick enough to read along, slow enough to see an answer grow and to abort it. */
const PIECE_MS = 20;

/** Longest time between the first and the last word, however long the text: words then go out together. */
const TOTAL_MS_MAX = 5_000;

/** The agent that needs nothing: says the user's last message back, word by word. */
export function createEchoRuntime(timers: Timers): AgentRuntime {
  return { prompt: (turn, signal) => echo(turn, signal, timers) };
}

async function* echo(turn: AgentTurn, signal: AbortSignal, timers: Timers): AsyncGenerator<AgentEvent> {
  const asked = turn.messages.findLast((message) => message.role === "user")?.text ?? "";
  const words = wordsOf(asked.trim() === "" ? "You said nothing." : `You said: ${asked}`);
  const atOnce = Math.ceil(words.length / (TOTAL_MS_MAX / PIECE_MS));
  for (let from = 0; from < words.length; from += atOnce) {
    if (from > 0) await pause(PIECE_MS, signal, timers);
    if (signal.aborted) return;
    yield { type: "text", text: words.slice(from, from + atOnce).join("") };
  }
  if (signal.aborted) return;
  const inputTokens = turn.messages.reduce((sum, message) => sum + wordsOf(message.text).length, 0);
  // An echo has no tokenizer: a word is its token.
  yield { type: "usage", inputTokens, outputTokens: words.length };
  yield { type: "end", reason: "stop" };
}

/** Words with the space behind them; joined they give the text from its first word on. */
function wordsOf(text: string): string[] {
  return text.match(/\S+\s*/g) ?? [];
}

/** Resolves after `ms`, or at once when `signal` is aborted. */
async function pause(ms: number, signal: AbortSignal, timers: Timers): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = (): void => resolve();
  const stop = timers.after(ms, wake);
  signal.addEventListener("abort", wake);
  await promise;
  stop();
  signal.removeEventListener("abort", wake);
}
