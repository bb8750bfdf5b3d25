/**
 * A real agent of the registry, opencode, as the agent of a session: it talks to a scripted model, asks
 * before it runs a command, is cut off, and goes on with its conversation after the gateway was started
 * again.
 */
import { expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { opencode } from "../../scripts/tools.ts";
import type { ClientEvents, GatewayClient } from "../../src/client/mod.ts";
import { createHome, type Gateway, type Home, startGateway } from "../support/binary.ts";
import { stdioServer } from "../support/mcp-tools.ts";
import { type OpenAiServer, startOpenAiServer } from "../support/openai-server.ts";
import { listen, type Listener } from "../support/sdk.ts";

/** A first run may have to install the agent, and each of its starts takes some seconds. */
setDefaultTimeout(120_000);

/** What answers the person. Titles are asked of another model, at the same time. */
const MODEL = "big";

/** The agent's own configuration, as its users write it. */
function agentConfig({ url }: OpenAiServer): string {
  return JSON.stringify({
    model: `local/${MODEL}`,
    small_model: "local/tiny",
    autoupdate: false,
    share: "disabled",
    provider: {
      local: {
        npm: "@ai-sdk/openai-compatible",
        name: "Local",
        options: { baseURL: url, apiKey: "none" },
        models: { [MODEL]: { name: "Big" }, other: { name: "Other" }, tiny: { name: "Tiny" } },
      },
    },
    permission: { bash: "ask", edit: "ask" },
  });
}

interface Setting {
  readonly home: Home;
  readonly models: OpenAiServer;
  readonly workspace: string;
}

async function prepare(more: object = {}): Promise<Setting> {
  const command = [await opencode(), "acp", "--pure"];
  const models = await startOpenAiServer();
  onTestFinished(() => models.stop());
  models.on("tiny", { kind: "answer", text: ["A title"] });
  // What it would fetch from the network is left where it is.
  const env = { OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_LSP_DOWNLOAD: "1" };
  const home = createHome({
    agents: { defaults: { model: "opencode/default", workspace: "~/work" } },
    models: { providers: { opencode: { api: "acp", command, env } } },
    ...more,
  });
  const workspace = join(home.path, "work");
  mkdirSync(workspace, { mode: 0o755 });
  writeFileSync(join(workspace, "opencode.json"), agentConfig(models));
  return { home, models, workspace };
}

async function enter(home: Home): Promise<{ gateway: Gateway; person: Listener }> {
  const gateway = await startGateway(home);
  return { gateway, person: await listen(gateway, { token: gateway.token() }) };
}

async function send(client: GatewayClient, message: string): Promise<string> {
  const { runId } = await client.call("chat.send", { sessionKey: "main", message });
  return runId ?? "";
}

/** Where the agent has to start first, which takes its time on a busy machine. */
async function answered({ client, chat }: Listener, message: string) {
  const runId = await send(client, message);
  const { status, error } = await client.call(
    "agent.wait",
    { runId, timeoutMs: 60_000 },
    { timeoutMs: 70_000 },
  );
  expect({ status, error }).toEqual({ status: "ok", error: undefined });
  return (await chat(runId, "final")).message.content;
}

type Approval = ClientEvents["approval.requested"]["approval"];

async function asked(person: Listener, runId: string): Promise<Approval> {
  const { payload } = await person.until(
    "approval",
    ({ event, payload: told }) =>
      event === "approval.requested" && (told["approval"] as Approval).runId === runId,
  );
  // What the SDK promises of an event with this name.
  return payload["approval"] as Approval;
}

const call = (id: string, command: string) => ({
  kind: "answer" as const,
  toolCalls: [{ id, name: "bash", args: JSON.stringify({ command, description: "Says a word" }) }],
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // There is no such process.
    return false;
  }
}

test("prompt, permission, approval, answer, refusal, cancel, restart, resume", async () => {
  const { home, models, workspace } = await prepare();
  const first = await enter(home);
  const { person } = first;
  const { client } = person;

  models.on(MODEL, { kind: "answer", text: ["Good ", "morning"] });
  expect(await answered(person, "Hello, I am Ada")).toEqual([{ type: "text", text: "Good morning" }]);

  models.on(MODEL, call("call_yes", "pwd; echo $PPID > proof.txt"), { kind: "answer", text: ["It is done"] });
  const working = await send(client, "Leave a proof");
  const question = await asked(person, working);
  expect(question).toMatchObject({
    sessionKey: "agent:main:main",
    title: 'run "pwd; echo $PPID > proof.txt"',
  });
  expect(await Bun.file(join(workspace, "proof.txt")).exists()).toBe(false);
  await client.call("approvals.resolve", { id: question.id, decision: "allow_once" });
  const { message } = await person.chat(working, "final");
  expect(message.content).toEqual([
    expect.objectContaining({ type: "tool_call", id: "call_yes", name: "bash", result: `${workspace}\n` }),
    { type: "text", text: "It is done" },
  ]);
  const agentPid = Number(await Bun.file(join(workspace, "proof.txt")).text());
  expect(isAlive(agentPid)).toBe(true);

  models.on(MODEL, call("call_no", "rm proof.txt"), { kind: "answer", text: ["As you wish"] });
  const refused = await send(client, "Remove it");
  const { id } = await asked(person, refused);
  await client.call("approvals.resolve", { id, decision: "deny" });
  const answer = await person.chat(refused, "final");
  expect(answer.message.content[0]).toMatchObject({ type: "tool_call", id: "call_no", isError: true });
  expect(await Bun.file(join(workspace, "proof.txt")).exists()).toBe(true);

  models.on(MODEL, { kind: "stall", after: ["Once upon "] });
  const story = await send(client, "Tell me a story");
  await person.chat(story, "delta");
  const stalled = models.requests.findLast(({ model }) => model === MODEL);
  await client.call("chat.abort", { runId: story });
  const cut = await person.chat(story, "aborted");
  expect(cut.message?.content).toEqual([{ type: "text", text: "Once upon " }]);
  expect((await stalled?.ended)?.how).toBe("aborted");

  expect(await first.gateway.stop()).toBe(0);
  expect(isAlive(agentPid)).toBe(false);
  const second = await enter(home);
  models.on(MODEL, { kind: "answer", text: ["Ada"] });
  expect(await answered(second.person, "Who am I?")).toEqual([{ type: "text", text: "Ada" }]);
  // The agent has taken its own conversation up again: nothing was told a second time.
  const messages = models.requests.findLast(({ model }) => model === MODEL)?.messages ?? [];
  const said = messages.filter(({ role }) => role === "user").map(({ content }) => content);
  expect(said.filter((content) => content.includes("Hello, I am Ada"))).toEqual(["Hello, I am Ada"]);
  expect(said.at(-1)).toBe("Who am I?");
  expect(messages.some(({ role, content }) => role === "tool" && content.includes(workspace))).toBe(true);
  expect(await second.gateway.stop()).toBe(0);
});

test("the gateway's servers of tools are the agent's too, except where a person is to be asked", async () => {
  const servers = { plain: stdioServer(), asked: stdioServer() };
  const { home, models } = await prepare({ mcp: { servers }, tools: { approve: ["asked__*"] } });
  const { gateway, person } = await enter(home);
  const toolCalls = [{ id: "call_1", name: "plain_echo", args: '{"said":"hello"}' }];
  models.on(MODEL, { kind: "answer", toolCalls }, { kind: "answer", text: ["It said hello"] });
  expect((await answered(person, "Say hello")).at(-1)).toEqual({ type: "text", text: "It said hello" });
  const big = models.requests.filter(({ model }) => model === MODEL);
  const offered = (big[0]?.body["tools"] ?? []) as { function: { name: string } }[];
  const names = offered.map((tool) => tool.function.name);
  expect(names).toContain("plain_echo");
  expect(names.filter((name) => name.startsWith("asked"))).toEqual([]);
  expect(big.at(-1)?.messages).toContainEqual({ role: "tool", content: "hello" });
  expect(await gateway.stop()).toBe(0);
});
