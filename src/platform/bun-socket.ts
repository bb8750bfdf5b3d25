import { CLOSE } from "../contract/errors.ts";
import type { SendResult, Socket, SocketHandler } from "../ports.ts";
import { cutReason } from "./close-reason.ts";
import type { Pings } from "./pings.ts";

/** What all sockets of one server have in common. */
export type BunSocketParts = {
  readonly pings: Pings;
  readonly onError: (error: unknown) => void;
};

const OPEN = 1;

/** The runtime's own words when it ended a socket itself; it reports all of these as 1006. */
const FAULTS: Readonly<Record<string, number>> = {
  "Received too big message": 1009,
  "Received invalid UTF-8": 1007,
};

const decoder = new TextDecoder();

/** One connection: the port's socket and what the server's handlers call, in one object. */
export class BunSocket implements Socket {
  readonly remoteAddress: string;
  readonly #parts: BunSocketParts;
  readonly #open: (socket: Socket) => SocketHandler;
  #ws: Bun.ServerWebSocket<BunSocket> | undefined;
  #handler: SocketHandler | undefined;
  #isAlive = true;
  #pingsMissed = 0;

  constructor(remoteAddress: string, parts: BunSocketParts, open: (socket: Socket) => SocketHandler) {
    this.remoteAddress = remoteAddress;
    this.#parts = parts;
    this.#open = open;
  }

  send(text: string): SendResult {
    const ws = this.#ws;
    if (ws === undefined) return "closed";
    const bytes = ws.sendText(text);
    if (bytes > 0) return "sent";
    if (bytes === -1) return "queued";
    if (ws.readyState !== OPEN) return "closed";
    // An empty frame that left is 0 bytes too.
    return text === "" ? "sent" : "dropped";
  }

  bufferedBytes(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  close(code: number, reason: string): void {
    if (this.#ws?.readyState === OPEN) this.#ws.close(code, cutReason(reason));
  }

  terminate(): void {
    // After `close` this does nothing: the runtime itself cuts a peer that does not take its close frame,
    // in 4 s.
    this.#ws?.terminate();
  }

  opened(ws: Bun.ServerWebSocket<BunSocket>): void {
    this.#ws = ws;
    this.#parts.pings.add(this);
    this.#guard(() => {
      this.#handler = this.#open(this);
    });
  }

  received(data: string | Uint8Array): void {
    this.#isAlive = true;
    try {
      this.#handler?.message(typeof data === "string" ? data : decoder.decode(data));
    } catch (error) {
      this.#fail(error);
    }
  }

  drained(): void {
    this.#isAlive = true;
    // It also comes when only a part has left.
    if (this.bufferedBytes() > 0) return;
    this.#guard(() => this.#handler?.drain());
  }

  answered(): void {
    this.#isAlive = true;
  }

  closed(code: number, reason: string): void {
    this.#parts.pings.delete(this);
    this.#guard(() => this.#handler?.close(code === 1006 ? (FAULTS[reason] ?? code) : code, reason));
  }

  /** Counts a ping without a sign of life, closes past the bound, or asks again. */
  sweep(pingsMissedMax: number): void {
    this.#pingsMissed = this.#isAlive ? 0 : this.#pingsMissed + 1;
    this.#isAlive = false;
    if (this.#pingsMissed >= pingsMissedMax) return this.close(CLOSE.idle, "no answer to pings");
    this.#ws?.ping();
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#parts.onError(error);
    this.close(1011, "internal error");
  }
}
