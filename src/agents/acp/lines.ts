import { Broken } from "./failures.ts";

const MIB = 1024 * 1024;

/** One message of an agent: the largest hold a file or an image. */
const LINE_BYTES_MAX = 8 * MIB;

const NEWLINE = 0x0a;

/** Cuts what a program writes into lines. @throws Broken for a line without an end */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const keep = (part: Uint8Array): void => {
    bytes += part.length;
    if (bytes > LINE_BYTES_MAX) throw new Broken(`it sent a line longer than ${LINE_BYTES_MAX / MIB} MiB`);
    // A copy: the piece may be one of many in a large buffer.
    if (part.length > 0) parts.push(part.slice());
  };
  const take = (): string => {
    const decoder = new TextDecoder();
    const line = parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
    parts = [];
    bytes = 0;
    return line;
  };
  for await (const piece of pieces) {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, start)) {
      keep(piece.subarray(start, end));
      yield take();
      start = end + 1;
    }
    keep(piece.subarray(start));
  }
  if (bytes > 0) yield take();
}
