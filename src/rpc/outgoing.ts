import type { Codec, Dialect } from "./codecs/codec.ts";

/** One event on its way to many clients: the payload is encoded once, the frame once per dialect. */
export class Outgoing {
  readonly name: string;
  readonly seq: number;
  /** The payload as the text of a JSON object. */
  readonly body: string;
  readonly scopeMask: number;
  readonly must: boolean;
  readonly key: string | undefined;
  readonly #texts: Partial<Record<Dialect, string>> = {};

  constructor(spec: Omit<Outgoing, "text">) {
    this.name = spec.name;
    this.seq = spec.seq;
    this.body = spec.body;
    this.scopeMask = spec.scopeMask;
    this.must = spec.must;
    this.key = spec.key;
  }

  text(codec: Codec): string {
    return (this.#texts[codec.dialect] ??= codec.event(this.name, this.seq, this.body));
  }
}
