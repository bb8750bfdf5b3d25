import { afterEach, expect, test } from "bun:test";

import { Updates } from "../../../src/agents/acp/updates.ts";
import type { AgentTurn } from "../../../src/ports.ts";
import { createFakeTime } from "../../support/time.ts";
import { acpAgents, acpEnvironment, attentiveTurn, hostile, stopAgents } from "./acp-kit.ts";
import { faultOf, listen, never, textOf, turnOf } from "./kit.ts";

afterEach(stopAgents);

async function hear(way: string, turn: AgentTurn = turnOf("hello")) {
  const { agents, log, programs } = acpAgents();
  const runtime = await agents.open("agent/default", hostile(way), acpEnvironment());
  const heard = await listen(runtime, turn);
  return { ...heard, runtime, log, programs };
}

for (const [way, state] of [
  ["exits at once", "its program ended with exit code 4: bad luck"],
  ["garbage", "what it writes is not the Agent Client Protocol"],
  ["endless", "it sent a line longer than 8 MiB"],
  ["wrong version", "it speaks version 99 of the protocol, wanted 1"],
  ["empty answers", "it speaks version null of the protocol, wanted 1"],
] as const) {
  test(`an agent that ${way} is an error in words, and its program ends`, async () => {
    const { error, programs } = await hear(way);
    expect(faultOf(error)).toEqual({
      code: "unavailable",
      message: `Cannot use model "agent/default": ${state}`,
      retryAfterMs: undefined,
    });
    // Told before it has ended, and ended soon.
    await programs[0]?.ended;
    expect(programs).toHaveLength(1);
  });
}

test.each([
  ["lines", "while :; do echo junk; done"],
  ["empty lines", "while :; do echo; done"],
  ["long lines", `while :; do echo ${"x".repeat(50_000)}; done`],
  ["answers to nothing", `while :; do echo '{"jsonrpc":"2.0","id":999,"result":{}}'; done`],
])(
  "an agent that writes %s without end and no messages is given up, also once it has begun",
  async (_, flood) => {
    const answers = [{ protocolVersion: 1 }, { sessionId: "s1" }].map((result, id) =>
      JSON.stringify({ jsonrpc: "2.0", id, result }),
    );
    const begun = `for answer do read -r line; echo "$answer"; done; read -r line; ${flood}`;
    for (const script of [flood, begun]) {
      // Time stands still: no deadline ends it.
      const { agents, programs } = acpAgents({ timers: createFakeTime().timers });
      const provider = { command: ["sh", "-c", script, "sh", ...answers] as const, env: {} };
      const { error } = await listen(await agents.open("agent/default", provider, acpEnvironment()));
      expect(faultOf(error).message).toBe(
        'Cannot use model "agent/default": what it writes is not the Agent Client Protocol',
      );
      await programs[0]?.ended;
    }
  },
);

test("an agent that closes its output and goes on is an error in words, and its program ends", async () => {
  const { agents, programs } = acpAgents();
  const answers = [{ protocolVersion: 1 }, { sessionId: "s1" }].map((result, id) =>
    JSON.stringify({ jsonrpc: "2.0", id, result }),
  );
  const script = `for answer do read -r line; echo "$answer"; done; read -r line; echo leaving >&2; exec >&-; sleep 300`;
  const provider = { command: ["sh", "-c", script, "sh", ...answers] as const, env: {} };
  const runtime = await agents.open("agent/default", provider, acpEnvironment());
  const { error } = await listen(runtime);
  expect(faultOf(error).message).toBe(
    'Cannot use model "agent/default": its program closed its output: leaving',
  );
  expect(await programs[0]?.ended).toBe("signal SIGTERM");
});

test("an agent that never answers is given half a minute", async () => {
  const time = createFakeTime();
  const { agents, programs } = acpAgents({ timers: time.timers });
  const runtime = await agents.open("agent/default", hostile("silent"), acpEnvironment());
  const heard = listen(runtime);
  while (time.pending() === 0) await Bun.sleep(1);
  time.advance(30_000);
  const { error } = await heard;
  expect(faultOf(error).message).toBe(
    'Cannot use model "agent/default": it did not answer "initialize" in 30 s',
  );
  await programs[0]?.ended;
});

test("an agent that does not begin what is asked beside the conversation is ended after an abort", async () => {
  const time = createFakeTime();
  const { agents, programs } = acpAgents({ timers: time.timers });
  const runtime = await agents.open("agent/default", hostile("begins once"), acpEnvironment());
  expect((await listen(runtime)).error).toBeUndefined();
  const abort = new AbortController();
  const heard = listen(runtime, { ...turnOf("sum up"), isPlain: true }, abort.signal);
  // The clock of its idleness stops at once, that of the new session's beginning runs when it is asked for.
  while (time.pending() === 0) await Bun.sleep(1);
  abort.abort();
  await heard;
  time.advance(5_000);
  expect(await programs[0]?.ended).toBeDefined();
});

test("tools whose arguments are not told yet are shown when there are too many, each once", () => {
  const updates = new Updates();
  const take = (count: number, status = "pending") =>
    updates.take({
      sessionUpdate: "tool_call",
      toolCallId: `t${count}`,
      title: "read",
      status,
      rawInput: count,
    });
  const shown = Array.from({ length: 17 }, (_, count) => take(count));
  expect(shown.slice(0, 16).flat()).toEqual([]);
  expect(shown[16]).toHaveLength(17);
  expect(shown[16]?.[3]).toEqual({ type: "tool_start", id: "t3", name: "read", args: "3" });
  expect(take(3, "in_progress")).toEqual([]);
  expect(updates.end({ stopReason: "end_turn" })).toEqual([{ type: "end", reason: "stop" }]);
});

test("a program that cannot be started says why, and is left alone after three times", async () => {
  const time = createFakeTime();
  const { agents } = acpAgents({ clock: time.clock });
  const provider = { command: ["/no/such/agent"] as const, env: {} };
  const runtime = await agents.open("agent/default", provider, acpEnvironment());
  const attempt = async () => faultOf((await listen(runtime)).error);
  const state = 'cannot start program "/no/such/agent": there is no such program';
  for (let count = 0; count < 3; count += 1) {
    expect(await attempt()).toEqual({
      code: "unavailable",
      message: `Cannot use model "agent/default": ${state}`,
      retryAfterMs: undefined,
    });
    time.advance(10_000);
  }
  expect(await attempt()).toEqual({
    code: "busy",
    message: `Cannot use model "agent/default": it has failed to start several times: ${state}`,
    retryAfterMs: 30_000,
  });
  time.advance(30_000);
  expect((await attempt()).code).toBe("unavailable");
});

test("a greeting and other lines that are no messages are overlooked", async () => {
  const { text, error, log } = await hear("greets");
  expect({ text, error }).toEqual({ text: "hello", error: undefined });
  expect(log.lines.filter(({ message }) => message === "agent wrote no message")).toHaveLength(3);
});

test("a flood of updates arrives whole at a slow reader", async () => {
  const { agents } = acpAgents();
  const runtime = await agents.open("agent/default", hostile("flood"), acpEnvironment());
  const events = [];
  for await (const event of runtime.prompt(turnOf("hello"), never())) {
    events.push(event);
    if (events.length % 1_000 === 0) await Bun.sleep(1);
  }
  expect(textOf(events)).toBe(Array.from({ length: 20_000 }, (_, count) => `${count} `).join(""));
});

test("a flood that nobody wants any more stops nothing", async () => {
  const { agents } = acpAgents();
  const runtime = await agents.open("agent/default", hostile("flood"), acpEnvironment());
  for await (const event of runtime.prompt(turnOf("hello"), never())) if (event.type === "text") break;
  const { text } = await listen(runtime);
  expect(text.startsWith("0 1 2 ")).toBe(true);
});

test("updates of any shape are shown or overlooked, and what we do not offer is refused", async () => {
  const { events, text, error } = await hear("odd updates");
  expect(error).toBeUndefined();
  expect(text).toBe("(image image/png)alive");
  expect(events.filter(({ type }) => type === "tool_result")).toEqual([
    { type: "tool_result", id: "x", text: "", isError: false },
  ]);
});

test("an agent that answers twice is heard once", async () => {
  const { runtime, text, error } = await hear("answers twice");
  expect({ text, error }).toEqual({ text: "once", error: undefined });
  expect((await listen(runtime)).text).toBe("once");
});

test("permissions that nobody asked for are not given, and nobody is asked", async () => {
  const { turn, requests } = attentiveTurn(() => Promise.resolve("allow_always"), "hello");
  const { text, error } = await hear("asks unasked", turn);
  expect(error).toBeUndefined();
  expect(text.split("\n")).toEqual([
    "broken: -32602",
    'early: {"outcome":"cancelled"}',
    'foreign: {"outcome":"cancelled"}',
  ]);
  expect(requests).toEqual([]);
});

test("of a hundred questions at once a person sees sixteen", async () => {
  const { promise: others, resolve } = Promise.withResolvers<void>();
  const { turn, requests } = attentiveTurn(() => others.then(() => "allow_once"), "hello");
  const { agents } = acpAgents();
  const runtime = await agents.open("agent/default", hostile("asks a lot"), acpEnvironment());
  const events = [];
  for await (const event of runtime.prompt(turn, never())) {
    events.push(event);
    if (event.type === "text" && event.text === "84 answers\n") resolve();
  }
  expect(requests).toHaveLength(16);
  expect(
    textOf(events)
      .split("\n")
      .filter((line) => line.includes("selected")),
  ).toHaveLength(16);
});
