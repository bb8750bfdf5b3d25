// Programs that speak the Agent Client Protocol badly, or not at all. The first argument says how.
import { createInterface } from "node:readline";

const [how = ""] = process.argv.slice(2);

type Message = { readonly id?: number; readonly method?: string };

const write = (text: string): void => void process.stdout.write(text);
const DEEP = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
const send = (message: object): void =>
  write(`${JSON.stringify({ jsonrpc: "2.0", ...message }).replace('"DEEP"', DEEP)}\n`);
const update = (fields: object): void =>
  send({ method: "session/update", params: { sessionId: "s1", update: fields } });
const say = (text: string): void =>
  update({ sessionUpdate: "agent_message_chunk", content: { type: "text", text } });
const ask = (id: unknown, sessionId = "s1"): void =>
  send({
    id,
    method: "session/request_permission",
    params: {
      sessionId,
      toolCall: { toolCallId: "t" },
      options: [{ optionId: "yes", name: "Yes", kind: "allow_once" }],
    },
  });
const end = (id: number | undefined): void => send({ id, result: { stopReason: "end_turn" } });

/** How each of them answers a request; what is not said here is done as it should be. */
const WAYS: Readonly<Record<string, (method: string, id: number) => boolean | void>> = {
  silent: () => true,
  "exits at once": () => process.exit(4),
  garbage: () => {
    for (let line = 0; line < 150; line += 1) write(`This is not JSON, ${line}\n`);
    return true;
  },
  greets: (method, id) => {
    if (method === "initialize") write('Welcome!\n[1,2]\n\n"text"\n');
    if (method === "session/prompt") say("hello");
    return answer(method, id);
  },
  endless: (method) => {
    if (method !== "session/prompt") return false;
    const piece = "x".repeat(1024 * 1024);
    for (let count = 0; count < 12; count += 1) write(piece);
    return true;
  },
  flood: (method, id) => {
    if (method !== "session/prompt") return false;
    for (let count = 0; count < 20_000; count += 1) say(`${count} `);
    end(id);
    return true;
  },
  "empty answers": (_, id) => {
    send({ id, result: null });
    return true;
  },
  "odd updates": (method, id) => {
    if (method !== "session/prompt") return false;
    for (const params of [null, 3, [], {}, { sessionId: "s1" }, { sessionId: "s1", update: null }]) {
      send({ method: "session/update", params });
    }
    for (const fields of [
      { sessionUpdate: "agent_message_chunk" },
      { sessionUpdate: "agent_message_chunk", content: { type: "text", text: 7 } },
      { sessionUpdate: "agent_message_chunk", content: { type: "image", mimeType: "image/png", data: "" } },
      { sessionUpdate: "tool_call" },
      { sessionUpdate: "tool_call_update", toolCallId: { a: 1 }, status: "completed" },
      { sessionUpdate: "tool_call_update", toolCallId: "x", status: "completed", content: "no list" },
      { sessionUpdate: "tool_call", toolCallId: "deep", status: "in_progress", rawInput: "DEEP" },
      { sessionUpdate: "plan", entries: [null, 1, { content: {} }] },
      { sessionUpdate: "not known yet", a: 1 },
      { __proto__: null, sessionUpdate: "toString" },
    ]) {
      update(fields);
    }
    send({ method: "session/update", params: { sessionId: "another", update: { sessionUpdate: "plan" } } });
    send({ method: "unheard/of" });
    send({ id: "r1", method: "fs/read_text_file", params: { sessionId: "s1", path: "/etc/passwd" } });
    send({ id: "r2", method: "terminal/create", params: { sessionId: "s1", command: "id" } });
    say("alive");
    end(id);
    return true;
  },
  "answers twice": (method, id) => {
    if (method !== "session/prompt") return false;
    say("once");
    end(id);
    end(id);
    send({ id: 999, result: {} });
    send({ id, error: { code: 1, message: "changed my mind" } });
    return true;
  },
  "asks unasked": (method, id) => {
    if (method === "session/new") ask("early");
    if (method !== "session/prompt") return false;
    ask("foreign", "another");
    send({ id: "broken", method: "session/request_permission", params: { sessionId: "s1" } });
    finish = () => end(id);
    return true;
  },
  "asks a lot": (method, id) => {
    if (method !== "session/prompt") return false;
    for (let count = 0; count < 100; count += 1) ask(`q${count}`);
    finish = () => end(id);
    return true;
  },
  "begins once": (method, id) => {
    if (method !== "session/new") return false;
    begun += 1;
    return begun > 1 ? true : answer(method, id);
  },
  "wrong version": (method, id) => {
    if (method !== "initialize") return false;
    send({ id, result: { protocolVersion: 99 } });
    return true;
  },
};

let begun = 0;

/** Answers to what it asked, in order; when all have come, `finish` is called. */
let finish = (): void => {};
const answers: string[] = [];

function answer(method: string, id: number): boolean {
  if (method === "initialize") send({ id, result: { protocolVersion: 1, agentCapabilities: {} } });
  else if (method === "session/new") send({ id, result: { sessionId: "s1" } });
  else end(id);
  return true;
}

if (how === "exits at once") process.stderr.write("bad luck\n");

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line) as Message & { result?: { outcome?: object }; error?: { code: number } };
  const { id, method } = message;
  if (method === undefined) {
    answers.push(`${String(id)}: ${JSON.stringify(message.result?.outcome ?? message.error?.code)}`);
    const expected = how === "asks unasked" ? 3 : 100;
    if (answers.length === 84) say("84 answers\n");
    if (answers.length !== expected) continue;
    say(answers.toSorted().join("\n"));
    finish();
  } else if (id !== undefined && WAYS[how]?.(method, id) !== true) answer(method, id);
}
