import { fromWire, GatewayError } from "./errors.ts";
import type { Stop } from "./listeners.ts";
import type { Frame } from "./link.ts";

/** How one call is made. */
export type CallOptions = {
  /** Longest wait for the answer, ms, waiting for a connection included; `Infinity` for no limit. Default 30 000. */
  readonly timeoutMs?: number;
  /** Stops waiting for the answer. The gateway may still do what was asked. */
  readonly signal?: AbortSignal;
  /** Makes repeating the call safe: same key and params, same answer, for five minutes. At most 128 characters. */
  readonly idempotencyKey?: string;
};

/** Calls on their way: waiting for their turn, or for their answer. */
export type CallTable = {
  /** @throws (rejects) GatewayError */
  start(method: string, params: Readonly<Record<string, unknown>>, options: CallOptions): Promise<unknown>;
  /** Takes an answer; one that nobody waits for is dropped. */
  settle(reply: Frame): void;
  /** A connection is there: sends what waits, as much as the gateway takes at a time. */
  open(line: Line): void;
  /** The connection is gone: what was sent fails, what was not waits for the next one. */
  lose(error: GatewayError): void;
  /** Nothing will be answered any more. */
  end(error: GatewayError): void;
};

/** A connection as calls see it. */
export type Line = {
  send(text: string): void;
  readonly inflightMax: number;
  readonly frameBytesMax: number;
};

type Entry = {
  readonly id: string;
  readonly method: string;
  readonly text: string;
  readonly idempotencyKey: string | undefined;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: GatewayError) => void;
  readonly release: Stop;
};

/** Calls that wait for a connection or their turn, and their text. Past it a call is refused. */
const QUEUE_CALLS_MAX = 1_000;
const QUEUE_CHARS_MAX = 4 * 1024 * 1024;
const TIMEOUT_MS = 30_000;
/** Longest time `setTimeout` keeps. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Makes an empty table. */
export function createCallTable(): CallTable {
  const waiting = new Map<string, Entry>();
  const sent = new Map<string, Entry>();
  let waitingChars = 0;
  let line: Line | undefined;
  let lastId = 0;

  const unqueue = (entry: Entry): void => {
    if (waiting.delete(entry.id)) waitingChars -= entry.text.length;
  };
  const fail = (entry: Entry, error: GatewayError): void => {
    unqueue(entry);
    sent.delete(entry.id);
    entry.release();
    entry.reject(error.withKey(entry.idempotencyKey));
  };
  const pump = (): void => {
    for (const entry of waiting.values()) {
      if (!line || sent.size >= line.inflightMax) return;
      unqueue(entry);
      if (utf8Bytes(entry.text, line.frameBytesMax) > line.frameBytesMax) {
        fail(entry, tooLarge(entry.method, line.frameBytesMax));
        continue;
      }
      sent.set(entry.id, entry);
      line.send(entry.text);
    }
  };
  const start: CallTable["start"] = (method, params, options) =>
    new Promise((resolve, reject) => {
      const id = String(++lastId);
      const { idempotencyKey } = options;
      const text = encode({
        id,
        method,
        params: idempotencyKey === undefined ? params : { ...params, idempotencyKey },
      });
      if (waiting.size >= QUEUE_CALLS_MAX || waitingChars + text.length > QUEUE_CHARS_MAX) {
        return reject(queueFull(method).withKey(idempotencyKey));
      }
      const release = watch(method, options, (error) => fail(entry, error));
      const entry: Entry = { id, method, text, idempotencyKey, resolve, reject, release };
      waiting.set(id, entry);
      waitingChars += text.length;
      if (options.signal?.aborted) return fail(entry, cancelled(method, options.signal));
      pump();
    });
  return {
    start,
    settle: (reply) => {
      const entry = typeof reply.id === "string" ? sent.get(reply.id) : undefined;
      if (!entry) return;
      if (reply.error !== undefined) fail(entry, fromWire(reply.error));
      else {
        sent.delete(entry.id);
        entry.release();
        entry.resolve(reply.result);
      }
      pump();
    },
    open: (next) => {
      line = next;
      pump();
    },
    lose: (error) => {
      line = undefined;
      for (const entry of sent.values()) fail(entry, lost(entry.method, error));
    },
    end: (error) => {
      line = undefined;
      for (const entry of [...sent.values(), ...waiting.values()]) fail(entry, error);
    },
  };
}

/** Watches a call's time and its signal. */
function watch(
  method: string,
  { timeoutMs = TIMEOUT_MS, signal }: CallOptions,
  fail: (error: GatewayError) => void,
): Stop {
  const timer =
    timeoutMs <= TIMER_MS_MAX
      ? setTimeout(
          () =>
            fail(
              new GatewayError("timeout", `Cannot wait longer for "${method}": no answer in ${timeoutMs} ms`),
            ),
          timeoutMs,
        )
      : undefined;
  const onAbort = (): void => {
    if (signal) fail(cancelled(method, signal));
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  };
}

function encode(request: { id: string; method: string; params: unknown }): string {
  try {
    return JSON.stringify(request);
  } catch (cause) {
    throw new GatewayError("invalid_params", `Cannot send "${request.method}": its params are not JSON`, {
      cause,
    });
  }
}

/** Bytes of the text as UTF-8; not counted where it cannot be over the bound. */
function utf8Bytes(text: string, bytesMax: number): number {
  return text.length * 3 <= bytesMax ? text.length : new TextEncoder().encode(text).length;
}

function tooLarge(method: string, bytesMax: number): GatewayError {
  return new GatewayError(
    "too_large",
    `Cannot send "${method}": longer than the ${bytesMax} bytes this gateway takes`,
  );
}

function queueFull(method: string): GatewayError {
  return new GatewayError("busy", `Cannot send "${method}": too many calls are waiting already`);
}

function cancelled(method: string, signal: AbortSignal): GatewayError {
  return new GatewayError("cancelled", `Cannot wait longer for "${method}": the caller gave up`, {
    cause: signal.reason,
  });
}

function lost(method: string, { closeCode, message }: GatewayError): GatewayError {
  return new GatewayError("unavailable", `Cannot know the answer to "${method}": ${message}`, { closeCode });
}
