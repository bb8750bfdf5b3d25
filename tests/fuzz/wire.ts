// A WebSocket client that is quick, and may break the rules of frames as well as those of what is in them.
import { connect, type Socket } from "node:net";
import { upgradeHead } from "../support/raw.ts";
import type { FrameData } from "./mutate.ts";
import type { Random } from "./random.ts";

const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const FINAL = 0x80;
const PATIENCE_MS = 20_000;
const MASKED = 0x80;

/** One connection that was let in. */
export interface Wire {
  readonly isClosed: boolean;
  /** 1006 when there was no close frame. */
  readonly closeCode: number;
  write(bytes: Uint8Array): void;
  /** Told of every text, and once of the end as undefined. */
  onText: (text: string | undefined) => void;
  destroy(): void;
}

/** Asks for a socket. @returns the wire, or the status line of the refusal; empty when there was none */
export function openWire(port: number, headers: readonly string[]): Promise<Wire | string> {
  const { promise, resolve } = Promise.withResolvers<Wire | string>();
  const socket = connect(port, "127.0.0.1");
  let rest: Buffer = Buffer.alloc(0);
  let wire: (Wire & { isClosed: boolean; closeCode: number }) | undefined;

  // What does not come within this does not come.
  const patience = setTimeout(() => end(), PATIENCE_MS);
  const end = (code = 1006): void => {
    clearTimeout(patience);
    resolve("");
    socket.destroy();
    if (!wire || wire.isClosed) return;
    wire.isClosed = true;
    wire.closeCode = code;
    wire.onText(undefined);
  };
  const read = (): void => {
    for (let frame = takeFrame(rest); frame && !wire?.isClosed; frame = takeFrame(rest)) {
      rest = frame.rest;
      const { opcode, payload } = frame;
      if (opcode === OPCODE.text) wire?.onText(payload.toString("utf8"));
      else if (opcode === OPCODE.ping) socket.write(encode(OPCODE.pong, payload));
      else if (opcode === OPCODE.close) end(payload.length >= 2 ? payload.readUInt16BE(0) : 1005);
    }
  };
  socket.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (!wire) {
      const headEnd = rest.indexOf("\r\n\r\n");
      if (headEnd < 0) return;
      const head = rest.subarray(0, headEnd).toString("latin1");
      rest = rest.subarray(headEnd + 4);
      if (!head.startsWith("HTTP/1.1 101 ")) {
        resolve(head.slice(0, head.indexOf("\r\n")));
        return end();
      }
      clearTimeout(patience);
      wire = toWire(socket, () => end());
      resolve(wire);
    }
    // Whoever waits for the wire sets its listener first.
    queueMicrotask(read);
  });
  socket.on("error", () => end());
  socket.on("close", () => end());
  socket.on("connect", () => socket.write(upgradeHead(["Host: 127.0.0.1", ...headers])));
  return promise;
}

function toWire(socket: Socket, destroy: () => void): Wire & { isClosed: boolean; closeCode: number } {
  return {
    isClosed: false,
    closeCode: 0,
    onText: () => {},
    write: (bytes) => void (socket.destroyed || socket.write(bytes)),
    destroy,
  };
}

/** The first whole frame: the server's are never masked. */
function takeFrame(bytes: Buffer): { opcode: number; payload: Buffer; rest: Buffer } | undefined {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] ?? 0) & 0x7f;
  const start = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < start) return undefined;
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? bytes.readUInt32BE(6) : short;
  if (bytes.length < start + length) return undefined;
  return {
    opcode: (bytes[0] ?? 0) & 0x0f,
    payload: bytes.subarray(start, start + length),
    rest: bytes.subarray(start + length),
  };
}

/** @param first opcode, with the bit that says there is no more */
function encode(opcode: number, payload: Uint8Array, isFinal = true): Buffer {
  const { length } = payload;
  const start = length < 126 ? 6 : length < 65_536 ? 8 : 14;
  const bytes = Buffer.alloc(start + length);
  bytes[0] = opcode | (isFinal ? FINAL : 0);
  bytes[1] = MASKED | (start === 6 ? length : start === 8 ? 126 : 127);
  if (start === 8) bytes.writeUInt16BE(length, 2);
  if (start === 14) bytes.writeUInt32BE(length, 6);
  // The key is zero: the payload goes as it is.
  bytes.set(payload, start);
  return bytes;
}

const encoder = new TextEncoder();

/** The data as a client may send it: mostly in one frame of its kind, sometimes not. */
export function encodeData(random: Random, data: FrameData): Uint8Array {
  const payload = typeof data === "string" ? encoder.encode(data) : data;
  // Text that is no UTF-8 ends the connection, so it is seldom called text.
  const isText = typeof data === "string" ? random.chance(0.97) : random.chance(0.02);
  const opcode = isText ? OPCODE.text : OPCODE.binary;
  if (!random.chance(0.02)) return encode(opcode, payload);
  const at = random.below(payload.length + 1);
  return Buffer.concat([
    encode(opcode, payload.subarray(0, at), false),
    random.chance(0.5) ? encode(OPCODE.ping, payload.subarray(0, 100)) : Buffer.alloc(0),
    encode(OPCODE.continuation, payload.subarray(at)),
  ]);
}

/** Breaks the rules of frames. @source RFC 6455 §5 */
export function violation(random: Random): Uint8Array {
  const long = new Uint8Array(126);
  switch (random.below(8)) {
    case 0:
      return encode(OPCODE.ping, long);
    case 1:
      return encode(3, long);
    case 2:
      return encode(OPCODE.continuation, long);
    case 3:
      return encode(OPCODE.text | 0x40, long);
    case 4:
      // Not masked.
      return Buffer.from([FINAL | OPCODE.text, 2, 0x7b, 0x7d]);
    case 5:
      return encode(OPCODE.close, new Uint8Array([3]));
    case 6:
      // As long as a number can say.
      return Buffer.from([
        FINAL | OPCODE.text,
        0xff,
        0x7f,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0,
        0,
        0,
        0,
      ]);
    default:
      return Uint8Array.from({ length: 40 }, () => random.below(256));
  }
}
