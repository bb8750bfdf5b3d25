import { expect, test } from "bun:test";
import type { LoopModel } from "../../../src/agents/fallback.ts";
import { createLoopRuntime } from "../../../src/agents/loop.ts";
import type { ModelEvent, ModelRequest } from "../../../src/agents/model.ts";
import type { ToolAnswer, ToolCall, ToolSet } from "../../../src/agents/tools.ts";
import type { AgentRuntime, AgentTurn, ApprovalDecision, ToolPolicy } from "../../../src/ports.ts";
import { createFakeTime, type FakeTime } from "../../support/time.ts";
import { faultOf, listen, message, turnOf } from "./kit.ts";

type Step = readonly ModelEvent[] | ((request: ModelRequest) => readonly ModelEvent[]);

const call = (id: string, name: string, args = "{}") => ({ type: "tool_call", id, name, args }) as const;
const say = (text: string) => ({ type: "text", text }) as const;
const end = (reason: "stop" | "tool_calls" | "length" | "filter" = "stop") =>
  ({ type: "end", reason }) as const;
const usage = { type: "usage", inputTokens: 3, outputTokens: 2 } as const;

/** A model that answers step by step, the last one for ever. */
function scripted(...steps: readonly Step[]): { model: LoopModel; requests: ModelRequest[] } {
  const requests: ModelRequest[] = [];
  return {
    requests,
    model: {
      async *complete(request) {
        requests.push(request);
        const step = steps[Math.min(requests.length, steps.length) - 1] ?? [];
        yield* typeof step === "function" ? step(request) : step;
      },
    },
  };
}

type Tools = Readonly<Record<string, (call: ToolCall) => ToolAnswer | Promise<ToolAnswer>>>;

function toolSet(tools: Tools): ToolSet {
  return {
    specs: Object.keys(tools).map((name) => ({ name, description: "", inputSchema: { type: "object" } })),
    call: async (wanted) =>
      (await tools[wanted.name]?.(wanted)) ?? { text: `no tool ${wanted.name}`, isError: true },
  };
}

type Made = { policy?: ToolPolicy; time?: FakeTime };

function loopOf(model: LoopModel, tools: Tools = {}, { policy = {}, time = createFakeTime() }: Made = {}) {
  const openTools = () => Promise.resolve(toolSet(tools));
  return createLoopRuntime({ model, contextWindow: 1_000, policy, timers: time.timers, openTools });
}

const ok = (text: string): ToolAnswer => ({ text, isError: false });

/** What the model was told its calls answered. */
function resultsTold(requests: readonly ModelRequest[]) {
  const parts = requests.at(-1)?.messages.flatMap((said) => said.parts) ?? [];
  return parts.flatMap((part) =>
    part.type === "tool_call" ? [[part.id, part.result, part.isError ?? false]] : [],
  );
}

test("without tools it is one answer", async () => {
  const { model, requests } = scripted([
    { type: "thinking", text: "hm" },
    say("Hi"),
    usage,
    { type: "state", state: 1 },
    end("length"),
  ]);
  const { events, error } = await listen(loopOf(model));
  expect(error).toBeUndefined();
  expect(events).toEqual([{ type: "thinking", text: "hm" }, say("Hi"), usage, end("length")]);
  expect(requests).toEqual([{ messages: [message("user", "hello")], tools: [], states: [] }]);
});

test("a tool is called, its answer goes back with what the provider wants back", async () => {
  const { model, requests } = scripted(
    [
      say("Let me see. "),
      call("c1", "read", '{"path":"x"}'),
      { type: "state", state: "S" },
      usage,
      end("tool_calls"),
    ],
    [say("It says X."), usage, end()],
  );
  const asked: ToolCall[] = [];
  const tools = {
    read(wanted: ToolCall) {
      asked.push(wanted);
      wanted.onUpdate("half");
      return ok("X");
    },
  };
  const { events } = await listen(loopOf(model, tools));
  expect(events).toEqual([
    say("Let me see. "),
    usage,
    { type: "tool_start", id: "c1", name: "read", args: '{"path":"x"}' },
    { type: "tool_update", id: "c1", text: "half" },
    { type: "tool_result", id: "c1", text: "X", isError: false },
    say("It says X."),
    usage,
    end(),
  ]);
  expect(asked.map(({ name, args }) => [name, args])).toEqual([["read", '{"path":"x"}']]);
  expect(requests[0]?.tools.map(({ name }) => name)).toEqual(["read"]);
  expect(requests[1]).toMatchObject({
    states: ["S"],
    messages: [
      message("user", "hello"),
      message("assistant", "Let me see. ", {
        type: "tool_call",
        id: "c1",
        name: "read",
        args: '{"path":"x"}',
        result: "X",
      }),
    ],
  });
});

test("tools of one answer run together; their results come as they are ready and go back in order", async () => {
  const { model, requests } = scripted([call("a", "slow"), call("b", "quick"), end()], [end()]);
  const first = Promise.withResolvers<ToolAnswer>();
  const tools = {
    slow: () => first.promise,
    quick() {
      first.resolve(ok("slow"));
      return ok("quick");
    },
  };
  // `slow` waits for `quick`: one after the other they would never end.
  const { events } = await listen(loopOf(model, tools));
  const results = events.filter(({ type }) => type === "tool_result");
  expect(results).toHaveLength(2);
  expect(resultsTold(requests)).toEqual([
    ["a", "slow", false],
    ["b", "quick", false],
  ]);
});

test.each([
  ["a tool that is not there", call("c", "gone"), "no such tool; there is read"],
  ["arguments that are no JSON", call("c", "read", '{"path":'), "the arguments are no JSON object"],
  ["arguments that are a list", call("c", "read", "[1]"), "the arguments are no JSON object"],
  ["arguments that are null", call("c", "read", "null"), "the arguments are no JSON object"],
])("%s is an error that the model is told, and nothing is called", async (_, wanted, words) => {
  const { model, requests } = scripted([wanted, end("tool_calls")], [say("Sorry"), end()]);
  let calls = 0;
  const { text } = await listen(loopOf(model, { read: () => ok(String((calls += 1))) }));
  expect(text).toBe("Sorry");
  expect(calls).toBe(0);
  expect(resultsTold(requests)).toEqual([["c", expect.stringContaining(words), true]]);
});

test("no arguments at all are an empty object", async () => {
  const { model } = scripted([call("c", "now", ""), end("tool_calls")], [end()]);
  const seen: string[] = [];
  await listen(loopOf(model, { now: ({ args }) => ok(String(seen.push(args))) }));
  expect(seen).toEqual(["{}"]);
});

test("ids that come again are made different", async () => {
  const { model, requests } = scripted(
    [call("call_0", "t"), call("call_0", "t"), end("tool_calls")],
    [call("call_0", "t"), end("tool_calls")],
    [end()],
  );
  const { events } = await listen(loopOf(model, { t: () => ok("") }));
  const started = events.flatMap((event) => (event.type === "tool_start" ? [event.id] : []));
  expect(started).toEqual(["call_0", "call_0_2", "call_0_3"]);
  expect(resultsTold(requests).map(([id]) => id)).toEqual(started);
});

test("a long answer is cut, with a note of how much", async () => {
  const { model, requests } = scripted([call("c", "t"), end("tool_calls")], [end()]);
  const update = "u".repeat(100_007);
  const { events } = await listen(
    loopOf(model, {
      t({ onUpdate }) {
        onUpdate(update);
        return ok("a".repeat(150_000));
      },
    }),
  );
  const told = `${"a".repeat(100_000)}\n[50000 more characters were cut]`;
  expect(resultsTold(requests)).toEqual([["c", told, false]]);
  expect(events).toContainEqual({ type: "tool_result", id: "c", text: told, isError: false });
  expect(events).toContainEqual({
    type: "tool_update",
    id: "c",
    text: `${"u".repeat(100_000)}\n[7 more characters were cut]`,
  });
});

test("a flood of progress leaves the newest", async () => {
  const { model } = scripted([call("c", "t"), end("tool_calls")], [end()]);
  const { events } = await listen(
    loopOf(model, {
      t({ onUpdate }) {
        for (let at = 1; at <= 100_000; at += 1) onUpdate(String(at));
        return ok("done");
      },
    }),
  );
  const updates = events.flatMap((event) => (event.type === "tool_update" ? [event.text] : []));
  expect(updates.length).toBeLessThan(10);
});

test("progress after the result is not told, and no timer is left", async () => {
  const { model } = scripted([call("a", "hasty"), call("b", "slow"), end("tool_calls")], [end()]);
  const answered = Promise.withResolvers<ToolCall>();
  const time = createFakeTime();
  const tools = {
    hasty: (wanted: ToolCall) => (answered.resolve(wanted), ok("done")),
    async slow({ onUpdate }: ToolCall) {
      const hasty = await answered.promise;
      // Its result is on the way; some turns later it has been told.
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
      hasty.onUpdate("late");
      onUpdate("in time");
      return ok("done");
    },
  };
  const { events } = await listen(loopOf(model, tools, { time }));
  const updates = events.flatMap((event) => (event.type === "tool_update" ? [event.text] : []));
  expect(updates).not.toContain("late");
  expect(events.filter(({ type }) => type === "tool_result")).toHaveLength(2);
  expect(time.pending()).toBe(0);
});

test("a tool set that breaks its promise is an error of the tool", async () => {
  const { model, requests } = scripted([call("c", "t"), end("tool_calls")], [end()]);
  const tools = {
    t() {
      throw new Error("boom");
    },
  };
  const { error } = await listen(loopOf(model, tools));
  expect(error).toBeUndefined();
  expect(resultsTold(requests)).toEqual([["c", "the tool failed: boom", true]]);
});

test("a tool that does not answer in an hour is stopped, and progress after that is not told", async () => {
  const time = createFakeTime();
  const { model, requests } = scripted([call("c", "t"), end("tool_calls")], [end()]);
  const called = Promise.withResolvers<ToolCall>();
  const tools = { t: (wanted: ToolCall) => (called.resolve(wanted), new Promise<ToolAnswer>(() => {})) };
  const heard = listen(loopOf(model, tools, { time }));
  const { signal, onUpdate } = await called.promise;
  time.advance(3_599_999);
  expect(signal.aborted).toBe(false);
  time.advance(1);
  expect(signal.aborted).toBe(true);
  onUpdate("late");
  const { events } = await heard;
  expect(events.some(({ type }) => type === "end")).toBe(true);
  expect(resultsTold(requests)).toEqual([["c", "no answer within 3600 s", true]]);
  expect(time.pending()).toBe(0);
});

// --- approvals ---

function asking(decisions: Readonly<Record<string, ApprovalDecision>>): {
  turn: AgentTurn;
  asked: unknown[];
} {
  const asked: unknown[] = [];
  const approve: AgentTurn["approve"] = (request) => {
    asked.push(request);
    return Promise.resolve(decisions[request.tool ?? ""] ?? "deny");
  };
  return { asked, turn: { ...turnOf("hello"), approve } };
}

test("tools that want a person's yes are asked about, a denied one is not called", async () => {
  const { model, requests } = scripted(
    [call("a", "sh__run", '{"cmd":"ls"}'), call("b", "sh__kill"), call("c", "read"), end("tool_calls")],
    [end()],
  );
  const called: string[] = [];
  const tool = ({ name }: ToolCall): ToolAnswer => ok(String(called.push(name)));
  const { turn, asked } = asking({ sh__run: "allow_always", sh__kill: "deny" });
  const tools = { sh__run: tool, sh__kill: tool, read: tool };
  await listen(loopOf(model, tools, { policy: { approve: ["sh__*"] } }), turn);
  expect(asked).toEqual([
    { title: 'call tool "sh__run"', tool: "sh__run", details: '{"cmd":"ls"}' },
    { title: 'call tool "sh__kill"', tool: "sh__kill", details: "{}" },
  ]);
  expect(called.toSorted()).toEqual(["read", "sh__run"]);
  expect(resultsTold(requests)[1]).toEqual(["b", "denied by a person", true]);
});

test("nobody is asked about a call that could not be made", async () => {
  const { model } = scripted([call("a", "gone"), call("b", "t", "x"), end("tool_calls")], [end()]);
  const { turn, asked } = asking({});
  await listen(loopOf(model, { t: () => ok("") }, { policy: { approve: ["*"] } }), turn);
  expect(asked).toEqual([]);
});

test("a person's time is not the tool's, and an abort ends the question", async () => {
  const time = createFakeTime();
  const { model } = scripted([call("a", "t"), end("tool_calls")]);
  const asked = Promise.withResolvers<AbortSignal>();
  const turn: AgentTurn = {
    ...turnOf("hello"),
    approve: (_, signal) => (asked.resolve(signal), new Promise(() => {})),
  };
  const controller = new AbortController();
  const runtime = loopOf(model, { t: () => ok("") }, { policy: { approve: ["t"] }, time });
  const heard = listen(runtime, turn, controller.signal);
  const signal = await asked.promise;
  time.advance(3_600_000);
  expect(signal.aborted).toBe(false);
  controller.abort();
  expect((await heard).events).toEqual([{ type: "tool_start", id: "a", name: "t", args: "{}" }]);
  expect(signal.aborted).toBe(true);
});

// --- steering ---

test("messages that want to join do so at the next tool boundary, and only there", async () => {
  const { model, requests } = scripted([call("a", "t"), end("tool_calls")], [say("both"), end()]);
  const waiting = [[message("user", "also this")], [message("user", "too late")]];
  const turn: AgentTurn = { ...turnOf("hello"), steered: () => waiting.shift() ?? [] };
  await listen(loopOf(model, { t: () => ok("") }), turn);
  expect(requests[1]?.messages.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
  expect(requests[1]?.messages.at(-1)).toEqual(message("user", "also this"));
  expect(waiting).toHaveLength(1);
});

// --- ends ---

test("a turn that never ends is ended", async () => {
  const { model, requests } = scripted([call("a", "t"), end("tool_calls")]);
  const { error } = await listen(loopOf(model, { t: () => ok("") }));
  expect(faultOf(error)).toMatchObject({
    code: "too_large",
    message: 'Cannot finish run "run-1": its model was called 200 times and still wants tools',
  });
  expect(requests).toHaveLength(200);
});

test("what a filter has stopped calls nothing", async () => {
  const { model } = scripted([call("a", "t"), end("filter")]);
  const { events } = await listen(loopOf(model, { t: () => ok("") }));
  expect(events).toEqual([end("filter")]);
});

test("a model's error is the agent's, what was said stays", async () => {
  const { model } = scripted([call("a", "t"), end("tool_calls")], () => {
    throw new Error("broken");
  });
  const { events, error } = await listen(loopOf(model, { t: () => ok("x") }));
  expect(events.map(({ type }) => type)).toEqual(["tool_start", "tool_result"]);
  expect(error).toMatchObject({ message: "broken" });
});

test("who answers is said when it changes", async () => {
  const by = (model: string): ModelEvent => ({ type: "model", model }) as never;
  const { model } = scripted(
    [by("a/1"), call("a", "t"), end("tool_calls")],
    [by("a/1"), call("b", "t"), end("tool_calls")],
    [by("b/2"), say("x"), end()],
  );
  const { events } = await listen(loopOf(model, { t: () => ok("") }));
  const models = events.flatMap((event) => (event.type === "model" ? [event.model] : []));
  expect(models).toEqual(["a/1", "b/2"]);
});

test("an abort ends it at once, whatever a tool does, and the tool is told", async () => {
  const { model, requests } = scripted([call("a", "t"), end("tool_calls")]);
  const called = Promise.withResolvers<AbortSignal>();
  const tools = { t: ({ signal }: ToolCall) => (called.resolve(signal), new Promise<ToolAnswer>(() => {})) };
  const time = createFakeTime();
  const controller = new AbortController();
  const heard = listen(loopOf(model, tools, { time }), turnOf("hello"), controller.signal);
  const signal = await called.promise;
  controller.abort();
  const { events, error } = await heard;
  expect(error).toBeUndefined();
  expect(events.map(({ type }) => type)).toEqual(["tool_start"]);
  expect(signal.aborted).toBe(true);
  expect(requests).toHaveLength(1);
});

test("who stops listening stops the tools", async () => {
  const { model } = scripted([call("a", "t"), end("tool_calls")]);
  const called = Promise.withResolvers<AbortSignal>();
  const tools = {
    t({ signal, onUpdate }: ToolCall) {
      called.resolve(signal);
      onUpdate("on it");
      return new Promise<ToolAnswer>(() => {});
    },
  };
  const said = loopOf(model, tools).prompt(turnOf("hello"), new AbortController().signal);
  for await (const event of said) if (event.type === "tool_update") break;
  expect((await called.promise).aborted).toBe(true);
});

test("an abort does not wait for tools that are still being started", async () => {
  const { model, requests } = scripted([end()]);
  const opening = Promise.withResolvers<void>();
  const runtime: AgentRuntime = createLoopRuntime({
    model,
    contextWindow: 1,
    policy: {},
    timers: createFakeTime().timers,
    openTools: () => (opening.resolve(), new Promise<ToolSet>(() => {})),
  });
  const controller = new AbortController();
  const heard = listen(runtime, turnOf("hello"), controller.signal);
  await opening.promise;
  controller.abort();
  expect((await heard).events).toEqual([]);
  expect(requests).toEqual([]);
});
