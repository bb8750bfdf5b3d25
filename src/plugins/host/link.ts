import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import { isObject, isTooDeep, utf8Bytes } from "../../rpc/json.ts";
import { errorOf, faultOf } from "./faults.ts";

type Args = Readonly<Record<string, unknown>>;

/** Calls of the other side that go on at the same time; more are `busy`, but for the one that ends them. */
const SERVED_MAX = 1_024;

/** One call of the other side, as it is answered. */
export interface Served {
  /** Whom it is for: a version of a plugin, or 0 for the process itself. */
  readonly to: number;
  readonly verb: string;
  readonly args: Args;
  /** The other side does not want the answer any more. */
  readonly signal: AbortSignal;
  /** A part of the answer, before its end. */
  item(value: unknown): void;
}

export interface LinkEnd {
  /** Hands a line over. @throws RpcError `busy` when too much waits */
  write(line: string): void;
  serve(call: Served): unknown;
  heard(to: number, verb: string, args: Args): void;
}

interface Pending {
  readonly to: number;
  readonly verb: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onItem: ((value: unknown) => void) | undefined;
}

export interface CallAsked {
  readonly args?: Args;
  /** Tells the other side that the answer is not wanted any more; it is awaited all the same. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each part that comes before the end. */
  readonly onItem?: ((value: unknown) => void) | undefined;
}

/**
 * Calls, notes and parts of answers between two processes, one line of JSON each. Both ends are the same:
 * each calls and serves. What is not awaited by anybody any more is passed over.
 */
export class Link {
  readonly #end: LinkEnd;
  readonly #pending = new Map<number, Pending>();
  readonly #serving = new Map<number, AbortController>();
  #lastId = 0;
  #ended: Error | undefined;

  constructor(end: LinkEnd) {
    this.#end = end;
  }

  /** @throws what the other side throws; RpcError `busy`, `too_large`, `unavailable` when it ends */
  async call(to: number, verb: string, asked: CallAsked = {}): Promise<unknown> {
    const { args = {}, signal, onItem } = asked;
    if (this.#ended) throw this.#ended;
    const id = ++this.#lastId;
    this.#end.write(textOf({ t: "call", id, to, verb, args }));
    const cancel = (): void => this.#trySend({ t: "cancel", id });
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { to, verb, resolve, reject, onItem });
        if (signal?.aborted) cancel();
        signal?.addEventListener("abort", cancel);
      });
    } finally {
      signal?.removeEventListener("abort", cancel);
      this.#pending.delete(id);
    }
  }

  /** Says something that is not answered. @throws RpcError `busy`, `too_large` */
  note(to: number, verb: string, args: Args = {}): void {
    if (!this.#ended) this.#end.write(textOf({ t: "note", to, verb, args }));
  }

  /** Takes a line of the other side. @throws Error when it is no message */
  receive(line: string): void {
    if (isTooDeep(line)) throw new Error("a message is nested too deep");
    const message: unknown = JSON.parse(line);
    if (!isObject(message)) throw new Error("a message is no object");
    const { t, id, to } = message;
    if (t === "note" && typeof to === "number") return this.#end.heard(to, verbOf(message), argsOf(message));
    if (typeof id !== "number") throw new Error("a message has no number");
    if (t === "call" && typeof to === "number")
      return void this.#serve(id, { to, verb: verbOf(message), args: argsOf(message) });
    if (t === "cancel") return this.#serving.get(id)?.abort();
    const pending = this.#pending.get(id);
    if (t === "item") pending?.onItem?.(message["value"]);
    else if (t === "ok") pending?.resolve(message["value"]);
    else if (t === "no") pending?.reject(errorOf(message["error"]));
    else throw new Error("a message is of no known kind");
  }

  /** Nothing comes and nothing goes any more: all that waits fails with this. */
  end(error: Error): void {
    if (this.#ended) return;
    this.#ended = error;
    for (const { reject } of this.#pending.values()) reject(error);
    for (const controller of this.#serving.values()) controller.abort();
  }

  /** Whose calls have not been answered. */
  awaited(): ReadonlySet<number> {
    return new Set([...this.#pending.values()].map(({ to }) => to));
  }

  async #serve(id: number, call: Pick<Served, "to" | "verb" | "args">): Promise<void> {
    const gone = new AbortController();
    try {
      if (this.#serving.size >= SERVED_MAX && call.verb !== "stop")
        throw new RpcError("busy", `Cannot answer "${call.verb}": ${SERVED_MAX} calls go on`);
      this.#serving.set(id, gone);
      const item = (value: unknown): void => this.#end.write(textOf({ t: "item", id, value }));
      const value: unknown = await this.#end.serve({ ...call, signal: gone.signal, item });
      if (!this.#ended) this.#end.write(textOf({ t: "ok", id, value }));
    } catch (error) {
      this.#trySend({ t: "no", id, error: faultOf(error) });
    } finally {
      if (this.#serving.get(id) === gone) this.#serving.delete(id);
    }
  }

  /** What the other side waits for or should stop; where it takes no more, it is dealt with by who writes. */
  #trySend(message: object): void {
    if (this.#ended) return;
    try {
      this.#end.write(textOf(message));
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
    }
  }
}

function verbOf({ verb }: Args): string {
  if (typeof verb !== "string") throw new Error("a message has no verb");
  return verb;
}

function argsOf({ args }: Args): Args {
  if (!isObject(args)) throw new Error("a message has no arguments");
  return args;
}

/** @throws RpcError `too_large`, `invalid_request`: the other side would take it for a broken line */
function textOf(message: object): string {
  let text: string;
  try {
    text = JSON.stringify(message);
  } catch (error) {
    throw new RpcError("invalid_request", `Cannot send message: ${messageOf(error)}`);
  }
  const bound = LIMITS.hostMessageBytesMax;
  if (text.length > bound / 3 && utf8Bytes(text) > bound)
    throw new RpcError("too_large", `Cannot send message: it is over ${bound} bytes`, { details: { bound } });
  if (isTooDeep(text)) throw new RpcError("invalid_request", "Cannot send message: it is nested too deep");
  return `${text}\n`;
}
