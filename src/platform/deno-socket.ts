import { CLOSE } from "../contract/errors.ts";
import { LIMITS } from "../contract/limits.ts";
import type { SendResult, Socket, SocketHandler, SocketLimits, Stop } from "../ports.ts";
import { cutReason } from "./close-reason.ts";
import { cutSocket } from "./deno-cut.ts";
import type { Drains } from "./drains.ts";

/** What all sockets of one server have in common. */
export type DenoSocketParts = {
  readonly limits: SocketLimits;
  readonly drains: Drains;
  readonly open: Set<Socket>;
  readonly onError: (error: unknown) => void;
};

type SocketStart = {
  readonly ws: WebSocket;
  readonly remoteAddress: string;
  open(socket: Socket): SocketHandler;
};

/**
 * Bytes that wait here even for a reader that keeps up, since every write is asynchronous: about what a
 * kernel's buffer holds. Only more than this is "queued".
 */
const inPassingBytesMax = 64 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Makes the runtime's socket one of ours. Its events keep it. */
export function attachSocket(start: SocketStart, parts: DenoSocketParts): void {
  const socket = new DenoSocket(start, parts);
  socket.listen();
}

/**
 * One connection. The runtime bounds neither messages nor buffer and cannot cut; all of that is done here.
 */
class DenoSocket implements Socket {
  readonly remoteAddress: string;
  readonly #ws: WebSocket;
  readonly #open: (socket: Socket) => SocketHandler;
  readonly #parts: DenoSocketParts;
  #handler: SocketHandler | undefined;
  #isClosed = false;
  #stopGrace: Stop | undefined;

  constructor({ ws, remoteAddress, open }: SocketStart, parts: DenoSocketParts) {
    this.remoteAddress = remoteAddress;
    this.#ws = ws;
    this.#open = open;
    this.#parts = parts;
  }

  listen(): void {
    const ws = this.#ws;
    ws.binaryType = "arraybuffer";
    ws.addEventListener("open", () => this.#opened());
    // When the peer leaves during the upgrade, the runtime sends none of these events.
    const timer = setTimeout(() => this.#end(1006, ""), LIMITS.handshakeMs);
    this.#stopGrace = () => clearTimeout(timer);
    ws.addEventListener("message", ({ data }: MessageEvent<unknown>) => this.#received(data));
    ws.addEventListener("close", (event) => this.#ended(event));
    // A close follows and says all that matters; without a listener the error would end the process.
    ws.addEventListener("error", (event) => event.preventDefault());
  }

  send(text: string): SendResult {
    const ws = this.#ws;
    if (this.#isClosed || ws.readyState !== WebSocket.OPEN) return "closed";
    if (ws.bufferedAmount > this.#parts.limits.bufferedBytesMax) return "dropped";
    ws.send(text);
    if (ws.bufferedAmount <= inPassingBytesMax) return "sent";
    this.#parts.drains.add(this);
    return "queued";
  }

  bufferedBytes(): number {
    return this.#isClosed ? 0 : this.#ws.bufferedAmount;
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    const cut = cutReason(reason);
    this.#ws.close(code, cut);
    // A peer that does not answer the close frame would keep the connection for ever.
    const timer = setTimeout(() => cutSocket(this.#ws), LIMITS.closeGraceMs);
    this.#stopGrace = () => clearTimeout(timer);
    this.#end(code, cut);
  }

  terminate(): void {
    this.#stopGrace?.();
    cutSocket(this.#ws);
    this.#end(1006, "");
  }

  drained(): void {
    this.#guard(() => this.#handler?.drain());
  }

  #opened(): void {
    this.#stopGrace?.();
    if (this.#isClosed) return this.#ws.close();
    this.#parts.open.add(this);
    this.#guard(() => {
      this.#handler = this.#open(this);
    });
  }

  #received(data: unknown): void {
    if (this.#isClosed) return;
    if (isLarger(data, this.#parts.limits.messageBytesMax)) return this.close(1009, "message is too large");
    this.#guard(() =>
      this.#handler?.message(data instanceof ArrayBuffer ? decoder.decode(data) : String(data)),
    );
  }

  #ended({ code, reason, wasClean }: CloseEvent): void {
    this.#stopGrace?.();
    // Unclean with this code is the runtime's own timer, whose pings nobody answered.
    if (code === 1001 && !wasClean) return this.#end(CLOSE.idle, "no answer to pings");
    this.#end(code === 0 ? 1006 : code, reason);
  }

  #end(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#parts.drains.delete(this);
    this.#parts.open.delete(this);
    // Whoever counts sockets must hear of one that never opened all the same.
    this.#guard(() => (this.#handler ??= this.#open(this)).close(code, reason));
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#parts.onError(error);
      this.close(1011, "internal error");
    }
  }
}

function isLarger(data: unknown, bytesMax: number): boolean {
  if (data instanceof ArrayBuffer) return data.byteLength > bytesMax;
  // A character is at most three bytes, so nearly every message needs no counting.
  if (typeof data !== "string" || data.length * 3 <= bytesMax) return false;
  return data.length > bytesMax || encoder.encode(data).length > bytesMax;
}
