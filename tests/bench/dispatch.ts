import { z } from "zod";
import { method } from "../../src/contract/define.ts";
import { type Caller, contract } from "../../src/feature.ts";
import { plain } from "../../src/rpc/codecs/plain.ts";
import type { Dispatcher } from "../../src/rpc/dispatch.ts";
import { parseJson } from "../../src/rpc/json.ts";
import { createLocalGateway } from "../support/local.ts";

const text = (max: number) => z.strictObject({ text: z.string().max(max) });

const echo = contract({
  name: "bench",
  methods: {
    "bench.echo": method({
      scope: "read",
      summary: "",
      params: () => text(1_000),
      result: () => text(1_000),
    }),
  },
  events: {},
}).implement(() => ({ handlers: { "bench.echo": (params) => params } }));

/**
 * Requests a second through the plain codec and the dispatcher, no socket: text in, text out, 64 bytes of
 * payload.
 */
export function measureDispatch(rounds: number, perRound: number): number[] {
  const { dispatcher } = createLocalGateway({ features: [echo] });
  const round = callerOf(dispatcher, "bench.echo", perRound);
  round();
  return Array.from({ length: rounds }, round);
}

const CALLER: Caller = {
  connId: "bench",
  subject: "bench",
  name: "bench",
  scopes: ["read"],
  connectedMs: 0,
  onGone: () => () => {},
};

/** One round of calls of a method that answers at once what it is given. @returns calls a second */
export function callerOf(dispatcher: Dispatcher, method: string, perRound: number): () => number {
  const frame = JSON.stringify({ id: "r1", method, params: { text: "x".repeat(64) } });
  const once = (): number => {
    const parsed = parseJson(frame);
    if (parsed instanceof Error) throw parsed;
    const incoming = plain.decode(parsed.value);
    if (incoming.kind !== "request" || incoming.id === undefined) throw new Error("not a request");
    const reply = dispatcher.dispatch(incoming.method, incoming.params, CALLER);
    if (reply instanceof Promise) throw new Error("not answered at once");
    return plain.reply(incoming.id, reply).length;
  };
  return () => {
    const startMs = performance.now();
    for (let n = 0; n < perRound; n++) once();
    return perRound / ((performance.now() - startMs) / 1_000);
  };
}
