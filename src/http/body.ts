import { RpcError } from "../contract/errors.ts";
import type { Timers } from "../ports.ts";

interface BodyBounds {
  readonly timers: Timers;
  readonly bytesMax: number;
  /** From the first look to the last byte. */
  readonly ms: number;
}

/** Each one costs us a hundred times what it costs the sender: bytes sent one by one are nobody's body. */
const PIECES_MAX = 16 * 1024;

/**
 * The body whole, never more of it in memory than may be.
 *
 * @throws RpcError `too_large`, `timeout`, `invalid_request` for one that was cut off
 */
export async function readBody(request: Request, { timers, bytesMax, ms }: BodyBounds): Promise<Uint8Array> {
  const tooLarge = new RpcError("too_large", `Cannot read body: it has more than ${bytesMax} bytes`);
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) throw tooLarge;
  const reader = request.body?.getReader();
  if (!reader) return new Uint8Array();
  let isLate = false;
  const stop = timers.after(ms, () => {
    isLate = true;
    void reader.cancel().catch(() => {});
  });
  const body = new Gathered();
  try {
    for (let pieces = 0; ; pieces++) {
      const { value, done } = await reader.read();
      if (isLate) throw new RpcError("timeout", `Cannot read body: not here within ${ms / 1_000} s`);
      if (done) break;
      if (pieces >= PIECES_MAX)
        throw new RpcError("too_large", `Cannot read body: it comes in more than ${PIECES_MAX} pieces`);
      if (body.count + value.byteLength > bytesMax) throw tooLarge;
      body.add(value);
    }
  } catch (error) {
    void reader.cancel().catch(() => {});
    if (error instanceof RpcError) throw error;
    throw new RpcError("invalid_request", "Cannot read body: it was cut off", { cause: error });
  } finally {
    stop();
  }
  return body.all();
}

/** Bytes that come in pieces, kept as bytes: a piece may be one byte, and an object a hundred. */
class Gathered {
  #held = new Uint8Array(0);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(piece: Uint8Array): void {
    const count = this.#count + piece.byteLength;
    if (count > this.#held.byteLength) {
      const larger = new Uint8Array(Math.max(count, 2 * this.#held.byteLength));
      larger.set(this.all());
      this.#held = larger;
    }
    this.#held.set(piece, this.#count);
    this.#count = count;
  }

  all(): Uint8Array {
    return this.#held.subarray(0, this.#count);
  }
}
