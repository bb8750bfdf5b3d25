import type { Scope } from "../contract/define.ts";
import type { Audience } from "../feature.ts";
import type { Codec, Dialect } from "./codecs/codec.ts";
import { scopeBit } from "./scopes.ts";

/** What an event is made of, and made of again after a restart. */
export interface OutgoingSpec {
  readonly name: string;
  readonly seq: number;
  /** The payload as the text of a JSON object. */
  readonly body: string;
  readonly scope: Scope;
  readonly must: boolean;
  readonly key: string | undefined;
  readonly audience: Audience | undefined;
}

/** One event on its way to many clients: the payload is encoded once, the frame once per dialect. */
export class Outgoing implements OutgoingSpec {
  readonly name: string;
  readonly seq: number;
  readonly body: string;
  readonly scope: Scope;
  readonly scopeMask: number;
  readonly must: boolean;
  readonly key: string | undefined;
  readonly audience: Audience | undefined;
  #texts: Partial<Record<Dialect, string>> | undefined;

  constructor(spec: OutgoingSpec) {
    this.name = spec.name;
    this.seq = spec.seq;
    this.body = spec.body;
    this.scope = spec.scope;
    this.scopeMask = scopeBit(spec.scope);
    this.must = spec.must;
    this.key = spec.key;
    this.audience = spec.audience;
  }

  text(codec: Codec): string {
    this.#texts ??= {};
    return (this.#texts[codec.dialect] ??= codec.event(this.name, this.seq, this.body));
  }

  /** Everybody has it: what is kept of it from here on is the payload alone. */
  settle(): void {
    this.#texts = undefined;
  }
}
