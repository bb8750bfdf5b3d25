import { LIMITS } from "../../src/contract/limits.ts";
import type { SendResult, Socket } from "../../src/ports.ts";

/** What the platform's socket holds for a client; one more frame is `dropped`. */
const SOCKET_BYTES_MAX = 2 * (LIMITS.outboundBytesMax + LIMITS.outboundReserveBytes);

/**
 * A socket whose other end reads when told to. Its bytes are heavy: a few frames fill what takes
 * thousands on a real one, and no gigabytes have to be made for it.
 */
export class HeavySocket implements Socket {
  readonly remoteAddress = "127.0.0.1";
  readonly arrived: { readonly text: string; readonly isAtDrain: boolean }[] = [];
  closed: { readonly code: number; readonly bufferedBytes: number; readonly hasDropped: boolean } | undefined;
  isReading = true;
  isDraining = false;
  /** Frames that the machine itself takes while nobody reads: sent, and not arrived. */
  machineFrames = 0;
  readonly #weight: number;
  #waiting: { readonly text: string; readonly isAtDrain: boolean; readonly bytes: number }[] = [];
  #buffered = 0;
  #owesDrain = false;
  #hasDropped = false;

  constructor(weight: number) {
    this.#weight = weight;
  }

  send(text: string): SendResult {
    if (this.closed) return "closed";
    const frame = { text, isAtDrain: this.isDraining };
    if (this.isReading && this.#waiting.length === 0) {
      this.arrived.push(frame);
      return "sent";
    }
    if (this.#buffered === 0 && this.#waiting.length < this.machineFrames) {
      this.#waiting.push({ ...frame, bytes: 0 });
      return "sent";
    }
    const bytes = text.length * this.#weight;
    this.#owesDrain = true;
    if (this.#buffered + bytes > SOCKET_BYTES_MAX) {
      this.#hasDropped = true;
      return "dropped";
    }
    this.#waiting.push({ ...frame, bytes });
    this.#buffered += bytes;
    return "queued";
  }

  /** Up to `count` frames arrive. @returns whether the connection is to be told that the buffer is empty */
  read(count: number): boolean {
    for (const frame of this.#waiting.splice(0, count)) {
      this.arrived.push(frame);
      this.#buffered -= frame.bytes;
    }
    const isDrained = this.#owesDrain && this.#buffered === 0;
    if (isDrained) this.#owesDrain = false;
    return isDrained;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  bufferedBytes(): number {
    return this.#buffered;
  }

  close(code: number): void {
    this.closed ??= { code, bufferedBytes: this.#buffered, hasDropped: this.#hasDropped };
  }

  terminate(): void {}
}
