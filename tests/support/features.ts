import { z } from "zod";
import { effect, event, method } from "../../src/contract/define.ts";
import { contract, type Feature } from "../../src/feature.ts";

/** A feature of the tests: one method for each thing a handler can do. */
export const sampleContract = contract({
  name: "sample",
  methods: {
    "sample.echo": method({
      scope: "read",
      summary: "Says it back",
      params: () => z.strictObject({ text: z.string().max(100) }),
      result: () => z.strictObject({ text: z.string() }),
    }),
    subtract: method({
      scope: "read",
      summary: "The example of the JSON-RPC specification",
      params: () => z.strictObject({ minuend: z.number(), subtrahend: z.number() }),
      result: () => z.number(),
    }),
    "sample.gate": method({
      scope: "read",
      summary: "Answers when the gate of this name is opened",
      params: () => z.strictObject({ gate: z.string() }),
      result: () => z.strictObject({ gate: z.string() }),
    }),
    "sample.fail": method({
      scope: "read",
      summary: "Fails as told",
      params: () => z.strictObject({ how: z.enum(["declared", "throw", "reject", "result"]) }),
      result: () => z.strictObject({}),
      errors: ["not_found"],
    }),
    "sample.long": method({
      scope: "read",
      summary: "Answers with so many characters",
      params: () => z.strictObject({ chars: z.int() }),
      result: () => z.string(),
    }),
    "sample.big": method({
      scope: "read",
      summary: "Answers with what JSON has no word for, at once or later",
      params: () => z.strictObject({ later: z.boolean() }),
      result: () => z.bigint(),
    }),
    "sample.count": effect({
      scope: "write",
      summary: "Counts its calls",
      params: () => z.strictObject({ by: z.int().default(1) }),
      result: () => z.strictObject({ count: z.int() }),
      errors: ["unavailable"],
    }),
  },
  events: {
    "sample.must": event({
      scope: "read",
      delivery: "must",
      summary: "",
      data: () => z.strictObject({ n: z.int(), pad: z.string().optional() }),
    }),
    "sample.latest": event({
      scope: "read",
      delivery: "latest",
      summary: "",
      data: () => z.strictObject({ n: z.int(), pad: z.string().optional() }),
    }),
    "sample.secret": event({
      scope: "admin",
      delivery: "must",
      summary: "",
      data: () => z.strictObject({ n: z.int() }),
    }),
    "sample.empty": event({ scope: "read", delivery: "must", summary: "", data: () => z.strictObject({}) }),
  },
});

export interface Sample {
  readonly feature: Feature;
  /** Lets a waiting `sample.gate` answer. */
  open(gate: string): void;
  /** Gates that are waited for, in order. */
  readonly waiting: string[];
  /** Makes the next `sample.count` fail with `unavailable`. */
  failNextCount(): void;
}

export function createSample(): Sample {
  const gates = new Map<string, () => void>();
  const waiting: string[] = [];
  let count = 0;
  let failNext = false;
  const feature = sampleContract.implement(() => ({
    handlers: {
      "sample.echo": ({ text }) => ({ text }),
      subtract: ({ minuend, subtrahend }) => minuend - subtrahend,
      "sample.gate": async ({ gate }) => {
        waiting.push(gate);
        await new Promise<void>((resolve) => gates.set(gate, resolve));
        return { gate };
      },
      "sample.fail": async ({ how }, call) => {
        if (how === "declared")
          call.fail("not_found", 'Cannot find sample "x": none there', { details: { id: "x" } });
        if (how === "reject") await Promise.reject(new Error("hidden words"));
        if (how === "throw") throw new Error("hidden words");
        // Not what the schema says: what a bug in a handler does.
        return { extra: 1 } as unknown as Record<string, never>;
      },
      "sample.long": ({ chars }) => "x".repeat(chars),
      "sample.big": ({ later }) => (later ? Promise.resolve(1n) : 1n),
      "sample.count": ({ by }, call) => {
        if (failNext) {
          failNext = false;
          call.fail("unavailable", "Cannot count: told to fail");
        }
        count += by;
        return { count };
      },
    },
  }));
  return {
    feature,
    waiting,
    open: (gate) => gates.get(gate)?.(),
    failNextCount: () => void (failNext = true),
  };
}
