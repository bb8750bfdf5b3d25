import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";

import { Events, within } from "./suite.ts";

export type Frame = { readonly opcode: number; readonly payload: Buffer };

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/**
 * A client that can do what libraries refuse to: odd frames, half frames, silence. Answers nothing by
 * itself.
 */
export class RawClient {
  readonly frames = new Events<Frame>();
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #head: Promise<string>;
  #received = Buffer.alloc(0);

  constructor(port: number) {
    const socket = connect(port, "127.0.0.1");
    this.#socket = socket;
    // A reset is an end like any other.
    socket.on("error", () => {});
    this.ended = new Promise((resolve) => {
      socket.on("end", resolve);
      socket.on("close", () => resolve());
    });
    this.#head = new Promise((resolve) => {
      let isHeadDone = false;
      let isUpgraded = false;
      socket.on("data", (chunk: Buffer) => {
        this.#received = Buffer.concat([this.#received, chunk]);
        const end = this.#received.indexOf("\r\n\r\n");
        if (!isHeadDone && end < 0) return;
        if (!isHeadDone) {
          isHeadDone = true;
          const head = this.#take(end + 4).toString("latin1");
          isUpgraded = head.startsWith("HTTP/1.1 101 ");
          resolve(head);
        }
        if (isUpgraded) this.#readFrames();
      });
    });
  }

  /** Asks for a socket. @returns the head of the answer */
  async upgrade(headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const lines = Object.entries({
      Host: "127.0.0.1",
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    return this.request(`GET /ws HTTP/1.1\r\n${lines.join("")}\r\n`);
  }

  /** Sends a request as it is. @returns the head of the answer */
  async request(text: string): Promise<string> {
    this.write(text);
    return within(this.#head, "the head of an answer");
  }

  /** All of an answer whose connection the server closes. */
  async rest(): Promise<string> {
    await within(this.ended, "the end of the connection");
    return this.#received.toString("utf8");
  }

  write(data: string | Uint8Array): void {
    this.#socket.write(data);
  }

  text(text: string): void {
    this.write(frame(TEXT, Buffer.from(text)));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The next frame that is no ping. */
  async next(what: string): Promise<Frame> {
    for (;;) {
      const next = await this.frames.next(what);
      if (next.opcode !== PING) return next;
    }
  }

  /** The next frame, which must be a close frame: its code and reason. */
  async nextClose(): Promise<{ code: number; reason: string }> {
    const { opcode, payload } = await this.next("a close frame");
    if (opcode !== CLOSE) throw new Error(`Cannot read close frame: got opcode ${opcode}`);
    return { code: payload.readUInt16BE(0), reason: payload.subarray(2).toString("utf8") };
  }

  #readFrames(): void {
    for (;;) {
      const bytes = this.#received;
      const short = bytes.length < 2 ? 0 : (bytes[1] ?? 0) & 0x7f;
      const headBytes = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (bytes.length < headBytes) return;
      const length =
        short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
      if (bytes.length < headBytes + length) return;
      const opcode = (bytes[0] ?? 0) & 0x0f;
      this.frames.push({ opcode, payload: this.#take(headBytes + length).subarray(headBytes) });
    }
  }

  #take(bytes: number): Buffer {
    const taken = this.#received.subarray(0, bytes);
    this.#received = this.#received.subarray(bytes);
    return taken;
  }
}

/** One masked frame, as a client sends it. */
export function frame(opcode: number, payload: Uint8Array, isFinal = true): Buffer {
  const mask = Buffer.from([0x11, 0x22, 0x33, 0x44]);
  const masked = Buffer.from(payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
  const first = (isFinal ? 0x80 : 0) | opcode;
  const length = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10);
  length[0] = first;
  length[1] = 0x80 | (payload.length < 126 ? payload.length : payload.length < 65_536 ? 126 : 127);
  if (length.length === 4) length.writeUInt16BE(payload.length, 2);
  if (length.length === 10) length.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([length, mask, masked]);
}
