import type { Clock } from "../ports.ts";
import type { Exchange } from "./exchange.ts";
import { type Target, toEarlyEnd, toFault, toRpcError, toStreamError } from "./failures.ts";
import type { ModelEvent } from "./model.ts";

/** A streamed answer as its provider's code puts it together. */
interface StreamedAnswer {
  /** What has come of it so far, for the bound on streams that say nothing. */
  readonly chars: number;
  /** The word that ends it has come. */
  readonly isFinished: boolean;
  readonly isEmpty: boolean;
  take(event: unknown): Iterable<ModelEvent>;
  end(): Iterable<ModelEvent>;
}

interface Hearing {
  readonly exchange: Exchange;
  readonly answer: StreamedAnswer;
  readonly target: Target;
  readonly clock: Clock;
  /** The caller's. */
  readonly signal: AbortSignal;
  /** The end mark of the stream has come, where the provider has one beside the answer's own. */
  readonly hasEnded: () => boolean;
  open(): Promise<AsyncIterable<unknown>>;
}

/** What a provider's `state` is given back with: it is only for the model that gave it. */
export interface OwnState<T> {
  readonly ref: string;
  readonly said: T;
}

/** One call of a model from its request to its last word. @throws RpcError as `ChatModel.complete` */
export async function* hear(hearing: Hearing): AsyncGenerator<ModelEvent> {
  const { exchange, answer, target, clock, signal, hasEnded } = hearing;
  let isOpen = false;
  try {
    const stream = await hearing.open();
    isOpen = true;
    for await (const event of stream) {
      yield* answer.take(event);
      exchange.heard(answer.chars);
      if (answer.isFinished) exchange.settle();
    }
  } catch (error) {
    if (signal.aborted) return;
    // Finished but for its end mark: nothing is missing.
    if (!answer.isFinished) {
      if (exchange.fault !== undefined) throw toFault(exchange.fault, target);
      throw isOpen ? toStreamError(error, target) : toRpcError(error, target, clock);
    }
  } finally {
    exchange.stop();
  }
  if (signal.aborted) return;
  if (!answer.isFinished && !hasEnded()) throw toEarlyEnd(exchange, answer.isEmpty, target);
  for (const event of answer.end()) {
    if (event.type !== "state") yield event;
    else yield { type: "state", state: { ref: target.model, said: event.state } };
  }
}
