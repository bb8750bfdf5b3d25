import type { AgentEvent, AgentMessage, AgentRuntime, AgentTurn, Timers } from "../ports.ts";

/** The model reference of the embedded agent. */
export const ECHO_MODEL = "echo/echo";

/** One word: quick enough to read along, slow enough to see an answer grow and to abort it. */
const PIECE_MS = 20;

/** Longest time between the first and the last word, however long the text: words then go out together. */
const TOTAL_MS_MAX = 5_000;

/** It reads the last message and no more: a conversation is never too long for it. */
const WINDOW_TOKENS = 1_000_000;

/** The agent that needs nothing: says the user's last message back, word by word. */
export function createEchoRuntime(timers: Timers): AgentRuntime {
  return {
    contextWindow: WINDOW_TOKENS,
    keepsHistory: false,
    prompt: (turn, signal) => echo(turn, signal, timers),
  };
}

async function* echo(turn: AgentTurn, signal: AbortSignal, timers: Timers): AsyncGenerator<AgentEvent> {
  const words = wordsOf(replyTo(turn.messages.findLast((message) => message.role === "user")));
  const atOnce = Math.ceil(words.length / (TOTAL_MS_MAX / PIECE_MS));
  for (let from = 0; from < words.length; from += atOnce) {
    if (from > 0) await pause(PIECE_MS, signal, timers);
    if (signal.aborted) return;
    yield { type: "text", text: words.slice(from, from + atOnce).join("") };
  }
  if (signal.aborted) return;
  const inputTokens = turn.messages.reduce((sum, message) => sum + wordsOf(textOf(message)).length, 0);
  // An echo has no tokenizer: a word is its token.
  yield { type: "usage", inputTokens, outputTokens: words.length };
  yield { type: "end", reason: "stop" };
}

function replyTo(message: AgentMessage | undefined): string {
  const said = message === undefined ? "" : textOf(message);
  const images = message?.parts.filter(({ type }) => type === "image").length ?? 0;
  const isSilent = said.trim() === "";
  if (images === 0) return isSilent ? "You said nothing." : `You said: ${said}`;
  const count = images === 1 ? "(1 image)" : `(${images} images)`;
  return isSilent ? `You said: ${count}` : `You said: ${said.trimEnd()} ${count}`;
}

function textOf({ parts }: AgentMessage): string {
  return parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");
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
