import type { Clock, Timers } from "../ports.ts";
import { inPieces } from "./pieces.ts";

/** The part of `fetch` the agents use. */
export type FetchLike = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Until the first byte: a small machine may load a large model and read a long conversation first. */
const FIRST_BYTE_MS = 600_000;

/** Between two bytes: hosted models think for minutes in silence, unless their servers send keep-alives. */
const SILENCE_MS = 300_000;

/** After the last word only the usage and the end mark are left, and the answer is whole without them. */
const SETTLE_MS = 2_000;

/** The longest wait a server may ask for that is slept through; a longer one is the caller's to decide on. */
const RETRY_WAIT_MS_MAX = 10_000;

/**
 * One server-sent event: a tool call of some MiB fits, a stream without ends of lines or of events does not.
 */
const EVENT_BYTES_MAX = 8 * 1024 * 1024;

/**
 * Between two events that say something: keep-alives are some dozen bytes each few seconds. Lines have a
 * bound of their own, because what a line costs us does not depend on its length.
 */
const WORDLESS_BYTES_MAX = EVENT_BYTES_MAX;
const WORDLESS_LINES_MAX = 100_000;

/** An error's text is a few hundred characters. */
const ERROR_BYTES_MAX = 64 * 1024;

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** The end mark and the line ends around it. */
const TAIL_CHARS = 32;

/** All a model server needs to be told; the rest describes this machine or comes from its environment. */
const HEADERS_SENT = ["accept", "content-type", "user-agent"] as const;

export type ExchangeOptions = {
  readonly fetch: FetchLike;
  /** Our own: the credential, and what the server's interface wants. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timers: Timers;
  readonly clock: Clock;
};

/** Why an exchange was ended from our side. */
export type ExchangeFault = "silent" | "endless_event" | "wordless";

/** One prompt's HTTP, retries included: what the library sends, what comes back, how long it may be quiet. */
export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #caller: AbortSignal;
  readonly #own = new AbortController();
  readonly #latin1 = new TextDecoder("latin1");
  #stopTimer: (() => void) | undefined;
  #isSettled = false;
  #tail = "";
  /** Of the event that has not ended yet: the libraries keep them. */
  #eventBytes = 0;
  /** Since the answer has last grown. */
  #wordlessBytes = 0;
  #wordlessLines = 0;
  #answerChars = 0;
  #contentType = "";
  #fault: ExchangeFault | undefined;

  constructor(caller: AbortSignal, options: ExchangeOptions) {
    this.#options = options;
    this.#caller = caller;
    caller.addEventListener("abort", this.#abort);
    if (caller.aborted) this.#abort();
  }

  /** Aborted with the caller's, by silence, or by `stop`. */
  get signal(): AbortSignal {
    return this.#own.signal;
  }

  get fault(): ExchangeFault | undefined {
    return this.#fault;
  }

  /** Of the last answer, without parameters; empty when it had none. */
  get contentType(): string {
    return this.#contentType;
  }

  /** The end mark of the stream has come. */
  get isDone(): boolean {
    return /(?:^|[\r\n])data: ?\[DONE\]\s*$/.test(this.#tail);
  }

  /** For the library: `fetch` with our headers, bounds and watch. */
  readonly fetch: FetchLike = async (input, init) => {
    this.#arm(FIRST_BYTE_MS);
    // Redirects are not followed: a key goes to the host it was configured for and to no other.
    const headers = this.#headers(init?.headers);
    return this.#receive(await this.#options.fetch(input, { ...init, headers, redirect: "manual" }));
  };

  async #receive(response: Response): Promise<Response> {
    this.#arm(SILENCE_MS);
    this.#contentType = response.headers.get("content-type")?.split(";")[0]?.trim() ?? "";
    const { status, statusText } = response;
    const headers = new Headers(response.headers);
    if (response.ok) return new Response(this.#watch(response.body), { status, statusText, headers });
    const waitMs = retryAfterMs(headers, this.#options.clock);
    if (waitMs !== undefined && waitMs > RETRY_WAIT_MS_MAX) headers.set("x-should-retry", "false");
    // Some statuses may have no body at all.
    const body = (await readStart(response.body, ERROR_BYTES_MAX)) || null;
    return new Response(body, { status, statusText, headers });
  }

  /** The answer is whole: what still comes may take a moment, and then no longer. */
  settle(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#arm(SETTLE_MS);
  }

  /** To be told after each event: how long the answer is by now. */
  heard(answerChars: number): void {
    if (answerChars === this.#answerChars) return;
    this.#answerChars = answerChars;
    this.#wordlessBytes = 0;
    this.#wordlessLines = 0;
  }

  /** Ends whatever is still going on. */
  stop(): void {
    this.#caller.removeEventListener("abort", this.#abort);
    this.#abort();
  }

  readonly #abort = (): void => {
    this.#stopTimer?.();
    this.#own.abort();
  };

  #arm(ms: number): void {
    this.#stopTimer?.();
    if (this.#own.signal.aborted) return;
    this.#stopTimer = this.#options.timers.after(ms, () => this.#fail("silent"));
  }

  #fail(fault: ExchangeFault): void {
    this.#fault ??= fault;
    this.#abort();
  }

  #headers(given: RequestInit["headers"]): Headers {
    const all = new Headers(given);
    const sent = new Headers();
    for (const name of HEADERS_SENT) {
      const value = all.get(name);
      if (value !== null) sent.set(name, value);
    }
    for (const [name, value] of Object.entries(this.#options.headers)) sent.set(name, value);
    return sent;
  }

  #watch(body: ReadableStream<Uint8Array> | null): ReadableStream<Uint8Array> | null {
    if (body === null) return null;
    return inPieces(body, { timers: this.#options.timers, see: (piece) => this.#see(piece) });
  }

  #see(bytes: Uint8Array): void {
    if (!this.#isSettled) this.#arm(SILENCE_MS);
    const rest = afterLastEvent(this.#tail, bytes);
    this.#tail = (this.#tail + this.#latin1.decode(bytes.subarray(-TAIL_CHARS))).slice(-TAIL_CHARS);
    this.#eventBytes = rest ?? this.#eventBytes + bytes.length;
    if (this.#eventBytes > EVENT_BYTES_MAX) this.#fail("endless_event");
    this.#wordlessBytes += bytes.length;
    this.#wordlessLines += linesIn(bytes);
    if (this.#wordlessBytes > WORDLESS_BYTES_MAX || this.#wordlessLines > WORDLESS_LINES_MAX) {
      this.#fail("wordless");
    }
  }
}

/**
 * Bytes behind the last empty line, which ends an event; undefined when there is none.
 *
 * @param before what came before, as far back as a line's end may reach
 */
function afterLastEvent(before: string, bytes: Uint8Array): number | undefined {
  const at = (place: number): number | undefined =>
    place < 0 ? before.charCodeAt(before.length + place) : bytes[place];
  for (const lineEnd of [NEWLINE, RETURN]) {
    for (let end = bytes.length; end > 0;) {
      end = bytes.lastIndexOf(lineEnd, end - 1);
      if (end === -1) break;
      const isBehindReturn = lineEnd === NEWLINE && at(end - 1) === RETURN;
      if (at(isBehindReturn ? end - 2 : end - 1) === lineEnd) return bytes.length - end - 1;
    }
  }
  return undefined;
}

/** Ends of lines, of either kind; both together count twice. */
function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (const byte of bytes) if (byte === NEWLINE || byte === RETURN) lines += 1;
  return lines;
}

/** How long a server asks to wait, by OpenAI's header or the standard one (seconds or a date), if it does. */
export function retryAfterMs(headers: Headers, clock: Clock): number | undefined {
  const exact = headers.get("retry-after-ms");
  const said = headers.get("retry-after");
  if (exact !== null && /^\d{1,12}(\.\d+)?$/.test(exact)) return Math.ceil(Number(exact));
  if (said === null) return undefined;
  if (/^\d{1,9}(\.\d+)?$/.test(said)) return Math.ceil(Number(said) * 1_000);
  // Runtimes parse much more than the dates of HTTP.
  const atMs = said.endsWith("GMT") ? Date.parse(said) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - clock.now());
}

/** The body as text, cut after about `bytesMax` bytes; what is left is not waited for. */
export async function readStart(body: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<string> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = "";
  let bytes = 0;
  while (bytes < bytesMax) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text;
}
