// A hand that throws frames at a gateway, in bursts: the answer to the last of each says that all were read.
import { CLOSE } from "../../src/contract/errors.ts";
import { ConnectParams } from "../../src/contract/frames.ts";
import type { Dialect } from "./corpus.ts";
import type { Frames } from "./mutate.ts";
import { debtOf, readAnswer, type Request, textOf } from "./oracle.ts";
import { createRandom, type Random } from "./random.ts";
import { encodeData, openWire, violation, type Wire } from "./wire.ts";

const BURST = 50;
const BURSTS_PER_WIRE = 100;
/** What does not come within this does not come. */
const PATIENCE_MS = 20_000;
/** How long a half frame may leave us without a sign. */
const HALF_FRAME_MS = 100;
const HELLO_BYTES_MAX = 64 * 1024;

/** Why the gateway may end a client that misbehaves: our reasons, and the rules of frames and of UTF-8. */
const CLOSES: readonly number[] = [CLOSE.protocol, CLOSE.unauthorized, CLOSE.version, 1002, 1007, 1009];

export interface HammerOptions {
  readonly port: number;
  readonly token: string;
  readonly seed: number;
  readonly frames: Frames;
  /** The next number of the stream, which all hands share; undefined when enough has been read. */
  readonly next: () => number | undefined;
  /** So many frames have been read. */
  readonly read: (count: number) => void;
  /** Throws frames without having shown a credential. */
  readonly isStranger: boolean;
}

/** What one hand has seen. */
export interface Tally {
  wires: number;
  refused: number;
  readonly closes: Map<number, number>;
  readonly codes: Map<string, number>;
}

/** @throws Error naming seed and frames, when an answer is not right or does not come */
export async function hammer(number: number, options: HammerOptions): Promise<Tally> {
  const tally: Tally = { wires: 0, refused: 0, closes: new Map(), codes: new Map() };
  const random = createRandom(options.seed, number, 11);
  let hand = number;
  for (let first = options.next(); first !== undefined; first = options.next()) {
    const opened = await openWire(options.port, headersOf(random, options));
    if (typeof opened === "string") {
      // Somebody's place is not free yet; what else is refused is a mistake.
      if (!opened.startsWith("HTTP/1.1 429")) throw new Error(`refused: ${opened || "cut off"}`);
      tally.refused++;
      continue;
    }
    tally.wires++;
    await new Hand({ ...options, wire: opened, random, tally, name: `fence-${hand}` }).run(first);
    hand += 1_000;
    count(tally.closes, opened.closeCode);
    opened.destroy();
  }
  return tally;
}

/** Every stranger has an address of its own, or the first of them would be all that is heard. */
function headersOf(random: Random, { isStranger, token }: HammerOptions): string[] {
  if (!isStranger) return [`Authorization: Bearer ${token}`];
  const four = [10, random.below(256), random.below(256), random.below(256)].join(".");
  const six = `2001:db8:${random.below(65_536).toString(16)}::1`;
  return [`X-Forwarded-For: ${random.chance(0.8) ? four : six}`];
}

interface HandParts extends HammerOptions {
  readonly wire: Wire;
  readonly random: Random;
  readonly tally: Tally;
  /** Begins the ids of its own requests. */
  readonly name: string;
}

/** One connection, from the first burst to the last. */
class Hand {
  readonly #parts: HandParts;
  #usual: Dialect;
  #dialect: Dialect | undefined;
  #isStranger: boolean;
  #notJson = 0;
  /** Answers since the burst began, and what tells of the fence. */
  #answers = 0;
  #fence: { readonly id: string; readonly done: (isRead: boolean) => void } | undefined;
  #problem: Error | undefined;
  /** The burst on its way, for whoever has to find out what did it. */
  #sent: string[] = [];

  constructor(parts: HandParts) {
    this.#parts = parts;
    // A client of the third dialect is ended after its first frame.
    this.#usual = parts.random.chance(0.05) ? "frames" : parts.random.pick(["plain", "jsonrpc"]);
    this.#isStranger = parts.isStranger;
    parts.wire.onText = (text) => this.#hear(text);
  }

  async run(first: number): Promise<void> {
    const { wire, next, read, random } = this.#parts;
    let index: number | undefined = first;
    for (let burst = 0; burst < BURSTS_PER_WIRE && index !== undefined && !wire.isClosed; burst++) {
      const pieces: Uint8Array[] = [];
      this.#sent = [];
      // A stranger's first frame decides about the dialect: seldom a broken one.
      if (burst === 0 && random.chance(0.9)) pieces.push(encodeData(random, this.#ping("first")));
      for (; index !== undefined && this.#sent.length < BURST; index = next()) {
        const bytes = this.#frame(index);
        if (bytes) pieces.push(bytes);
      }
      const isBroken = random.chance(0.01);
      if (isBroken) pieces.push(violation(random));
      const isRead = await this.#throw(pieces, `${this.#parts.name}-${burst}`, isBroken);
      if (this.#problem) throw this.#problem;
      if (wire.isClosed && !isBroken && !CLOSES.includes(wire.closeCode))
        throw this.#blame(new Error(`closed with ${wire.closeCode}`));
      read(isRead ? this.#sent.length : Math.min(this.#answers, this.#sent.length));
      if (isBroken) return;
    }
  }

  /** Frame `index` on its way, or undefined when this connection is better off without it. */
  #frame(index: number): Uint8Array | undefined {
    const { random, frames } = this.#parts;
    const data = frames(index, this.#dialect ?? this.#usual, this.#isStranger);
    const text = textOf(data);
    const debt = debtOf(text, this.#dialect);
    // What ends a connection is tried, but not so often that little else is.
    const isEnd =
      (!debt.isJson && this.#notJson >= 2) ||
      (debt.dialect === "frames" && this.#usual !== "frames") ||
      (this.#isStranger && debt.requests.some(decides)) ||
      (this.#isStranger && text.length * 3 > HELLO_BYTES_MAX);
    if (isEnd && random.chance(0.98)) return undefined;
    this.#notJson = debt.isJson ? 0 : this.#notJson + 1;
    this.#dialect = debt.dialect;
    this.#sent.push(`${index} ${this.#usual} ${JSON.stringify(text.slice(0, 160))}`);
    return encodeData(random, data);
  }

  /** A request that is answered and changes nothing. */
  #ping(id: string): string {
    const method = this.#isStranger ? "connect" : "health";
    const params = this.#isStranger ? { auth: 1 } : {};
    const dialect = this.#dialect ?? this.#usual;
    this.#dialect = dialect;
    this.#notJson = 0;
    if (dialect === "frames") return JSON.stringify({ type: "req", id, method, params });
    return JSON.stringify(
      dialect === "plain" ? { id, method, params } : { jsonrpc: "2.0", id, method, params },
    );
  }

  /** @returns whether all of it was read; false when the connection ended in the middle */
  async #throw(pieces: Uint8Array[], id: string, isBroken: boolean): Promise<boolean> {
    const { wire, random } = this.#parts;
    this.#answers = 0;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#fence = { id: JSON.stringify(id), done: resolve };
    wire.write(Buffer.concat([...pieces, encodeData(random, this.#ping(id))]));
    if (wire.isClosed) return false;
    const timer = setTimeout(
      () => {
        if (!isBroken) this.#problem = this.#blame(new Error("no answer to the last request of a burst"));
        resolve(false);
      },
      isBroken ? HALF_FRAME_MS : PATIENCE_MS,
    );
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#fence = undefined;
    }
  }

  #hear(text: string | undefined): void {
    if (text === undefined) return this.#fence?.done(false);
    try {
      const { kind, ids, codes } = readAnswer(text);
      if (kind === "event") return;
      this.#answers++;
      for (const code of codes) count(this.#parts.tally.codes, code);
      if (codes.length === 0) count(this.#parts.tally.codes, "ok");
      if (codes.includes("internal")) throw new Error("an internal error");
      if (text.includes('"hello-ok"')) this.#isStranger = false;
      if (this.#fence && ids.includes(this.#fence.id)) this.#fence.done(true);
    } catch (error) {
      this.#problem ??= this.#blame(error, text);
      this.#fence?.done(false);
    }
  }

  #blame(cause: unknown, text = ""): Error {
    const { seed } = this.#parts;
    const what = cause instanceof Error ? cause.message : String(cause);
    return new Error(
      `seed ${seed}: ${what}: ${text.slice(0, 500)}\nin the burst of frames\n${this.#sent.join("\n")}`,
      { cause },
    );
  }
}

/** Whether the request ends the handshake, well or badly. */
function decides({ method, params }: Request): boolean {
  if (method !== "connect") return true;
  const { auth } = (params ?? {}) as { auth?: { token?: unknown } | null };
  // Most of them are refused for this, and the schema takes longer to say so.
  if (auth === null || typeof auth !== "object" || typeof (auth.token ?? "") !== "string")
    return auth === undefined;
  return ConnectParams().safeParse(params).success;
}

export function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
