// A server of tools on standard input and output, written by hand so that it can also misbehave. Its mode is
// its first argument; `faithful` does all that a good one does.
import { appendFileSync, existsSync } from "node:fs";
import { createInterface } from "node:readline";

/** What came over the wire. */
type Json = ReturnType<typeof JSON.parse>;
type Message = { id?: number | string; method?: string; params?: Json; result?: unknown; error?: unknown };
type Result = Record<string, unknown>;

const mode = process.argv[2] ?? "faithful";
const OBJECT = { type: "object", properties: {} };

/** What came that is worth telling: notifications, and answers to what we asked the client. */
const seen: unknown[] = [];
const waiting = new Map<string, (message: Message) => void>();
const extra: unknown[] = [];
let offered: unknown;
let asked = 0;

function send(message: unknown): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function notify(method: string, params: unknown): void {
  send({ jsonrpc: "2.0", method, params });
}

function ask(method: string, params: unknown): Promise<Message> {
  const id = `ask-${asked++}`;
  send({ jsonrpc: "2.0", id, method, params });
  return new Promise((resolve) => waiting.set(id, resolve));
}

const text = (said: unknown): Result => ({
  content: [{ type: "text", text: typeof said === "string" ? said : JSON.stringify(said) }],
});

type Tool = (args: Json, message: Message) => Result | Promise<Result | undefined>;

const TOOLS: Record<string, Tool> = {
  echo: (args) => text(args.said ?? args),
  pid: () => text(String(process.pid)),
  env: () => text(process.env),
  cwd: () => text(process.cwd()),
  offered: () => text(offered),
  seen: () => text(seen),
  /** Answers exactly what it is given. */
  give: (args) => args.result,
  fail: () => ({ ...text("it did not work"), isError: true }),
  hang: () => new Promise(() => {}),
  /** Answers when there is a file of this name. */
  until: (args) =>
    new Promise((resolve) => {
      const timer = setInterval(() => {
        if (!existsSync(args.file)) return;
        clearInterval(timer);
        resolve(text("it is there"));
      }, 10);
    }),
  /** Reads nothing any more. */
  deaf: () => {
    process.stdin.pause();
    return text("deaf");
  },
  exit: (args) => {
    process.exit(args.code ?? 7);
  },
  kill: () => {
    process.kill(process.pid, "SIGKILL");
    return new Promise(() => {});
  },
  progress: (args, message) => {
    const progressToken = message.params._meta?.progressToken;
    for (let progress = 1; progress <= args.steps; progress++) {
      notify("notifications/progress", { progressToken, progress, total: args.steps, message: args.message });
    }
    return text("done");
  },
  /** Progress and answer in one piece. */
  burst: (_, message) => {
    const progressToken = message.params._meta?.progressToken;
    const progress = {
      jsonrpc: "2.0",
      method: "notifications/progress",
      params: { progressToken, progress: 1 },
    };
    const answer = { jsonrpc: "2.0", id: message.id, result: text("done") };
    process.stdout.write(`${JSON.stringify(progress)}\n${JSON.stringify(answer)}\n`);
    return new Promise(() => {});
  },
  ask: async (args) => text((await ask(args.method, args.params ?? {})).error),
  log: (args) => {
    for (let i = 0; i < (args.lines ?? 1); i++) {
      notify("notifications/message", { level: "info", data: args.data });
    }
    return text("logged");
  },
  stderr: (args) => {
    process.stderr.write(`${args.line}\n`);
    return text("written");
  },
  grow: (args) => {
    extra.push({ name: args.name, description: "new", inputSchema: OBJECT });
    for (let i = 0; i < 50; i++) notify("notifications/tools/list_changed", undefined);
    return text("grown");
  },
};

/** Two on a page. */
function page(cursor: string | undefined): Result {
  const all = [
    ...Object.keys(TOOLS).map((name) => ({ name, description: `Does ${name}`, inputSchema: OBJECT })),
    ...extra,
  ];
  const from = Number(cursor ?? 0);
  const rest = from + 2 < all.length ? { nextCursor: String(from + 2) } : {};
  return { tools: all.slice(from, from + 2), ...rest };
}

const BAD_TOOLS: unknown[] = [
  { name: "good", description: "d".repeat(10_000), inputSchema: { properties: { a: {} } } },
  { name: "good", description: "another", inputSchema: OBJECT },
  { name: "a.b", inputSchema: OBJECT },
  { name: "a/b", inputSchema: OBJECT },
  { name: "a_b", inputSchema: OBJECT },
  { name: "\u001b[2Jevil\nname\u202e", inputSchema: OBJECT },
  { name: "n".repeat(100), inputSchema: OBJECT },
  { name: "n".repeat(300), inputSchema: OBJECT },
  { name: "", inputSchema: OBJECT },
  { name: 7, inputSchema: OBJECT },
  { name: "no-schema" },
  { name: "list-schema", inputSchema: [] },
  { name: "text-schema", inputSchema: { type: "string" } },
  { name: "large-schema", inputSchema: { type: "object", description: "x".repeat(70_000) } },
  { name: "lone\ud800", inputSchema: OBJECT },
  null,
  "tool",
];

let lists = 0;

function list(params: Json): Result {
  if (mode === "bad-tools") return { tools: BAD_TOOLS };
  if (mode === "no-list") return { tools: "none" };
  if (mode === "endless-list") {
    lists += 1;
    const tools = Array.from({ length: 100 }, (_, i) => ({ name: `t${lists}-${i}`, inputSchema: OBJECT }));
    return { tools, nextCursor: `page-${lists}` };
  }
  const listed = page(params?.cursor);
  if (mode === "growing" && listed["nextCursor"] === undefined && lists++ < 3) {
    extra.push({ name: `late-${lists}`, inputSchema: OBJECT });
    notify("notifications/tools/list_changed", undefined);
  }
  return listed;
}

async function answer(message: Message): Promise<Result | undefined> {
  const { method, params } = message;
  if (method === "initialize") {
    offered = params.capabilities;
    if (mode === "dies-greeting") process.exit(4);
    if (mode === "odd-version") {
      return { protocolVersion: "1999-01-01", capabilities: {}, serverInfo: { name: "t", version: "1" } };
    }
    const { protocolVersion } = params;
    const capabilities = mode === "toolless" ? {} : { tools: { listChanged: true }, logging: {} };
    return { protocolVersion, capabilities, serverInfo: { name: "t", version: "1" } };
  }
  if (method === "ping") return {};
  if (method === "tools/list") {
    if (mode === "dies-listing") process.exit(5);
    return list(params);
  }
  const tool = method === "tools/call" ? TOOLS[params.name] : undefined;
  if (!tool) throw new Error(`nothing named ${params?.name ?? method}`);
  return await tool(params.arguments ?? {}, message);
}

async function receive(line: string): Promise<void> {
  const message: Message = JSON.parse(line);
  if (message.method === undefined) {
    waiting.get(String(message.id))?.(message);
    return;
  }
  if (message.id === undefined) {
    seen.push(message);
    if (mode === "dies-later" && message.method === "notifications/initialized") process.exit(6);
    return;
  }
  if (mode === "silent") return;
  if (mode === "garbage")
    process.stdout.write('Listening!\n\n{"jsonrpc":"2.0"}\n[1]\n{"half\nnull\n\u0000\u0007\n');
  if (mode === "endless" && message.method === "tools/call") return flood();
  const { id } = message;
  try {
    const result = await answer(message);
    if (mode === "garbage") send({ jsonrpc: "2.0", id: "nobody", result: {} });
    send({ jsonrpc: "2.0", id, result });
  } catch (error) {
    send({ jsonrpc: "2.0", id, error: { code: -32602, message: String(error) } });
  }
}

/** A line without an end, for as long as somebody reads. */
function flood(): void {
  const chunk = "x".repeat(1024 * 1024);
  const more = (): void => void process.stdout.write(chunk, (error) => error ?? more());
  more();
}

if (mode === "dies") process.exit(3);
if (mode === "stubborn") process.on("SIGTERM", () => {});
if (mode === "tells-secret") {
  process.stderr.write(`my key is ${process.env["TEST_KEY"]}\n`);
  process.exit(3);
}
// With a name, each start leaves a line in a file of that name, so that a test can count them.
const [, , , tally] = process.argv;
if (tally !== undefined) appendFileSync(tally, `${process.pid}\n`);

createInterface({ input: process.stdin }).on("line", (line) => void receive(line));
if (mode === "stubborn") setInterval(() => {}, 1_000);
else process.stdin.on("end", () => process.exit(0));
