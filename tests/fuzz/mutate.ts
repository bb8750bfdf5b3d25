// Frames of a client that has gone wrong: valid requests, changed as chance has it.
import type { Methods } from "../../src/contract/define.ts";
import { connectSample, createSamples, type Dialect, DIALECTS, type Sample, toRequest } from "./corpus.ts";
import { createRandom, type Random } from "./random.ts";
import { changeBytes, changeText, toText } from "./texts.ts";
import { changeValue, copy, ODD_VALUES } from "./values.ts";

/** What is sent: a text, or bytes that need not be one. */
export type FrameData = string | Uint8Array;

export interface FrameOptions {
  readonly methods: Methods;
  /** A credential that is let in; without one no `connect` succeeds but by chance. */
  readonly auth?: object;
}

/**
 * Frame `index` of the stream that `seed` stands for. Each is made from these two numbers alone, so one
 * that did harm is made again without those before it.
 */
export type Frames = (index: number, dialect: Dialect, isStranger?: boolean) => FrameData;

/** Past the bound of a frame, and not so far that one frame costs as much as a thousand. */
const FRAME_CHARS_MAX = 1_200_000;

/** Of a stranger's frames, those that are a handshake: any other request ends its connection. */
const CONNECT_SHARE = { stranger: 0.9, known: 0.005 } as const;

export function createFrames(seed: number, { methods, auth = {} }: FrameOptions): Frames {
  const samples = createSamples(seed, methods);

  function request(random: Random, dialect: Dialect, isStranger: boolean): Record<string, unknown> {
    const isConnect = random.chance(isStranger ? CONNECT_SHARE.stranger : CONNECT_SHARE.known);
    const sample: Sample = isConnect
      ? connectSample(random, copy(authOf(random)))
      : fresh(random, random.oneOf(samples) ?? { method: "health", params: {} });
    return toRequest(dialect, idOf(random), sample);
  }

  /** Seldom one that decides: both a right and a wrong one end the handshake. */
  function authOf(random: Random): unknown {
    if (random.chance(0.02)) return auth;
    return random.chance(0.02) ? { token: "no" } : random.pick<unknown>(BAD_AUTH);
  }

  return (index, usual, isStranger = false) => {
    const random = createRandom(seed, index);
    const dialect = random.chance(0.05) ? random.pick(DIALECTS) : usual;
    const one = (): Record<string, unknown> => request(random, dialect, isStranger);
    let value: unknown = one();
    if (dialect === "jsonrpc") value = asNotificationOrBatch(random, value, one);
    const changes = random.pick([0, 0, 0, 1, 1, 1, 1, 2, 2, 4]);
    let isText = false;
    let text = "";
    for (let n = 0; n < changes; n++) {
      isText ||= random.chance(0.35);
      if (!isText) value = changeValue(random, value);
      else text = changeText(random, text || toText(value), one);
    }
    text = (text || toText(value)).slice(0, FRAME_CHARS_MAX);
    return random.chance(0.03) ? changeBytes(random, new TextEncoder().encode(text)) : text;
  };
}

/** Of a shape that is refused unread. */
const BAD_AUTH = [1, null, "token", [], { token: 1 }, { token: null }, { user: "x" }] as const;

/**
 * A copy, as it is going to be changed; mostly another effect than any before, mostly on the few same
 * sessions.
 */
function fresh(random: Random, { method, params: given }: Sample): Sample {
  const params = copy(given);
  if ("idempotencyKey" in params && random.chance(0.7)) params["idempotencyKey"] = `key ${random.below(1e9)}`;
  for (const name of ["key", "sessionKey"])
    if (name in params && random.chance(0.2)) params[name] = `session ${random.below(300)}`;
  return { method, params };
}

function idOf(random: Random): unknown {
  return random.chance(0.7) ? `r${random.below(1_000)}` : random.pick([0, 1, -1, 1.5, 9_007_199_254_740_991]);
}

function asNotificationOrBatch(random: Random, value: unknown, more: () => unknown): unknown {
  const kind = random.below(20);
  if (kind < 2) return { ...(value as object), id: undefined };
  if (kind > 4) return value;
  const length = random.chance(0.05) ? random.pick([99, 100, 101]) : random.pick([0, 1, 2, 2, 3, 3, 5]);
  // Long ones repeat a few requests; made one by one they would be most of the work.
  const few = [value, more(), copy(random.pick(ODD_VALUES))];
  const batch = Array.from({ length }, (_, n) => few[n % few.length]);
  return random.chance(0.1) ? [batch] : batch;
}
