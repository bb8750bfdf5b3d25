/** The gateway on the other runtime: programs beside it, its database, and what is there after a kill. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { createHome, type Gateway, type Home, spawn, startGateway } from "../support/binary.ts";
import { onDeno } from "../support/deno.ts";
import { isAlive, stdioServer } from "../support/mcp-tools.ts";
import { type OpenAiServer, startOpenAiServer } from "../support/openai-server.ts";
import { listen, type Listener } from "../support/sdk.ts";

/** With the installation of Deno, where it has not been needed before. */
setDefaultTimeout(120_000);

let models: OpenAiServer | undefined;

afterEach(async () => {
  await models?.stop();
});

const env = { DENO_NO_UPDATE_CHECK: "1" };

async function start(home: Home, port = 0): Promise<{ gateway: Gateway; person: Listener }> {
  const command = await onDeno("run");
  const gateway = await startGateway(home, { command, args: ["--port", String(port)], env });
  return { gateway, person: await listen(gateway, { token: gateway.token() }) };
}

/** A model server, and an agent of its model with tools that a program beside the gateway has. */
async function createSetting(): Promise<{ home: Home; models: OpenAiServer }> {
  models = await startOpenAiServer();
  const home = createHome({
    agents: { defaults: { model: "test/some-model" } },
    models: { providers: { test: { baseUrl: models.url } } },
    mcp: { servers: { s: stdioServer() } },
    tools: { approve: ["s__echo"] },
  });
  return { home, models };
}

test("a tool of a program, asked about first, an answer that is found again, and the command line", async () => {
  const { home, models: server } = await createSetting();
  const { gateway, person } = await start(home);
  server.queue(
    {
      kind: "answer",
      toolCalls: [
        { id: "call_1", name: "s__echo", args: '{"said":"a needle"}' },
        { id: "call_2", name: "s__pid", args: "{}" },
      ],
    },
    { kind: "answer", text: ["It said so."] },
  );
  const { runId } = await person.client.call("chat.send", { sessionKey: "main", message: "Ask the tool" });
  const { payload } = await person.until("question", ({ event }) => event === "approval.requested");
  const { id } = payload["approval"] as { id: string };
  await person.client.call("approvals.resolve", { id, decision: "allow_once" });
  const { message } = await person.chat(runId, "final");
  expect(message.content).toEqual([
    { type: "tool_call", id: "call_1", name: "s__echo", args: '{"said":"a needle"}', result: "a needle" },
    { type: "tool_call", id: "call_2", name: "s__pid", args: "{}", result: expect.any(String) },
    { type: "text", text: "It said so." },
  ]);
  const pid = Number(message.content.flatMap((part) => (part.type === "tool_call" ? part.result : []))[1]);
  expect(isAlive(pid)).toBe(true);
  const { hits } = await person.client.call("sessions.search", { query: "said so" });
  expect(hits.map(({ key, messageId }) => [key, messageId])).toEqual([["agent:main:main", message.id]]);

  const chat = spawn(home, await onDeno("chat", "-s", "other", "Hello"), env);
  expect(await chat.exited()).toBe(0);
  expect([chat.stdout(), chat.stderr()]).toEqual(["Heard: Hello\n", ""]);
  expect(await gateway.stop()).toBe(0);
  expect(isAlive(pid)).toBe(false);
});

test("a kill leaves what was said yes to, and the answer can be asked for again", async () => {
  const { home, models: server } = await createSetting();
  const { gateway, person } = await start(home);
  server.queue({ kind: "stall", after: ["One ", "two"] });
  const { runId } = await person.client.call("chat.send", { sessionKey: "main", message: "Count" });
  await person.chat(runId, "delta");
  await gateway.stop("SIGKILL");

  const again = await start(home, gateway.port);
  const { messages } = await again.person.client.call("chat.history", { sessionKey: "main" });
  expect(messages.map(({ role, status }) => [role, status])).toEqual([
    ["user", undefined],
    ["assistant", "interrupted"],
  ]);
  server.queue({ kind: "answer", text: ["One two three."] });
  const retried = await again.person.client.call("chat.retry", { sessionKey: "main" });
  expect((await again.person.chat(retried.runId, "final")).message.content).toEqual([
    { type: "text", text: "One two three." },
  ]);
  expect(await again.gateway.stop()).toBe(0);
});
