/** Agents use the tools of real servers through the built gateway, over both of the protocol's ways. */
import { describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Message } from "../../src/client/mod.ts";
import { createHome, type Gateway, type Home, startGateway } from "../support/binary.ts";
import { everythingCommand, type HttpProgram, startOverHttp } from "../support/mcp-everything.ts";
import { isAlive } from "../support/mcp-tools.ts";
import { type OpenAiServer, startOpenAiServer } from "../support/openai-server.ts";
import { listen, type Listener, type Told } from "../support/sdk.ts";
import { tempDir } from "../support/temp.ts";

/** The servers are fetched when they are first needed. */
setDefaultTimeout(90_000);

const WAYS = ["stdio", "http"] as const;

interface Setting {
  readonly home: Home;
  readonly gateway: Gateway;
  readonly models: OpenAiServer;
  readonly person: Listener;
  /** Process of the server of tools, when it has been started. */
  serverPid(): number;
}

/** A gateway whose agent has the protocol's own test server, and a model that is told what to say. */
async function start(way: (typeof WAYS)[number], server: object = {}, config: object = {}): Promise<Setting> {
  const models = await startOpenAiServer();
  onTestFinished(() => models.stop());
  const overHttp = way === "http" ? await startHttp() : undefined;
  const pidFile = join(tempDir(), "pid");
  const reach = overHttp ? { url: overHttp.url } : await stdioOf(pidFile);
  const home = createHome({
    agents: { defaults: { model: "test/some-model" } },
    models: { providers: { test: { baseUrl: models.url } } },
    mcp: { servers: { all: { ...reach, ...server } } },
    ...config,
  });
  const gateway = await startGateway(home);
  const person = await listen(gateway, { token: gateway.token() });
  return {
    home,
    gateway,
    models,
    person,
    serverPid: () => overHttp?.pid ?? Number(readFileSync(pidFile, "utf8")),
  };
}

async function startHttp(): Promise<HttpProgram> {
  const program = await startOverHttp(everythingCommand("streamableHttp"));
  onTestFinished(() => program.stop());
  return program;
}

/** Leaves its process number, so that a test can end it. */
async function stdioOf(pidFile: string) {
  const command = await everythingCommand();
  return { command: "sh", args: ["-c", 'echo $$ > "$0"; exec "$@"', pidFile, ...command] };
}

/** The model wants this tool and then says this. */
function script(models: OpenAiServer, name: string, args: object, text = "Done."): void {
  models.queue(
    { kind: "answer", toolCalls: [{ id: "call_1", name, args: JSON.stringify(args) }] },
    { kind: "answer", text: [text] },
  );
}

async function send({ client }: Listener, message: string): Promise<string> {
  const { runId } = await client.call("chat.send", { sessionKey: "main", message });
  return runId;
}

/** What the `agent` events of a run tell of its tools, in order. */
function toolNews(person: Listener, runId: string): unknown[] {
  return person.told.filter((told) => isToolNews(told, runId)).map(({ payload }) => payload["data"]);
}

function isToolNews({ event, payload }: Told, runId: string): boolean {
  return event === "agent" && payload["runId"] === runId && payload["stream"] === "tool";
}

function toolCalls(message: Message | undefined): unknown[] {
  return message?.content.filter(({ type }) => type === "tool_call") ?? [];
}

async function lastMessage({ client }: Listener): Promise<Message | undefined> {
  return (await client.call("chat.history", { sessionKey: "main" })).messages.at(-1);
}

/** Names of the tools that a model was told of. */
function toolsTold(body: Readonly<Record<string, unknown>>): string[] {
  const tools = (body["tools"] ?? []) as { function: { name: string } }[];
  return tools.map((tool) => tool.function.name);
}

describe.each(WAYS)("over %s", (way) => {
  test("a tool that the model wants is called, told as it goes, kept, and its answer goes back", async () => {
    const { models, person, gateway, serverPid } = await start(way);
    script(models, "all__echo", { message: "hello" }, "It said hello.");
    const runId = await send(person, "Say hello");
    await person.chat(runId, "final");
    expect(toolNews(person, runId)).toEqual([
      { phase: "start", toolCallId: "call_1", name: "all__echo", args: '{"message":"hello"}' },
      { phase: "result", toolCallId: "call_1", result: "Echo: hello", isError: false },
    ]);
    const kept = await lastMessage(person);
    expect(kept?.content).toEqual([
      {
        type: "tool_call",
        id: "call_1",
        name: "all__echo",
        args: '{"message":"hello"}',
        result: "Echo: hello",
      },
      { type: "text", text: "It said hello." },
    ]);
    const [first, second] = models.requests;
    expect(toolsTold(first?.body ?? {})).toContain("all__echo");
    expect(second?.body["messages"]).toContainEqual(
      expect.objectContaining({ role: "tool", tool_call_id: "call_1", content: "Echo: hello" }),
    );
    const pid = serverPid();
    expect(isAlive(pid)).toBe(true);
    await gateway.stop();
    // A program of ours ends with us; a server of somebody else goes on.
    expect(isAlive(pid)).toBe(way === "http");
  });

  test("progress of a tool is told while it works", async () => {
    const { models, person } = await start(way);
    script(models, "all__trigger-long-running-operation", { duration: 0.9, steps: 3 });
    const runId = await send(person, "Work");
    await person.chat(runId, "final");
    const phases = toolNews(person, runId).map((data) => (data as { phase: string }).phase);
    expect(phases[0]).toBe("start");
    expect(phases.at(-1)).toBe("result");
    expect(toolNews(person, runId)).toContainEqual({ phase: "update", toolCallId: "call_1", text: "1 of 3" });
  });

  test("a server that is killed in the middle of a run is an error of its tool, not the end of the run", async () => {
    const { models, person, serverPid } = await start(way);
    script(models, "all__trigger-long-running-operation", { duration: 60, steps: 600 }, "It broke.");
    const runId = await send(person, "Work");
    await person.until("progress", (told) => isToolNews(told, runId) && phaseOf(told) === "update");
    process.kill(serverPid(), "SIGKILL");
    const { message } = await person.chat(runId, "final");
    expect(message.content.at(-1)).toEqual({ type: "text", text: "It broke." });
    expect(toolCalls(message)).toEqual([
      expect.objectContaining({
        isError: true,
        result: expect.stringMatching(/^Cannot call tool "trigger-long-running-operation" of "all": it .+/),
      }),
    ]);
    expect(await lastMessage(person)).toEqual(message);
  });

  test("an aborted run ends its call, and the server answers the next one", async () => {
    const { models, person } = await start(way);
    const args = JSON.stringify({ duration: 60, steps: 600 });
    const name = "all__trigger-long-running-operation";
    models.queue({ kind: "answer", toolCalls: [{ id: "call_0", name, args }] });
    const runId = await send(person, "Work");
    await person.until("progress", (told) => isToolNews(told, runId) && phaseOf(told) === "update");
    await person.client.call("chat.abort", { runId });
    const aborted = await person.chat(runId, "aborted");
    expect(toolCalls(aborted.message)).toEqual([{ type: "tool_call", id: "call_0", name, args }]);
    script(models, "all__echo", { message: "on" }, "On.");
    const next = await send(person, "Go on");
    const { message } = await person.chat(next, "final");
    expect(toolCalls(message)).toEqual([expect.objectContaining({ result: "Echo: on" })]);
  });
});

function phaseOf({ payload }: Told): unknown {
  return (payload["data"] as { phase?: unknown }).phase;
}

test("the model is told the tools that the server's lists, everybody's and the agent's allow, and no others", async () => {
  const { models, person } = await start(
    "stdio",
    { allow: ["get-*", "echo"] },
    {
      tools: { deny: ["all__get-env"] },
      agents: {
        defaults: { model: "test/some-model" },
        list: [
          { id: "main", default: true, tools: { deny: ["*tiny*"] } },
          { id: "none", tools: { allow: [] } },
        ],
      },
    },
  );
  const runId = await send(person, "Hello");
  await person.chat(runId, "final");
  const told = toolsTold(models.requests[0]?.body ?? {});
  expect(told).toContain("all__echo");
  expect(told).toContain("all__get-sum");
  expect(told.filter((name) => !/^all__(?:get-|echo$)/.test(name) || /env|tiny/.test(name))).toEqual([]);
  script(models, "all__get-env", {});
  const refused = await send(person, "Show me");
  const { message } = await person.chat(refused, "final");
  expect(toolCalls(message)).toEqual([expect.objectContaining({ name: "all__get-env", isError: true })]);
  const other = await person.client.call("chat.send", { sessionKey: "agent:none:main", message: "Hello" });
  await person.chat(other.runId ?? "", "final");
  expect(toolsTold(models.requests.at(-1)?.body ?? {})).toEqual([]);
});

test("a server that is taken out of the configuration ends while the gateway runs, and its tools with it", async () => {
  const { models, person, serverPid } = await start("stdio");
  const first = await send(person, "Hello");
  await person.chat(first, "final");
  const pid = serverPid();
  expect(isAlive(pid)).toBe(true);
  await person.client.call("config.unset", { key: "mcp.servers.all" });
  // It is told to end within seconds; nothing tells a test that it has.
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 50));
  const next = await send(person, "Hello again");
  await person.chat(next, "final");
  expect(toolsTold(models.requests.at(-1)?.body ?? {})).toEqual([]);
});

test("a server that cannot be started costs its tools and a line of the log, not the answer", async () => {
  const { models, person, gateway, home } = await start(
    "stdio",
    {},
    {
      mcp: { servers: { bad: { command: "no-such-program-here", env: { KEY: "canary-0123456789" } } } },
    },
  );
  models.queue({ kind: "answer", text: ["Without."] });
  const runId = await send(person, "Hello");
  const { message } = await person.chat(runId, "final");
  expect(message.content).toEqual([{ type: "text", text: "Without." }]);
  expect(await gateway.logged("tools server cannot be started")).toMatchObject({
    level: "warn",
    server: "bad",
    reason: 'Cannot start program "no-such-program-here": there is no such program',
  });
  expect(gateway.printed()).not.toContain("canary");
  expect(existsSync(join(home.path, "clawd"))).toBe(true);
});
