import type { Writer } from "../storage/writer.ts";

/** What a work leaves in memory beside the disk: kept once it is on disk, taken back when it is not. */
export class Traces {
  readonly #left: { readonly keep: () => void; readonly takeBack: () => void }[] = [];

  add(keep: () => void, takeBack: () => void): void {
    this.#left.push({ keep, takeBack });
  }

  keep(): void {
    for (const { keep } of this.#left.splice(0)) keep();
  }

  takeBack(): void {
    for (const { takeBack } of this.#left.splice(0).reverse()) takeBack();
  }
}

/** {@link Writer.write} of a work that leaves traces. */
export async function writeTraced<T>(
  writer: Writer,
  work: (traces: Traces) => T,
  bytes?: number,
): Promise<T> {
  const traces = new Traces();
  try {
    const value = await writer.write(() => {
      try {
        return work(traces);
      } catch (error) {
        // At once: what comes behind it in the same commit must not build on it.
        traces.takeBack();
        throw error;
      }
    }, bytes);
    traces.keep();
    return value;
  } catch (error) {
    traces.takeBack();
    throw error;
  }
}
