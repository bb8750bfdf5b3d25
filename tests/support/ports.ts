import { createHash, timingSafeEqual } from "node:crypto";
import type { Crypto, Log, LogFields, SendResult, Socket } from "../../src/ports.ts";

/** Ids that count; real digests. */
export function createCountingCrypto(): Crypto {
  let last = 0;
  return {
    id: () => `id-${String(++last).padStart(6, "0")}`,
    secret: () => `secret-${String(++last).padStart(36, "0")}`,
    sha256: (text) => createHash("sha256").update(text).digest(),
    equal: (a, b) => timingSafeEqual(a, b),
  };
}

export interface MemoryLog extends Log {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: LogFields }[];
}

export function createMemoryLog(): MemoryLog {
  const lines: MemoryLog["lines"] = [];
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push({ level, message, fields });
  return { lines, debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}

/** A socket whose other end reads only when told to. */
export interface MemorySocket extends Socket {
  readonly frames: string[];
  readonly closed: { readonly code: number; readonly reason: string } | undefined;
  readonly isTerminated: boolean;
  /** While false, what is sent waits and counts as buffered. */
  isReading: boolean;
  /** What waited arrives. */
  read(): void;
}

export function createMemorySocket(remoteAddress = "127.0.0.1"): MemorySocket {
  let waiting: string[] = [];
  let buffered = 0;
  const state = { closed: undefined as { code: number; reason: string } | undefined, isTerminated: false };
  const frames: string[] = [];
  return {
    remoteAddress,
    frames,
    isReading: true,
    get closed() {
      return state.closed;
    },
    get isTerminated() {
      return state.isTerminated;
    },
    send(text): SendResult {
      if (state.closed) return "closed";
      if (this.isReading) {
        frames.push(text);
        return "sent";
      }
      waiting.push(text);
      buffered += Buffer.byteLength(text);
      return "queued";
    },
    read() {
      frames.push(...waiting);
      waiting = [];
      buffered = 0;
    },
    bufferedBytes: () => buffered,
    close: (code, reason) => void (state.closed ??= { code, reason }),
    terminate: () => void (state.isTerminated = true),
  };
}
