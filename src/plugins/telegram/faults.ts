import type { GrammyError } from "grammy/web";
import { type ChannelLink, RpcError, type Timers } from "../api.ts";

/** What went wrong, and whether the same may go well later. */
export interface Fault {
  /** `refused`: with this token never. */
  readonly kind: "refused" | "passing" | "final";
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
  /** The group is another one by now. */
  readonly movedTo?: number | undefined;
}

/** Never has a token in its words: addresses, where tokens stand, are not said. */
export function faultOf(error: unknown): Fault {
  if (isRefusal(error)) return ofRefusal(error);
  if (error instanceof NoToken) return { kind: "refused", message: error.message };
  if (error instanceof RpcError) {
    const isPassing = ["busy", "unavailable", "timeout"].includes(error.code);
    const { message, extra } = error;
    return { kind: isPassing ? "passing" : "final", message, retryAfterMs: extra.retryAfterMs };
  }
  if (error instanceof Error && error.name === "HttpError")
    return { kind: "passing", message: "Telegram cannot be reached" };
  return { kind: "final", message: error instanceof Error ? error.message : String(error) };
}

function ofRefusal({ error_code: code, description, parameters }: GrammyError): Fault {
  // What is no token at all is not even a known address.
  if (code === 401 || code === 404)
    return { kind: "refused", message: `Telegram does not know the bot token (${code})` };
  const message = `Telegram says ${code}: ${description}`;
  const { retry_after: retrySeconds, migrate_to_chat_id: movedTo } = parameters;
  const retryAfterMs = retrySeconds === undefined ? undefined : retrySeconds * 1_000;
  if (code === 409)
    return { kind: "passing", message: `another program has this bot's messages (${message})` };
  return { kind: code === 429 || code >= 500 ? "passing" : "final", message, retryAfterMs, movedTo };
}

/** By its name: the library's own class would have it loaded. */
function isRefusal(error: unknown): error is GrammyError {
  return error instanceof Error && error.name === "GrammyError";
}

/** A bot without the one thing it is known by. */
export class NoToken extends Error {}

// --- patience ---

const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 60_000;

/** What `work` answers, tried until it does. @throws what is no use to try again, and when the link ends */
export async function keepTrying<T>(
  timers: Timers,
  link: Pick<ChannelLink, "signal" | "status">,
  work: (tries: number) => Promise<T>,
): Promise<T> {
  let isLost = false;
  for (let tries = 0; ; tries++) {
    try {
      const answer = await work(tries);
      if (isLost) link.status({ state: "connected" });
      return answer;
    } catch (error) {
      link.signal.throwIfAborted();
      const { kind, message, retryAfterMs } = faultOf(error);
      if (kind !== "passing") throw error;
      // That the gateway has no time says nothing about the connection.
      isLost ||= !(error instanceof RpcError);
      if (isLost) link.status({ state: "connecting", detail: message });
      await pause(timers, retryAfterMs ?? Math.min(PAUSE_MS_MIN * 2 ** tries, PAUSE_MS_MAX), link.signal);
    }
  }
}

/** Rejects when the signal is aborted meanwhile. */
async function pause(timers: Timers, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = timers.after(ms, resolve);
  const end = (): void => resolve();
  signal.addEventListener("abort", end);
  await promise;
  stop();
  signal.removeEventListener("abort", end);
  signal.throwIfAborted();
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
