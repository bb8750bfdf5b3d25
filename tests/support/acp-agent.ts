// A small agent that speaks the Agent Client Protocol, for tests: what it does is in the text of the prompt.
// Flags: --load, --resume, --models, --old-models, --images, --store=FILE, --login, --slow-start,
// --http, --refuses-servers
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import {
  agent,
  type AgentContext,
  type ContentBlock,
  methods,
  ndJsonStream,
  RequestError,
} from "@agentclientprotocol/sdk";

const flags = new Set(process.argv.slice(2));
const store = process.argv.find((arg) => arg.startsWith("--store="))?.slice("--store=".length);

type Session = { readonly said: string[]; model: string; cancel: AbortController };

const sessions = new Map<string, Session>();
if (store !== undefined && existsSync(store)) {
  const kept = JSON.parse(readFileSync(store, "utf8")) as Record<string, string[]>;
  for (const [id, said] of Object.entries(kept)) sessions.set(id, made(said));
}

function made(said: string[] = []): Session {
  return { said, model: "small", cancel: new AbortController() };
}

function keep(): void {
  if (store === undefined) return;
  const all = Object.fromEntries([...sessions].map(([id, { said }]) => [id, said]));
  writeFileSync(store, JSON.stringify(all));
}

function find(id: string): Session {
  const session = sessions.get(id);
  if (!session) throw RequestError.sessionNotFound(id);
  return session;
}

type Talk = { readonly client: AgentContext; readonly sessionId: string; readonly session: Session };
type Prompt = { readonly text: string; readonly blocks: readonly ContentBlock[] };

function say(
  talk: Talk,
  text: string,
  sessionUpdate: "agent_message_chunk" | "agent_thought_chunk" = "agent_message_chunk",
) {
  const { client, sessionId } = talk;
  return client.notify(methods.client.session.update, {
    sessionId,
    update: { sessionUpdate, content: { type: "text", text } },
  });
}

type StopReason = "end_turn" | "max_tokens" | "refusal" | "cancelled";

const ACTS: Readonly<Record<string, (talk: Talk, prompt: Prompt) => Promise<StopReason>>> = {
  async say(talk, { text }) {
    for (const word of text.split(" ").slice(1)) await say(talk, `${word} `);
    return "end_turn";
  },
  async think(talk) {
    await say(talk, "hm", "agent_thought_chunk");
    await talk.client.notify(methods.client.session.update, {
      sessionId: talk.sessionId,
      update: {
        sessionUpdate: "plan",
        entries: [
          { content: "look", priority: "high", status: "completed" },
          { content: "act", priority: "low", status: "pending" },
        ],
      },
    });
    await say(talk, "done");
    return "end_turn";
  },
  async limits(talk, { text }) {
    await say(talk, "cut");
    return text.endsWith("refusal") ? "refusal" : "max_tokens";
  },
  async tool({ client, sessionId, session, ...rest }) {
    const talk = { client, sessionId, session, ...rest };
    const update = (fields: object) =>
      client.notify<object>(methods.client.session.update, {
        sessionId,
        update: { toolCallId: "t1", ...fields },
      });
    const rawInput = { command: "ls -la" };
    await update({
      sessionUpdate: "tool_call",
      title: "bash",
      kind: "execute",
      status: "pending",
      rawInput: {},
    });
    const { outcome } = await client.request(methods.client.session.requestPermission, {
      sessionId,
      toolCall: { toolCallId: "t1", title: "ls -la", kind: "execute", status: "pending", rawInput },
      options: [
        { optionId: "yes", name: "Yes", kind: "allow_once" },
        { optionId: "always", name: "Always", kind: "allow_always" },
        { optionId: "no", name: "No", kind: "reject_once" },
      ],
    });
    if (outcome.outcome === "cancelled") return "cancelled";
    if (outcome.optionId === "no") {
      await update({ sessionUpdate: "tool_call_update", status: "failed", rawOutput: { error: "refused" } });
      await say(talk, "not allowed");
      return "end_turn";
    }
    await update({ sessionUpdate: "tool_call_update", status: "in_progress", rawInput });
    const content = [{ type: "content", content: { type: "text", text: "a.txt" } }];
    await update({ sessionUpdate: "tool_call_update", status: "in_progress", content });
    await update({ sessionUpdate: "tool_call_update", status: "completed", content });
    await say(talk, `answer ${outcome.optionId}`);
    return "end_turn";
  },
  async slow(talk) {
    await say(talk, "begun");
    const { signal } = talk.session.cancel;
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    await say(talk, "too late");
    return "cancelled";
  },
  /** Does not hear that it is to stop. */
  async deaf(talk) {
    await say(talk, `begun ${process.pid}`);
    return new Promise<never>(() => {});
  },
  async history(talk) {
    await say(talk, JSON.stringify(talk.session.said));
    return "end_turn";
  },
  async facts(talk, { blocks }) {
    const kinds = blocks.map(({ type }) => type);
    const { env, pid } = process;
    await say(talk, JSON.stringify({ env, pid, kinds, model: talk.session.model, directory: process.cwd() }));
    return "end_turn";
  },
  async servers(talk) {
    await say(talk, JSON.stringify(servers));
    return "end_turn";
  },
  async crash(talk) {
    await say(talk, "half a w");
    process.stderr.write("first complaint\nkey sk-very-secret-0123 does not fit\n");
    process.exit(3);
  },
  async fail() {
    throw RequestError.internalError({ details: "the model is on holiday" });
  },
};

const CONFIG = {
  id: "engine",
  name: "Engine",
  category: "model",
  type: "select",
  currentValue: "small",
  options: [
    { value: "small", name: "Small" },
    { group: "big", name: "Big", options: [{ value: "large", name: "Large" }] },
  ],
};

/** Servers of tools that it was given with the newest session. */
let servers: unknown;

/** What is said with each session: an older form of the choice of models is not in the library any more. */
function offered(): object {
  if (flags.has("--models")) return { configOptions: [CONFIG] };
  if (!flags.has("--old-models")) return {};
  const availableModels = ["small", "large"].map((modelId) => ({ modelId, name: modelId }));
  return { models: { availableModels, currentModelId: "small" } };
}

if (flags.has("--slow-start")) await new Promise(() => setInterval(() => {}, 60_000));

const input = new ReadableStream<Uint8Array>({
  async start(controller) {
    for await (const chunk of process.stdin) controller.enqueue(chunk);
    process.exit(0);
  },
});
const output = new WritableStream<Uint8Array>({
  write: (bytes) => new Promise<void>((resolve) => void process.stdout.write(bytes, () => resolve())),
});

agent({ name: "test agent" })
  .onRequest(methods.agent.initialize, () => ({
    protocolVersion: 1,
    agentCapabilities: {
      loadSession: flags.has("--load"),
      promptCapabilities: { image: flags.has("--images") },
      mcpCapabilities: { http: flags.has("--http") },
      ...(flags.has("--resume") && { sessionCapabilities: { resume: {} } }),
    },
    authMethods: [{ id: "login", name: "Log in", description: "Run agent login" }],
  }))
  .onRequest(methods.agent.session.new, ({ params }) => {
    if (flags.has("--login")) throw RequestError.authRequired();
    servers = params.mcpServers;
    if (flags.has("--refuses-servers") && params.mcpServers.length > 0)
      throw RequestError.internalError({ details: "a server is not there" });
    const sessionId = `s${sessions.size + 1}`;
    sessions.set(sessionId, made());
    return { sessionId, ...offered() };
  })
  .onRequest(methods.agent.session.load, async ({ params: { sessionId }, client }) => {
    const session = find(sessionId);
    for (const text of session.said) await say({ client, sessionId, session }, `again: ${text}`);
    return offered();
  })
  .onRequest(methods.agent.session.resume, ({ params: { sessionId } }) => {
    find(sessionId);
    return offered();
  })
  .onRequest(methods.agent.session.setConfigOption, ({ params }) => {
    find(params.sessionId).model = String(params.value);
    return { configOptions: [] };
  })
  .onRequest(
    "session/set_model",
    (params: unknown) => params as { sessionId: string; modelId: string },
    ({ params }) => {
      find(params.sessionId).model = params.modelId;
      return {};
    },
  )
  .onNotification(methods.agent.session.cancel, ({ params }) => find(params.sessionId).cancel.abort())
  .onRequest(methods.agent.session.prompt, async ({ params: { sessionId, prompt }, client }) => {
    const session = find(sessionId);
    session.cancel = new AbortController();
    const text = prompt.map((block) => (block.type === "text" ? block.text : `(${block.type})`)).join("|");
    session.said.push(text);
    keep();
    const last = prompt.findLast((block) => block.type === "text")?.text ?? "";
    const act = ACTS[last.split(" ")[0] ?? ""] ?? ACTS["say"];
    const stopReason = await act?.({ client, sessionId, session }, { text: last, blocks: prompt });
    const usage = { inputTokens: 7, outputTokens: 3, totalTokens: 15, cachedReadTokens: 5 };
    return { stopReason: stopReason ?? "end_turn", usage };
  })
  .connect(ndJsonStream(output, input));
