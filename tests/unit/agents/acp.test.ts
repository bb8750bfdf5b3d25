import { afterEach, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";

import type { AgentPart, AgentRuntime, AgentTurn } from "../../../src/ports.ts";
import { tempDir } from "../../support/temp.ts";
import { createFakeTime } from "../../support/time.ts";
import { acpAgents, acpEnvironment, attentiveTurn, faithful, stopAgents } from "./acp-kit.ts";
import { faultOf, listen, message, never, turnOf } from "./kit.ts";

afterEach(stopAgents);

const IMAGE: AgentPart = { type: "image", mimeType: "image/png", data: "aGVsbG8=" };

async function hear(turn: AgentTurn | string, ...flags: string[]) {
  const { agents, ...rest } = acpAgents();
  const runtime = await agents.open("agent/default", faithful(...flags), acpEnvironment());
  return {
    ...(await listen(runtime, typeof turn === "string" ? turnOf(turn) : turn)),
    runtime,
    agents,
    ...rest,
  };
}

/** What the agent knows of itself and its place. */
async function factsOf(runtime: AgentRuntime, ...parts: AgentPart[]) {
  const { text, error } = await listen(runtime, turnOf(message("user", "facts", ...parts)));
  expect(error).toBeUndefined();
  return JSON.parse(text) as {
    env: Record<string, string>;
    pid: number;
    kinds: string[];
    model: string;
    directory: string;
  };
}

async function historyOf(runtime: AgentRuntime, ...before: Parameters<typeof turnOf>): Promise<string[]> {
  const { text, error } = await listen(runtime, turnOf(...before, "history"));
  expect(error).toBeUndefined();
  return JSON.parse(text) as string[];
}

test("words, usage and the end arrive in order; the program starts with the first prompt and stays", async () => {
  const { agents, programs } = acpAgents();
  const runtime = await agents.open("agent/default", faithful(), acpEnvironment());
  expect(programs).toHaveLength(0);
  expect(runtime.keepsHistory).toBe(true);
  const { events, error } = await listen(runtime, turnOf("say grüß dich"));
  expect(error).toBeUndefined();
  expect(events).toEqual([
    { type: "text", text: "grüß " },
    { type: "text", text: "dich " },
    { type: "usage", inputTokens: 12, outputTokens: 3, cachedTokens: 5 },
    { type: "end", reason: "stop" },
  ]);
  await listen(runtime, turnOf("say again"));
  expect(programs).toHaveLength(1);
});

test("thoughts and plans are thinking", async () => {
  const { events } = await hear("think");
  expect(events.slice(0, 3)).toEqual([
    { type: "thinking", text: "hm" },
    { type: "thinking", text: "[x] look\n[ ] act\n" },
    { type: "text", text: "done" },
  ]);
});

for (const [text, reason] of [
  ["limits", "length"],
  ["limits refusal", "filter"],
] as const) {
  test(`"${text}" ends with ${reason}`, async () => {
    expect((await hear(text)).events.at(-1)).toEqual({ type: "end", reason });
  });
}

for (const [decision, isError, words] of [
  ["allow_once", false, "answer yes"],
  ["allow_always", false, "answer always"],
  ["deny", true, "not allowed"],
] as const) {
  test(`a tool that a person is asked about: ${decision}`, async () => {
    const { turn, requests } = attentiveTurn(() => Promise.resolve(decision), "tool");
    const { events, text } = await hear(turn);
    expect(requests).toEqual([{ title: 'run "ls -la"', details: '{"command":"ls -la"}' }]);
    const tools = events.filter(({ type }) => type.startsWith("tool"));
    expect(tools).toEqual([
      { type: "tool_start", id: "t1", name: "bash", args: '{"command":"ls -la"}' },
      ...(isError ? [] : [{ type: "tool_update" as const, id: "t1", text: "a.txt" }]),
      { type: "tool_result", id: "t1", text: isError ? '{"error":"refused"}' : "a.txt", isError },
    ]);
    expect(text).toBe(words);
  });
}

test("an abort while a person is asked ends at once, and the question with it", async () => {
  const abort = new AbortController();
  let asked: AbortSignal | undefined;
  const { turn } = attentiveTurn((_, signal) => {
    asked = signal;
    queueMicrotask(() => abort.abort());
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve("deny")));
  }, "tool");
  const { agents } = acpAgents();
  const runtime = await agents.open("agent/default", faithful(), acpEnvironment());
  const { events, error } = await listen(runtime, turn, abort.signal);
  expect(error).toBeUndefined();
  expect(events.every(({ type }) => type === "tool_start")).toBe(true);
  expect(asked?.aborted).toBe(true);
  expect((await listen(runtime, turnOf("say on"))).text).toBe("on ");
});

test("an agent that is told to stop goes on with the next prompt, without what it said late", async () => {
  const { agents, programs } = acpAgents();
  const runtime = await agents.open("agent/default", faithful(), acpEnvironment());
  const abort = new AbortController();
  const heard = [];
  for await (const event of runtime.prompt(turnOf("slow"), abort.signal)) {
    heard.push(event);
    abort.abort();
  }
  expect(heard).toEqual([{ type: "text", text: "begun" }]);
  expect((await listen(runtime, turnOf("say on"))).text).toBe("on ");
  expect(programs).toHaveLength(1);
});

test("an agent that does not hear that it is to stop is ended after five seconds and started anew", async () => {
  const time = createFakeTime();
  const { agents, programs } = acpAgents({ timers: time.timers, clock: time.clock });
  const runtime = await agents.open("agent/default", faithful(), acpEnvironment());
  const abort = new AbortController();
  for await (const _ of runtime.prompt(turnOf("deaf"), abort.signal)) abort.abort();
  const next = listen(runtime, turnOf("say anew"));
  time.advance(4_999);
  expect(programs).toHaveLength(1);
  time.advance(1);
  expect((await next).text).toBe("anew ");
  expect(programs).toHaveLength(2);
  await programs[0]?.ended;
});

test("closing a session that waits for such an agent to end starts no other", async () => {
  const { agents, programs } = acpAgents();
  const environment = acpEnvironment();
  const runtime = await agents.open("agent/default", faithful(), environment);
  const abort = new AbortController();
  for await (const _ of runtime.prompt(turnOf("deaf"), abort.signal)) abort.abort();
  const next = listen(runtime, turnOf("say anew"));
  await agents.close(environment.sessionKey);
  expect(faultOf((await next).error).message).toContain("its session was closed");
  expect(programs).toHaveLength(1);
});

test("a crash is told with the last complaint, secrets taken out; the next prompt starts it anew", async () => {
  const { agents, programs, log } = acpAgents();
  const provider = { ...faithful(), env: { AGENT_KEY: "sk-very-secret-0123" } };
  const runtime = await agents.open("agent/default", provider, acpEnvironment());
  const { text, error } = await listen(runtime, turnOf("crash"));
  expect(text).toBe("half a w");
  expect(faultOf(error)).toEqual({
    code: "unavailable",
    message: 'Cannot use model "agent/default": its program ended with exit code 3: key *** does not fit',
    retryAfterMs: undefined,
  });
  expect(log.lines.filter(({ level }) => level === "warn").map(({ fields }) => fields["line"])).toEqual([
    undefined,
    "first complaint",
    "key *** does not fit",
  ]);
  expect(JSON.stringify(log.lines)).not.toContain("sk-very-secret");
  expect((await listen(runtime, turnOf("say better"))).text).toBe("better ");
  expect(programs).toHaveLength(2);
});

test("what an agent answers with an error is told in its words", async () => {
  const { error, runtime } = await hear("fail");
  expect(faultOf(error).message).toContain('"agent/default": the agent failed: Internal error');
  expect(faultOf(error).message).toContain("the model is on holiday");
  expect((await listen(runtime, turnOf("say on"))).text).toBe("on ");
});

test("an agent that wants a login says how", async () => {
  const { error } = await hear("say hello", "--login");
  expect(faultOf(error)).toMatchObject({
    code: "forbidden",
    message: 'Cannot use model "agent/default": the agent wants to be logged in: Run agent login',
  });
});

for (const flag of ["--models", "--old-models"]) {
  test(`a model is chosen through what the agent offers (${flag})`, async () => {
    const { agents } = acpAgents();
    const environment = acpEnvironment();
    const open = (model: string) => agents.open(`agent/${model}`, faithful(flag), environment);
    expect((await factsOf(await open("large"))).model).toBe("large");
    expect((await factsOf(await open("default"))).model).toBe("small");
    const { error } = await listen(await open("giant"));
    expect(faultOf(error)).toMatchObject({
      code: "not_found",
      message: 'Cannot use model "agent/giant": the agent offers small, large',
    });
    // It is the same conversation all along.
    expect(await historyOf(await open("large"))).toEqual(["facts", "facts", "history"]);
  });
}

test("an agent without a choice of models has only its default", async () => {
  const { agents } = acpAgents();
  const { error } = await listen(await agents.open("agent/large", faithful(), acpEnvironment()));
  expect(faultOf(error)).toMatchObject({
    code: "not_found",
    message:
      'Cannot use model "agent/large": the agent offers no choice of models; "default" is what it takes itself',
  });
});

test("images go where they are taken, and are refused in words where not", async () => {
  const { agents } = acpAgents();
  const sees = await agents.open("agent/default", faithful("--images"), acpEnvironment());
  expect((await factsOf(sees, IMAGE)).kinds).toEqual(["text", "image"]);
  const blind = await agents.open("agent/default", faithful(), acpEnvironment({ sessionKey: "another" }));
  const { error } = await listen(blind, turnOf(message("user", "facts", IMAGE)));
  expect(faultOf(error)).toMatchObject({
    code: "invalid_request",
    message: 'Cannot use model "agent/default": the agent takes no images',
  });
});

test("the program has its workspace, its environment and nothing of ours", async () => {
  const ours = {
    PATH: process.env["PATH"],
    HOME: "/home/nobody",
    LC_ALL: "C",
    OPENAI_API_KEY: "sk-ours",
    SHELL: "/bin/sh",
    https_proxy: "http://10.0.0.1:3128",
  };
  const { agents } = acpAgents({ env: ours });
  const environment = acpEnvironment({ env: { PROJECT: "x" } });
  const provider = { ...faithful(), env: { AGENT_KEY: "key", LC_ALL: "de" } };
  const { env, directory } = await factsOf(await agents.open("agent/default", provider, environment));
  expect(directory).toBe(environment.workspace);
  const { PATH, ...rest } = env;
  expect(PATH).toContain(process.env["PATH"] ?? "");
  for (const [name, value] of Object.entries({
    HOME: "/home/nobody",
    LC_ALL: "de",
    SHELL: "/bin/sh",
    https_proxy: "http://10.0.0.1:3128",
    AGENT_KEY: "key",
    PROJECT: "x",
  }))
    expect(rest[name]).toBe(value);
  expect(rest["OPENAI_API_KEY"]).toBeUndefined();
});

test("a workspace that is not there yet is made, for its owner alone", async () => {
  const { agents } = acpAgents();
  const workspace = join(tempDir(), "not", "yet");
  const runtime = await agents.open("agent/default", faithful(), acpEnvironment({ workspace }));
  expect((await factsOf(runtime)).directory).toBe(workspace);
  expect(statSync(workspace).mode & 0o777).toBe(0o700);
});

test("a conversation that began elsewhere is handed over once, with the instructions", async () => {
  const { agents } = acpAgents();
  const runtime = await agents.open("agent/default", faithful(), acpEnvironment());
  const call: AgentPart = { type: "tool_call", id: "1", name: "look", args: "{}", result: "nothing" };
  const before = [message("system", "Be brief"), "one", message("assistant", "two", call)];
  const first = await historyOf(runtime, ...before, "three");
  expect(first).toEqual([
    [
      "Your instructions:",
      "Be brief",
      "What was said in this conversation before:",
      "Person: one",
      "You: two\n(tool look {}: nothing)",
      "The message to answer now:",
      "|three|history",
    ].join("\n\n"),
  ]);
  expect((await historyOf(runtime, ...before, "three", message("assistant", "…"))).at(-1)).toBe("history");
});

test("words beside the conversation are no part of it, and have no tools", async () => {
  const { agents, programs } = acpAgents();
  const runtime = await agents.open("agent/default", faithful(), acpEnvironment());
  await listen(runtime, turnOf("say one"));
  const { turn, requests, notes } = attentiveTurn(() => Promise.resolve("allow_once"), "tool");
  expect((await listen(runtime, { ...turn, isPlain: true })).text).toBe("not allowed");
  expect({ requests, notes }).toEqual({ requests: [], notes: [] });
  expect(await historyOf(runtime)).toEqual(["say one", "history"]);
  expect(programs).toHaveLength(1);
});

for (const flag of ["--load", "--resume"]) {
  test(`an earlier conversation is taken up again after a restart (${flag})`, async () => {
    const provider = faithful(flag, `--store=${join(tempDir(), "store")}`);
    const environment = acpEnvironment();
    const { turn, notes } = attentiveTurn(() => Promise.resolve("deny"), "say one");
    const first = acpAgents();
    await listen(await first.agents.open("agent/default", provider, environment), turn);
    expect(notes).toHaveLength(1);
    await first.agents.stop();
    const { agents } = acpAgents();
    const again = await agents.open("agent/default", provider, { ...environment, note: notes[0] });
    expect(await historyOf(again, "say one", message("assistant", "one"))).toEqual(["say one", "history"]);
    // Of another session, workspace or agent it is not taken.
    for (const other of [{ sessionId: "2" }, { workspace: tempDir() }]) {
      const fresh = await agents.open("agent/default", provider, {
        ...environment,
        ...other,
        note: notes[0],
      });
      expect(await historyOf(fresh)).toEqual(["history"]);
    }
    const foreign = await agents.open("other/default", provider, { ...environment, note: notes[0] });
    expect(await historyOf(foreign)).toEqual(["history"]);
  });
}

test("an agent that has lost the conversation, or can take none up, is told it again", async () => {
  for (const flags of [["--load"], []]) {
    const { agents } = acpAgents();
    const environment = acpEnvironment();
    const { turn, notes } = attentiveTurn(() => Promise.resolve("deny"), "say one");
    await listen(await agents.open("agent/default", faithful(...flags), environment), turn);
    await agents.close(environment.sessionKey);
    const again = await agents.open("agent/default", faithful(...flags), { ...environment, note: notes[0] });
    const [told] = await historyOf(again, "say one", message("assistant", "uno"));
    expect(told).toContain("Person: say one\n\nYou: uno");
  }
});

test("an idle program is ended, and started again by the next prompt", async () => {
  const time = createFakeTime();
  const { agents, programs } = acpAgents({ timers: time.timers, clock: time.clock });
  const provider = faithful("--resume", `--store=${join(tempDir(), "store")}`);
  const runtime = await agents.open("agent/default", provider, acpEnvironment());
  await listen(runtime, turnOf("say one"));
  time.advance(9 * 60_000);
  await listen(runtime, turnOf("say two"));
  time.advance(9 * 60_000);
  expect(programs).toHaveLength(1);
  time.advance(60_000);
  await programs[0]?.ended;
  expect(await historyOf(runtime)).toEqual(["say one", "say two", "history"]);
  expect(programs).toHaveLength(2);
});

test("past the bound the program that is idle longest gives way; when all are busy it is said", async () => {
  const { agents, programs } = acpAgents({ programsMax: 2 });
  const open = (sessionKey: string) =>
    agents.open("agent/default", faithful(), acpEnvironment({ sessionKey }));
  const [one, two, three] = [await open("1"), await open("2"), await open("3")];
  for (const runtime of [one, two, three]) expect((await listen(runtime, turnOf("say hi"))).text).toBe("hi ");
  expect(programs).toHaveLength(3);
  expect(await programs[0]?.ended).toBeDefined();
  const abort = new AbortController();
  const busy = [two, three].map((runtime) =>
    runtime.prompt(turnOf("slow"), abort.signal)[Symbol.asyncIterator](),
  );
  await Promise.all(busy.map((events) => events.next()));
  const { error } = await listen(one);
  expect(faultOf(error)).toEqual({
    code: "busy",
    message: "Cannot start agent: 2 programs of agents are busy already",
    retryAfterMs: 5_000,
  });
  abort.abort();
  await Promise.all(busy.map((events) => events.next()));
});

test("closing a session ends its program, also one that is still starting", async () => {
  const { agents, programs } = acpAgents();
  const environment = acpEnvironment();
  const runtime = await agents.open("agent/default", faithful("--slow-start"), environment);
  const heard = listen(runtime);
  while (programs.length === 0) await Bun.sleep(1);
  await agents.close(environment.sessionKey);
  expect(await programs[0]?.ended).toBeDefined();
  expect(faultOf((await heard).error).message).toContain("its program was stopped");
  expect(faultOf((await listen(runtime)).error).message).toContain("its session was closed");
});

test("another command, or a reset, is another program; what goes on is told so", async () => {
  const { agents, programs } = acpAgents();
  const environment = acpEnvironment();
  const { pid } = await factsOf(await agents.open("agent/default", faithful(), environment));
  expect((await factsOf(await agents.open("agent/default", faithful(), environment))).pid).toBe(pid);
  const reset = { ...environment, sessionId: "another" };
  expect((await factsOf(await agents.open("agent/default", faithful(), reset))).pid).not.toBe(pid);
  await programs[0]?.ended;
  expect(programs).toHaveLength(2);
});

test("after the stop of all nothing starts any more", async () => {
  const { agents, programs } = acpAgents();
  const runtime = await agents.open("agent/default", faithful(), acpEnvironment());
  await listen(runtime, turnOf("say hi"));
  await agents.stop();
  expect(await programs[0]?.ended).toBeDefined();
  expect(faultOf((await listen(runtime)).error).code).toBe("unavailable");
  expect(agents.open("agent/default", faithful(), acpEnvironment())).rejects.toThrow(
    "the gateway is stopping",
  );
});

test("a prompt that is aborted before it begins starts nothing", async () => {
  const { agents, programs } = acpAgents();
  const runtime = await agents.open("agent/default", faithful(), acpEnvironment());
  const { events } = await listen(runtime, turnOf("say hi"), AbortSignal.abort());
  expect({ events, programs }).toEqual({ events: [], programs: [] });
  expect(never().aborted).toBe(false);
});
