/**
 * People and programs talk to a model through the built gateway, which is stopped, killed and started
 * again.
 */
import { expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { createIdempotencyKey, type GatewayClient, type Message } from "../../src/client/mod.ts";
import { createHome, type Gateway, type Home, runBinary, startGateway } from "../support/binary.ts";
import { type OpenAiServer, startOpenAiServer } from "../support/openai-server.ts";
import { listen, type Listener } from "../support/sdk.ts";

/** More than the wait for whatever is missing, which says what that was. */
setDefaultTimeout(30_000);

const API_KEY = "sk-conversation-0123456789abcdef";

/** Characters of one to four bytes, and one that is two: every odd cut falls into something. */
const TEXT = ["Grüße ", "aus ", "東京, ", "👩‍🚀 ", "e\u0301!"];

interface Setting {
  readonly home: Home;
  readonly gateway: Gateway;
  readonly models: OpenAiServer;
  readonly person: Listener;
}

/** A model server that wants a key, a gateway that has it, a client of the gateway. */
async function start(): Promise<Setting> {
  const models = await startOpenAiServer({ apiKey: API_KEY });
  onTestFinished(() => models.stop());
  const home = createHome({
    agents: { defaults: { model: "test/some-model" } },
    models: { providers: { test: { baseUrl: models.url, apiKey: "${MODEL_KEY}" } } },
  });
  const gateway = await startAgain(home);
  return { home, gateway, models, person: await listen(gateway, { token: gateway.token() }) };
}

/** @param port where clients come back to */
function startAgain(home: Home, port = 0): Promise<Gateway> {
  return startGateway(home, { args: ["--port", String(port)], env: { MODEL_KEY: API_KEY } });
}

async function send(client: GatewayClient, sessionKey: string, message: string): Promise<string> {
  return (await client.call("chat.send", { sessionKey, message })).runId;
}

async function history(client: GatewayClient, sessionKey: string): Promise<Message[]> {
  return (await client.call("chat.history", { sessionKey })).messages;
}

/** Who said what, and how it ended. */
function said(messages: readonly Message[]): string[] {
  return messages.map(({ role, content, status }) => {
    const text = content.map((part) => (part.type === "text" ? part.text : `[${part.type}]`)).join("");
    return `${role}: ${text}${status === undefined ? "" : ` (${status})`}`;
  });
}

test("an answer comes whole, whatever its pieces are, with thinking, tool calls and usage", async () => {
  const { models, person } = await start();
  models.queue({
    kind: "answer",
    thinking: ["Let me ", "see… ", "日"],
    text: TEXT,
    toolCalls: [
      { id: "call_a", name: "weather", args: '{"city":"東京","days":3}' },
      { id: "call_b", name: "time", args: "{}" },
    ],
    usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
  });
  models.queue({
    kind: "answer",
    text: ["Never mind."],
    usage: { prompt_tokens: 20, completion_tokens: 2, total_tokens: 22 },
  });
  const runId = await send(person.client, "main", "How is Tokyo? ☂");
  const { message, usage } = await person.chat(runId, "final");
  // Nobody offered these tools: the model hears so, and goes on.
  const refused = { result: "no such tool; there are none", isError: true };
  expect(message.content).toEqual([
    { type: "thinking", text: "Let me see… 日" },
    { type: "text", text: TEXT.join("") },
    { type: "tool_call", id: "call_a", name: "weather", args: '{"city":"東京","days":3}', ...refused },
    { type: "tool_call", id: "call_b", name: "time", args: "{}", ...refused },
    { type: "text", text: "Never mind." },
  ]);
  expect(usage).toEqual({ inputTokens: 11 + 20, outputTokens: 7 + 2 });

  let text = "";
  for (const { event, payload } of person.told) {
    if (event !== "chat" || payload["state"] !== "delta") continue;
    expect(payload["offset"]).toBe(text.length);
    text += String(payload["delta"]);
  }
  expect(`${TEXT.join("")}Never mind.`).toStartWith(text);
  const { body, headers } = await models.next();
  expect(body).toMatchObject({
    model: "some-model",
    stream: true,
    messages: [{ role: "user", content: "How is Tokyo? ☂" }],
  });
  expect(headers["authorization"]).toBe(`Bearer ${API_KEY}`);
  expect(await history(person.client, "main")).toEqual([
    expect.objectContaining({ role: "user", content: [{ type: "text", text: "How is Tokyo? ☂" }], runId }),
    message,
  ]);
});

test("the command line and a program share a session, and the model is told what was said before", async () => {
  const { home, models, person } = await start();
  models.queue({ kind: "answer", text: TEXT }, { kind: "answer", text: ["Twice."] });
  const first = await runBinary(home, ["chat", "Who", "is there?"]);
  expect(first).toEqual({ code: 0, stdout: `${TEXT.join("")}\n`, stderr: "" });
  const runId = await send(person.client, "main", "Say it again");
  await person.chat(runId, "final");
  const third = await runBinary(home, ["chat", "--json", "And?"]);
  expect(third).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(third.stdout)).toMatchObject({
    sessionKey: "agent:main:main",
    status: "ok",
    text: "Heard: And?",
  });

  const conversation = [
    { role: "user", content: "Who is there?" },
    { role: "assistant", content: TEXT.join("") },
    { role: "user", content: "Say it again" },
    { role: "assistant", content: "Twice." },
    { role: "user", content: "And?" },
  ];
  expect(models.requests.map(({ messages }) => messages)).toEqual([
    conversation.slice(0, 1),
    conversation.slice(0, 3),
    conversation,
  ]);
});

test("a model server that asks to wait is asked again, one that asks for an hour is not", async () => {
  const { models, person } = await start();
  models.queue({ kind: "status", status: 429, headers: { "retry-after": "1" }, message: "slow down" });
  const patient = await send(person.client, "main", "Now?");
  expect((await person.chat(patient, "final")).message.content).toEqual([
    { type: "text", text: "Heard: Now?" },
  ]);
  expect(models.requests.length).toBe(2);

  models.queue({ kind: "status", status: 429, headers: { "retry-after": "3600" }, message: "out of quota" });
  const impatient = await send(person.client, "main", "And now?");
  const { error, message } = await person.chat(impatient, "error");
  expect(error.code).toBe("busy");
  expect(error.message).toContain("asks to wait: out of quota");
  expect(message).toBeUndefined();
  expect(models.requests.length).toBe(3);
});

test.each(["reset", "close", "mid_event"] as const)(
  "a stream that is cut off (%s) is an error that keeps what was said",
  async (how) => {
    const { models, person } = await start();
    // One event: a reset takes with it what has not been read.
    const partial = TEXT.slice(0, 3).join("");
    models.queue({ kind: "cut", how, after: [partial], gated: true });
    const runId = await send(person.client, "main", "Go on");
    const asked = await models.next();
    await person.chat(runId, "delta");
    asked.release();
    expect(await asked.ended).toMatchObject({ how: "cut" });
    const { error, message } = await person.chat(runId, "error");
    expect(error).toEqual({
      code: "unavailable",
      message: 'Cannot use model "test/some-model": the stream was cut off',
    });
    expect(await person.client.call("agent.wait", { runId })).toMatchObject({ status: "error", error });
    const kept = await history(person.client, "main");
    expect(kept.at(-1)).toEqual(message as Message);
    expect(said(kept)).toEqual(["user: Go on", `assistant: ${partial} (error)`]);
  },
);

test("one run is aborted and its request ends; the one beside it goes on", async () => {
  const { models, person } = await start();
  const slow = { kind: "answer", text: TEXT, gated: true } as const;
  models.queue(slow, slow);
  const wanted = await send(person.client, "wanted", "Keep talking");
  const wantedRequest = await models.next();
  const unwanted = await send(person.client, "unwanted", "Stop talking soon");
  const unwantedRequest = await models.next();
  // The role, and a word.
  wantedRequest.release(2);
  unwantedRequest.release(2);
  await Promise.all([person.chat(wanted, "delta"), person.chat(unwanted, "delta")]);

  const calledMs = performance.now();
  const abort = person.client.call("chat.abort", { sessionKey: "unwanted", runId: unwanted });
  const end = await unwantedRequest.ended;
  const tookMs = end.atMs - calledMs;
  console.log(`chat.abort to the model server seeing the end: ${tookMs.toFixed(1)} ms`);
  expect(end.how).toBe("aborted");
  expect(tookMs).toBeLessThan(2_000);
  expect(await abort).toEqual({ aborted: true, runIds: [unwanted] });
  const { reason, message } = await person.chat(unwanted, "aborted");
  expect(reason).toBe("request");

  wantedRequest.release(100);
  await person.chat(wanted, "final");
  expect((await wantedRequest.ended).how).toBe("answered");
  const states = person.told.flatMap(({ event, payload: { runId, state } }) =>
    event === "chat" && state !== "delta" ? [[runId, state]] : [],
  );
  expect(states).toEqual([
    [unwanted, "aborted"],
    [wanted, "final"],
  ]);
  const kept = await history(person.client, "unwanted");
  expect(kept.at(-1)).toEqual(message as Message);
  expect(said(kept)).toEqual(["user: Stop talking soon", `assistant: ${TEXT[0]} (aborted)`]);
  expect(said(await history(person.client, "wanted"))).toEqual([
    "user: Keep talking",
    `assistant: ${TEXT.join("")}`,
  ]);
});

test("messages of one session wait for each other, and each answer is its own", async () => {
  const { models, person } = await start();
  models.queue({ kind: "answer", text: ["One."], gated: true });
  const first = await send(person.client, "main", "First");
  const firstRequest = await models.next();
  const second = await person.client.call("chat.send", { sessionKey: "main", message: "Second" });
  expect(second.status).toBe("queued");
  const beside = await send(person.client, "other", "Beside");
  await person.chat(beside, "final");
  expect(models.requests.map(({ messages }) => messages.at(-1)?.content)).toEqual(["First", "Beside"]);
  firstRequest.release(100);
  await person.chat(first, "final");
  await person.chat(second.runId, "final");
  expect(models.requests.at(-1)?.messages.map(({ content }) => content)).toEqual(["First", "One.", "Second"]);
});

test("after a restart the history is there, for clients and for the model, and clients know what they missed", async () => {
  const { home, gateway, models, person } = await start();
  const before = await send(person.client, "main", "Remember me");
  await person.chat(before, "final");
  const known = await history(person.client, "main");
  const connId = person.client.hello?.server.connId;
  expect(await gateway.stop()).toBe(0);

  const again = await startAgain(home, gateway.port);
  expect(again.token()).toBe(gateway.token());
  const isAnother = (): boolean => person.client.hello?.server.connId !== connId;
  await person.until("second hello", ({ event }) => event === "state" && isAnother());
  // All that was told is on disk, and this client had got all of it.
  expect(person.client.hello?.resume).toMatchObject({ resync: false });
  expect(person.told.filter(({ event }) => event === "resync")).toEqual([]);
  expect(await history(person.client, "main")).toEqual(known);
  expect(said(known)).toEqual(["user: Remember me", "assistant: Heard: Remember me"]);
  const { sessions } = await person.client.call("sessions.list");
  expect(sessions).toMatchObject([{ key: "agent:main:main", messages: 2, active: false }]);

  const after = await send(person.client, "main", "Who am I?");
  await person.chat(after, "final");
  expect(models.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
    "Remember me",
    "Heard: Remember me",
    "Who am I?",
  ]);
});

test("a gateway that is killed has lost nothing it said yes to", async () => {
  const { home, gateway, models, person } = await start();
  models.queue({ kind: "answer", text: TEXT, gated: true });
  const idempotencyKey = createIdempotencyKey();
  const message = { sessionKey: "main", message: "Are you alive?", idempotencyKey };
  const running = await person.client.call("chat.send", message);
  const request = await models.next();
  const waiting = await person.client.call("chat.send", { sessionKey: "main", message: "Hello?" });
  expect([running.status, waiting.status]).toEqual(["started", "queued"]);
  request.release(3);
  await person.chat(running.runId, "delta");
  expect(await gateway.stop("SIGKILL")).toBe(137);
  expect((await request.ended).how).toBe("aborted");

  const again = await startAgain(home, gateway.port);
  expect(await again.logged("runs were cut by the last stop")).toMatchObject({ level: "warn", runs: 2 });
  await person.until("resync", ({ event }) => event === "resync");
  const kept = await history(person.client, "main");
  expect(kept.map(({ role, status, runId }) => [role, status, runId])).toEqual([
    ["user", undefined, running.runId],
    ["user", undefined, waiting.runId],
    ["assistant", "interrupted", running.runId],
    ["assistant", "interrupted", waiting.runId],
  ]);
  const ends = await Promise.all(
    [running, waiting].map(({ runId }) => person.client.call("agent.wait", { runId })),
  );
  expect(ends.map(({ status }) => status)).toEqual(["interrupted", "interrupted"]);
  expect(await person.client.call("chat.send", message)).toEqual(running);
  expect(await history(person.client, "main")).toEqual(kept);
  // What was cut is told to the model as it was: asked, and not answered.
  const next = await send(person.client, "main", "And now?");
  await person.chat(next, "final");
  expect(models.requests.at(-1)?.messages).toEqual([
    { role: "user", content: "Are you alive?" },
    { role: "user", content: "Hello?" },
    { role: "user", content: "And now?" },
  ]);
});
