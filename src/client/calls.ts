import { fromWire, GatewayError } from "./errors.ts";
import type { Stop } from "./listeners.ts";
import type { Frame } from "./link.ts";

/** How one call is made. */
export type CallOptions = {
  /**
   * Longest wait for the answer, ms, waiting for a connection included; `Infinity` for no limit. Default 30
   * 000.
   */
  readonly timeoutMs?: number;
  /** Stops waiting for the answer. The gateway may still do what was asked. */
  readonly signal?: AbortSignal;
  /** Makes repeating the call safe: same key and params, same answer, for five minutes. ≤ 128 characters. */
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
  return new Calls();
}

class Calls implements CallTable {
  readonly #waiting = new Map<string, Entry>();
  readonly #sent = new Map<string, Entry>();
  #waitingChars = 0;
  #line: Line | undefined;
  #lastId = 0;

  start(method: string, params: Readonly<Record<string, unknown>>, options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = String(++this.#lastId);
      const { idempotencyKey, signal } = options;
      const keyed = idempotencyKey === undefined ? params : { ...params, idempotencyKey };
      const text = encode({ id, method, params: keyed });
      // A single one that is larger than all may be waits for nobody.
      const isFull =
        this.#waiting.size >= QUEUE_CALLS_MAX || this.#waitingChars + text.length > QUEUE_CHARS_MAX;
      if (isFull && this.#waiting.size > 0) return reject(queueFull(method).withKey(idempotencyKey));
      const release = watch(method, options, (error) => this.#fail(entry, error));
      const entry: Entry = { id, method, text, idempotencyKey, resolve, reject, release };
      this.#waiting.set(id, entry);
      this.#waitingChars += text.length;
      if (signal?.aborted) return this.#fail(entry, cancelled(method, signal));
      this.#pump();
    });
  }

  settle(reply: Frame): void {
    const entry = typeof reply.id === "string" ? this.#sent.get(reply.id) : undefined;
    if (!entry) return;
    if (reply.error !== undefined) this.#fail(entry, fromWire(reply.error));
    else {
      this.#sent.delete(entry.id);
      entry.release();
      entry.resolve(reply.result);
    }
    this.#pump();
  }

  open(line: Line): void {
    this.#line = line;
    this.#pump();
  }

  lose(error: GatewayError): void {
    this.#line = undefined;
    for (const entry of this.#sent.values()) this.#fail(entry, lost(entry.method, error));
  }

  end(error: GatewayError): void {
    this.#line = undefined;
    for (const entry of [...this.#sent.values(), ...this.#waiting.values()]) this.#fail(entry, error);
  }

  /** Sends what waits, in order, as far as the gateway takes it. */
  #pump(): void {
    for (const entry of this.#waiting.values()) {
      const line = this.#line;
      if (!line || this.#sent.size >= line.inflightMax) return;
      this.#unqueue(entry);
      if (utf8Bytes(entry.text, line.frameBytesMax) > line.frameBytesMax) {
        this.#fail(entry, tooLarge(entry.method, line.frameBytesMax));
        continue;
      }
      this.#sent.set(entry.id, entry);
      line.send(entry.text);
    }
  }

  #unqueue(entry: Entry): void {
    if (this.#waiting.delete(entry.id)) this.#waitingChars -= entry.text.length;
  }

  #fail(entry: Entry, error: GatewayError): void {
    this.#unqueue(entry);
    this.#sent.delete(entry.id);
    entry.release();
    entry.reject(error.withKey(entry.idempotencyKey));
  }
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
