import { expect, test } from "bun:test";
import { CoolDowns } from "../../../src/agents/cooldowns.ts";
import {
  type Candidate,
  type ChatCandidate,
  createFallbackModel,
  createFallbackRuntime,
  type FallbackPorts,
  type LoopModel,
  type WholeCandidate,
} from "../../../src/agents/fallback.ts";
import type { ModelEvent } from "../../../src/agents/model.ts";
import { type ErrorCode, type ErrorExtra, RpcError } from "../../../src/contract/errors.ts";
import type { AgentEvent, AgentRuntime } from "../../../src/ports.ts";
import { createMemoryLog, type MemoryLog } from "../../support/ports.ts";
import { createFakeTime, type FakeTime } from "../../support/time.ts";
import { ask, faultOf, listen, requestOf, turnOf } from "./kit.ts";

type Failing = { says?: readonly string[]; code?: ErrorCode | undefined; extra?: ErrorExtra };
type Counted = { asked: number; failing: Failing };

async function* speak(ref: string, state: Counted): AsyncGenerator<ModelEvent & AgentEvent> {
  state.asked += 1;
  const { says = [ref], code, extra } = state.failing;
  for (const text of code === undefined ? says : (state.failing.says ?? [])) yield { type: "text", text };
  if (code) throw new RpcError(code, `Cannot use model "${ref}": ${code}`, extra);
  yield { type: "end", reason: "stop" };
}

/** A model that says its name, or fails with `code`; what it does can be changed. */
function chat(ref: string, failing: Failing = {}): ChatCandidate & Counted {
  const state = { asked: 0, failing };
  const complete = () => speak(ref, state);
  return Object.assign(state, {
    kind: "chat" as const,
    ref,
    open: () => ({ ref, contextWindow: 1, complete }),
  });
}

function whole(ref: string, failing: Failing = {}): WholeCandidate & Counted {
  const state = { asked: 0, failing };
  const prompt = () => speak(ref, state);
  const runtime = { contextWindow: 1, keepsHistory: true, prompt };
  return Object.assign(state, { kind: "whole" as const, ref, open: () => Promise.resolve(runtime) });
}

interface Bench {
  readonly time: FakeTime;
  readonly log: MemoryLog;
  readonly ports: FallbackPorts;
  /** Asks once and tells who answered, or the code of the failure. */
  once(...candidates: readonly ChatCandidate[]): Promise<string>;
}

function bench(): Bench {
  const time = createFakeTime();
  const log = createMemoryLog();
  const ports = { coolDowns: new CoolDowns(time.clock), log };
  return {
    time,
    log,
    ports,
    async once(...candidates) {
      const model = createFallbackModel(candidates, { ...ports, runId: "run-1" });
      const { events, error } = await ask({ ref: "", contextWindow: 1, ...model } as never);
      if (error !== undefined) return faultOf(error).code;
      return events.map((event) => ("model" in event ? String(event.model) : "")).join("");
    },
  };
}

test.each(["unavailable", "busy", "not_found", "forbidden"] as const)(
  "after %s the next model answers, is named, and the log says so",
  async (code) => {
    const { log, ports } = bench();
    const last = chat("c/3");
    const candidates = [chat("a/1", { code }), chat("b/2"), last];
    const model = createFallbackModel(candidates, { ...ports, runId: "run-1" });
    const events: unknown[] = [];
    for await (const event of model.complete(requestOf("hello"), new AbortController().signal))
      events.push(event);
    expect(events).toEqual([
      { type: "model", model: "b/2" },
      { type: "text", text: "b/2" },
      { type: "end", reason: "stop" },
    ]);
    expect(last.asked).toBe(0);
    expect(log.lines).toEqual([
      {
        level: "warn",
        message: "model failed, trying the next",
        fields: { run: "run-1", model: "a/1", next: "b/2", code, reason: `Cannot use model "a/1": ${code}` },
      },
    ]);
  },
);

test.each(["too_large", "invalid_request", "internal"] as const)(
  "%s comes from what was asked, and no other model is",
  async (code) => {
    const next = chat("b/2");
    expect(await bench().once(chat("a/1", { code }), next)).toBe(code);
    expect(next.asked).toBe(0);
  },
);

test("a model that has begun is not replaced, and cools afterwards", async () => {
  const { once } = bench();
  const [first, next] = [chat("a/1", { says: ["half "], code: "unavailable" }), chat("b/2")];
  expect(await once(first, next)).toBe("unavailable");
  expect(next.asked).toBe(0);
  expect(await once(first, next)).toBe("b/2");
});

test("the last failure is the answer", async () => {
  expect(await bench().once(chat("a/1", { code: "busy" }), chat("b/2", { code: "not_found" }))).toBe(
    "not_found",
  );
});

test("a model that cannot be opened is passed over", async () => {
  const broken: ChatCandidate = {
    kind: "chat",
    ref: "x/1",
    open() {
      throw new RpcError("not_found", "no such provider");
    },
  };
  expect(await bench().once(broken, chat("b/2"))).toBe("b/2");
});

test("nobody else is asked after an abort, and nothing cools for it", async () => {
  const { ports } = bench();
  const next = chat("b/2");
  const model = createFallbackModel([chat("a/1", { code: "unavailable" }), next], { ...ports, runId: "r" });
  const { error } = await ask({ ref: "", ...model } as never, requestOf("a"), AbortSignal.abort());
  expect(error).toMatchObject({ code: "unavailable" });
  expect(next.asked).toBe(0);
  expect(ports.coolDowns.isCooling("a/1")).toBe(false);
});

// --- cool-downs ---

test.each([
  ["busy", { retryAfterMs: 7_000 }, 7_000],
  ["busy", {}, 30_000],
  ["busy", { retryAfterMs: 86_400_000 }, 3_600_000],
  ["unavailable", {}, 30_000],
  ["forbidden", {}, 600_000],
] as const)("after %s %o a model is passed over for %d ms", async (code, extra, ms) => {
  const { time, once } = bench();
  const [first, next] = [chat("a/1", { code, extra }), chat("b/2")];
  expect(await once(first, next)).toBe("b/2");
  first.failing = {};
  time.advance(ms - 1);
  expect(await once(first, next)).toBe("b/2");
  expect(first.asked).toBe(1);
  time.advance(1);
  expect(await once(first, next)).toBe("a/1");
});

test("not_found and too_large cool nothing", async () => {
  const { once } = bench();
  const first = chat("a/1", { code: "not_found" });
  for (let turn = 1; turn <= 2; turn += 1) {
    expect(await once(first, chat("b/2"))).toBe("b/2");
    expect(first.asked).toBe(turn);
  }
});

test("each failure in a row doubles the wait up to ten minutes, a success forgets them", async () => {
  const { time, once } = bench();
  const first = chat("a/1", { code: "unavailable" });
  const next = chat("b/2");
  for (const seconds of [30, 60, 120, 240, 480, 600, 600]) {
    const { asked } = first;
    expect(await once(first, next)).toBe("b/2");
    time.advance(seconds * 1_000 - 1);
    await once(first, next);
    expect(first.asked).toBe(asked + 1);
    time.advance(1);
  }
  first.failing = {};
  expect(await once(first, next)).toBe("a/1");
  first.failing = { code: "unavailable" };
  await once(first, next);
  time.advance(30_000);
  first.failing = {};
  expect(await once(first, next)).toBe("a/1");
});

test("sessions that fail together are one failure", async () => {
  const { time, ports } = bench();
  const gone = new RpcError("unavailable", "gone");
  for (let session = 0; session < 50; session += 1) ports.coolDowns.failed("a/1", gone);
  time.advance(30_000);
  expect(ports.coolDowns.isCooling("a/1")).toBe(false);
});

test("a cooling model is asked when no other can answer, and when there is no other", async () => {
  const { once } = bench();
  const first = chat("a/1", { code: "unavailable" });
  const next = chat("b/2");
  await once(first, next);
  first.failing = {};
  next.failing = { code: "busy" };
  expect(await once(first, next)).toBe("a/1");
  const alone = chat("c/3", { code: "busy" });
  await once(alone);
  await once(alone);
  expect(alone.asked).toBe(2);
});

test("only so many failures are remembered, the oldest is forgotten first", () => {
  const { coolDowns } = bench().ports;
  for (let at = 0; at <= 256; at += 1) coolDowns.failed(`m/${at}`, new RpcError("busy", "busy"));
  expect([0, 1, 256].map((at) => coolDowns.isCooling(`m/${at}`))).toEqual([false, true, true]);
});

// --- whole agents among models ---

/** A loop that asks its model once. */
function loop(model: LoopModel): AgentRuntime {
  return {
    contextWindow: 1,
    keepsHistory: false,
    prompt: ({ messages }, signal) =>
      model.complete({ messages, tools: [], states: [] }, signal) as AsyncIterable<AgentEvent>,
  };
}

async function turnWith(ports: FallbackPorts, ...candidates: Candidate[]) {
  const shape = { contextWindow: 1, keepsHistory: false, loop };
  const { events, error } = await listen(
    createFallbackRuntime({ ...ports, ...shape, candidates }),
    turnOf("hello"),
  );
  return { events, code: error instanceof RpcError ? error.code : error };
}

test("a list may mix models and whole agents; who answers is named once", async () => {
  const { ports, log } = bench();
  const middle = whole("acp/x", { code: "unavailable" });
  const candidates = [chat("a/1", { code: "busy" }), chat("b/2", { code: "busy" }), middle, chat("c/3")];
  const { events, code } = await turnWith(ports, ...candidates);
  expect(code).toBeUndefined();
  expect(events).toEqual([
    { type: "model", model: "c/3" },
    { type: "text", text: "c/3" },
    { type: "end", reason: "stop" },
  ]);
  expect(log.lines.map(({ fields }) => [fields["model"], fields["next"]])).toEqual([
    ["a/1", "b/2"],
    ["b/2", "acp/x"],
    ["acp/x", "c/3"],
  ]);
  middle.failing = {};
  expect((await turnWith(ports, middle)).events[0]).toEqual({ type: "model", model: "acp/x" });
});

test("a turn that models have begun is ended by models, also by those behind a whole agent", async () => {
  const { ports } = bench();
  const [first, middle, last] = [chat("a/1"), whole("acp/x"), chat("b/2")];
  const twice = (model: LoopModel): AgentRuntime => ({
    ...loop(model),
    async *prompt(turn, signal) {
      yield* loop(model).prompt(turn, signal);
      first.failing = { code: "busy" };
      yield* loop(model).prompt(turn, signal);
    },
  });
  const shape = { contextWindow: 1, keepsHistory: false, loop: twice };
  const candidates = [first, middle, last];
  const { text, error } = await listen(createFallbackRuntime({ ...ports, ...shape, candidates }));
  expect({ text, error, asked: middle.asked }).toEqual({ text: "a/1b/2", error: undefined, asked: 0 });
});

test("a whole agent that says itself which model answers is believed", async () => {
  const { ports } = bench();
  const own: WholeCandidate = {
    kind: "whole",
    ref: "acp/x",
    open: () => ({
      contextWindow: 1,
      keepsHistory: true,
      async *prompt() {
        yield { type: "model", model: "acp/better" };
        yield { type: "text", text: "hi" };
      },
    }),
  };
  expect((await turnWith(ports, own)).events).toEqual([
    { type: "model", model: "acp/better" },
    { type: "text", text: "hi" },
  ]);
});

test("a whole agent that has said something is not replaced", async () => {
  const { ports } = bench();
  const next = chat("a/1");
  const { code } = await turnWith(ports, whole("acp/x", { says: ["half"], code: "unavailable" }), next);
  expect([code, next.asked]).toEqual(["unavailable", 0]);
});
