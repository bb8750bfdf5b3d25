import type { Timers } from "../ports.ts";

/** A library is some milliseconds over so much of the shortest lines there are. */
const PIECE_BYTES_MAX = 16 * 1024;

export type PiecesOptions = {
  readonly timers: Timers;
  /** Called with each piece before it is passed on. */
  see(piece: Uint8Array): void;
};

/**
 * The same bytes in small pieces, each taken when it is asked for, and a turn of the loop between them: a
 * body that always has more would otherwise keep everything else waiting, timers included.
 */
export function inPieces(
  body: ReadableStream<Uint8Array>,
  { timers, see }: PiecesOptions,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let rest: Uint8Array = new Uint8Array();
  let bytesSinceTurn = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (bytesSinceTurn >= PIECE_BYTES_MAX) {
          bytesSinceTurn = 0;
          await new Promise<void>((resolve) => void timers.after(0, resolve));
        }
        while (rest.length === 0) {
          const { done, value } = await reader.read();
          if (done) return controller.close();
          rest = value;
        }
        const piece = rest.subarray(0, PIECE_BYTES_MAX);
        rest = rest.subarray(piece.length);
        bytesSinceTurn += piece.length;
        see(piece);
        controller.enqueue(piece);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    // Nothing ahead: what has been passed on has been understood when the next is asked for.
    { highWaterMark: 0 },
  );
}
