/** The gateway is killed at moments nobody chose, in the middle of many conversations, again and again. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { createRandom, type Random } from "../fuzz/random.ts";
import { createHome, type Gateway, type Home, startGateway } from "../support/binary.ts";
import { type Caller, connectCaller } from "../support/caller.ts";

/** All of them with KILL_FULL=1. */
const KILLS = process.env["KILL_FULL"] === "1" ? 200 : 12;
const SEED = Number(process.env["KILL_SEED"] ?? 20_260_131);
const CONVERSATIONS = 50;
const CALLERS = 5;
/** Longest time between the first message after a start and the kill. */
const RUNNING_MS = 400;
const TIMEOUT_MS = 15_000 * KILLS;

interface Sent {
  readonly key: string;
  readonly text: string;
  /** Nobody knows what became of the others: the gateway was gone before it answered. */
  isAcknowledged: boolean;
}

interface Conversation {
  readonly sessionKey: string;
  readonly sent: Sent[];
}

test(
  `${KILLS} kills under ${CONVERSATIONS} conversations lose and double nothing that was acknowledged`,
  async () => {
    const random = createRandom(SEED);
    const home = createHome({ agents: { defaults: { model: "echo/echo" } } });
    const conversations = Array.from({ length: CONVERSATIONS }, (_, n): Conversation => {
      return { sessionKey: `agent:main:talk-${n}`, sent: [] };
    });
    const readyMs: number[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const gateway = await start(home, readyMs);
      expect(openRuns(home)).toEqual([]);
      await talkUntilKilled(gateway, conversations, random);
    }
    const gateway = await start(home, readyMs);
    await settle(gateway, conversations);
    await checkHistories(gateway, conversations);
    checkDisk(home, conversations);
    expect(await gateway.stop()).toBe(0);
    report(readyMs.slice(1), conversations);
  },
  TIMEOUT_MS,
);

async function start(home: Home, readyMs: number[]): Promise<Gateway> {
  const beganMs = performance.now();
  const gateway = await startGateway(home);
  readyMs.push(performance.now() - beganMs);
  return gateway;
}

/** Everybody talks until the gateway is gone, which is at any moment. */
async function talkUntilKilled(
  gateway: Gateway,
  conversations: readonly Conversation[],
  random: Random,
): Promise<void> {
  const callers = await connect(gateway);
  const talks = conversations.map((one, n) => talk(callers[n % CALLERS] ?? none(), one, random));
  const kill = setTimeout(() => gateway.signal("SIGKILL"), random.below(RUNNING_MS));
  await Promise.all(talks);
  clearTimeout(kill);
  expect(await gateway.exited()).toBe(137);
}

function connect({ url, token }: Gateway): Promise<Caller[]> {
  return Promise.all(Array.from({ length: CALLERS }, () => connectCaller(url, token())));
}

function none(): never {
  throw new Error("there is no caller");
}

/**
 * What is not known to have arrived is sent again under its key; then new messages, with and without a wait.
 */
async function talk(caller: Caller, conversation: Conversation, random: Random): Promise<void> {
  const { sessionKey, sent } = conversation;
  for (;;) {
    const message = sent.find(({ isAcknowledged }) => !isAcknowledged) ?? next(conversation);
    const { text, key } = message;
    const outcome = await caller.call("chat.send", { sessionKey, message: text, idempotencyKey: key });
    if (outcome.kind === "gone") return;
    if (outcome.kind === "ok") message.isAcknowledged = true;
    else if (outcome.code !== "busy") throw new Error(`${key}: ${outcome.code}: ${outcome.message}`);
    const runId = outcome.kind === "ok" ? outcome.result["runId"] : undefined;
    if (runId !== undefined && random.chance(0.7))
      await caller.call("agent.wait", { runId, timeoutMs: 2_000 });
  }
}

function next({ sessionKey, sent }: Conversation): Sent {
  const key = `${sessionKey} ${sent.length}`;
  const message = {
    key,
    text: `message ${key} of some words, so that its answer takes a while`,
    isAcknowledged: false,
  };
  sent.push(message);
  return message;
}

/** What is still unknown arrives for good, and every run ends. */
async function settle(gateway: Gateway, conversations: readonly Conversation[]): Promise<void> {
  const [caller = none()] = await connect(gateway);
  for (const { sessionKey, sent } of conversations) {
    for (const message of sent.filter(({ isAcknowledged }) => !isAcknowledged)) {
      const { text, key } = message;
      const outcome = await caller.call("chat.send", { sessionKey, message: text, idempotencyKey: key });
      expect(outcome).toMatchObject({ kind: "ok" });
      message.isAcknowledged = true;
    }
  }
  for (;;) {
    const { result } = ok(await caller.call("runs.list", {}));
    const [run] = result["runs"] as readonly { readonly runId: string }[];
    if (!run) break;
    await caller.call("agent.wait", { runId: run.runId, timeoutMs: 10_000 });
  }
  caller.close();
}

/** As a client sees it: every message once, in the order in which it was sent. */
async function checkHistories(gateway: Gateway, conversations: readonly Conversation[]): Promise<void> {
  const [caller = none()] = await connect(gateway);
  for (const { sessionKey, sent } of conversations) {
    const texts: string[] = [];
    for (let before: unknown; ;) {
      const params = { sessionKey, limit: 1_000, earlier: true, ...(before !== undefined && { before }) };
      const { result } = ok(await caller.call("chat.history", params));
      const page = result["messages"] as readonly Shown[];
      texts.unshift(
        ...page.filter(({ role }) => role === "user").map(({ content }) => content[0]?.text ?? ""),
      );
      before = result["before"];
      if (before === undefined) break;
    }
    expect(texts).toEqual(sent.map(({ text }) => text));
  }
  caller.close();
}

interface Shown {
  readonly role: string;
  readonly content: readonly { readonly text?: string }[];
}

function ok(outcome: Awaited<ReturnType<Caller["call"]>>) {
  if (outcome.kind !== "ok") throw new Error(JSON.stringify(outcome));
  return outcome;
}

/** As the disk has it: whole, no run left open, every run that was cut marked and told in its session. */
function checkDisk(home: Home, conversations: readonly Conversation[]): void {
  const db = openReadOnly(home);
  expect(db.query("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
  expect(db.query("PRAGMA foreign_key_check").all()).toEqual([]);
  const keys = db
    .query("SELECT idempotency_key AS key FROM messages WHERE role = 'user' ORDER BY key")
    .values();
  expect(keys.flat()).toEqual(conversations.flatMap(({ sent }) => sent.map(({ key }) => key)).toSorted());
  expect(db.query("SELECT DISTINCT status FROM runs ORDER BY status").values().flat()).toEqual([
    "interrupted",
    "ok",
  ]);
  const untold = `SELECT id FROM runs WHERE status = 'interrupted' AND NOT EXISTS
    (SELECT 1 FROM messages WHERE run_seq = runs.seq AND role = 'assistant' AND status = 'interrupted')`;
  expect(db.query(untold).all()).toEqual([]);
  const unanswered = `SELECT id FROM runs WHERE status = 'ok' AND 1 != 
    (SELECT count(*) FROM messages WHERE run_seq = runs.seq AND role = 'assistant')`;
  expect(db.query(unanswered).all()).toEqual([]);
  db.close();
}

function openRuns(home: Home): unknown[] {
  const db = openReadOnly(home);
  const open = db.query("SELECT id, status FROM runs WHERE status IN ('queued', 'running')").all();
  db.close();
  return open;
}

/** While the gateway has it open: it alone decides what becomes of its log. */
function openReadOnly(home: Home): Database {
  return new Database(join(home.stateDir, "gateway.db"), { readonly: true });
}

function report(readyMs: readonly number[], conversations: readonly Conversation[]): void {
  const sorted = readyMs.toSorted((a, b) => a - b);
  const [median = 0, slowest = 0] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  const messages = conversations.reduce((sum, { sent }) => sum + sent.length, 0);
  console.log(
    `${KILLS} kills, ${messages} messages: ready again after ${median.toFixed(0)} ms (median), ${slowest.toFixed(0)} ms (slowest)`,
  );
}
