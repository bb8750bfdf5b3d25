/** The disk fails once, at every place where it can. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../../scripts/build.ts";
import { createHome, type Gateway, type Home, startGateway } from "../support/binary.ts";
import { type Caller, connectCaller, type Outcome } from "../support/caller.ts";
import { type Fault, traced } from "../support/strace.ts";

/** What SQLite and we ask of the system on its files. Locks are not among it: they never reach a disk. */
const CALLS = `openat open pread64 pwrite64 write fsync fdatasync ftruncate fallocate unlink rename mmap
  fstat stat lstat statx newfstatat fchown chmod close`.split(/\s+/);
const ERRORS = ["EIO", "ENOSPC"] as const;

/** Every call with STORAGE_FULL=1, otherwise so many and some, spread over all. */
const FAULTS = process.env["STORAGE_FULL"] === "1" ? Number.POSITIVE_INFINITY : 24;
const TIMEOUT_MS = 20_000;

/** What the gateway says to a client when the disk does not do its part. */
const REFUSED =
  /^Cannot (write to|read) the database: (the disk is full|the disk answered with an error|it is damaged)$/;

interface Life {
  readonly key: string;
  readonly isAcknowledged: boolean;
}

for (const state of ["new", "used"] as const) {
  test(
    `one system call fails, on a ${state} database: an error in words, and nothing lost`,
    async () => {
      const all = await faults(state);
      const lives: Life[] = [];
      let home = createHome();
      let failed = 0;
      for (const [n, fault] of all.entries()) {
        if (state === "new") home = createHome();
        const { hasFailed, life } = await live(home, `life ${n}`, fault).catch((error: unknown) => {
          throw new Error(`with ${JSON.stringify(fault)}`, { cause: error });
        });
        if (state === "new") lives.length = 0;
        lives.push(life);
        if (hasFailed) failed++;
        checkDisk(home, lives, fault);
      }
      console.log(`${failed} of ${all.length} faults came about, on a ${state} database`);
      // How often a call is made differs by a few from life to life.
      expect(failed).toBeGreaterThan(all.length * 0.7);
    },
    TIMEOUT_MS * Math.min(FAULTS, 1_000),
  );
}

/** As many as asked for of all that one life without any gives occasion for. */
async function faults(state: "new" | "used"): Promise<Fault[]> {
  const home = createHome();
  if (state === "used") await live(home, "before", undefined);
  const { counts } = await live(home, "counted", undefined);
  const all = ERRORS.flatMap((error) =>
    CALLS.flatMap((call) =>
      Array.from({ length: counts.get(call) ?? 0 }, (_, n): Fault => ({ call, nth: n + 1, error })),
    ),
  );
  expect(counts.get("pwrite64")).toBeGreaterThan(5);
  expect((counts.get("fsync") ?? 0) + (counts.get("fdatasync") ?? 0)).toBeGreaterThan(2);
  // SQLite makes do with less where it cannot open a file as asked: those are tried in any case.
  const always = all.filter(({ call }) => call === "openat");
  const others = all.filter(({ call }) => call !== "openat");
  const step = Math.max(1, others.length / FAULTS);
  return [...always, ...others.filter((_, n) => Math.floor(n / step) !== Math.floor((n - 1) / step))];
}

/** One start, one message, one stop. The gateway ends in words, or serves. */
async function live(home: Home, key: string, fault: Fault | undefined) {
  const database = join(home.stateDir, "gateway.db");
  const files = ["", "-wal", "-shm"].map((part) => database + part);
  const output = join(home.path, `trace-${key.replace(" ", "-")}`);
  const trace = traced([BINARY, "run"], { calls: CALLS, files, output, fault });
  const gateway = await startOrEnd(home, trace.command);
  const isAcknowledged = gateway !== undefined && (await converse(gateway, key));
  return { life: { key, isAcknowledged }, counts: trace.counts(), hasFailed: trace.hasFailed() };
}

/** @returns undefined when it has ended by itself, which it has to explain */
async function startOrEnd(home: Home, command: readonly string[]): Promise<Gateway | undefined> {
  try {
    return await startGateway(home, { command });
  } catch {
    // It has not listened: what it says itself is looked at, and not what was waited for.
    const program = home.programs.at(-1);
    if (!program) throw new Error("nothing was started");
    expect(await program.exited()).toBe(1);
    const said = program.stderr().trim().split("\n");
    expect(said.at(-1)).toMatch(/^(gateway: )?Cannot (open|prepare|use) /);
    return undefined;
  }
}

/** Whether the message was acknowledged, perhaps at the second try: only one call fails. */
async function converse(gateway: Gateway, key: string): Promise<boolean> {
  const caller = await connectCaller(gateway.url, gateway.token());
  const sent = await again(() => send(caller, key));
  await again(() => caller.call("chat.history", { sessionKey: "main" }));
  if (sent.kind === "ok") {
    const waited = await again(() =>
      caller.call("agent.wait", { runId: sent.result["runId"], timeoutMs: 5_000 }),
    );
    expect(waited.kind === "ok" && waited.result["status"]).not.toBe("timeout");
  }
  caller.close();
  expect([0, 1]).toContain(await gateway.stop());
  return sent.kind === "ok";
}

function send(caller: Caller, key: string): Promise<Outcome> {
  return caller.call("chat.send", {
    sessionKey: "main",
    message: `the message of ${key}`,
    idempotencyKey: key,
  });
}

async function again(ask: () => Promise<Outcome>): Promise<Outcome> {
  const first = await ask();
  if (first.kind === "ok") return first;
  expect(first).toMatchObject({ kind: "refused", message: expect.stringMatching(REFUSED) });
  const second = await ask();
  expect(second).toMatchObject({ kind: "ok" });
  return second;
}

/** Whole, with every acknowledged message once, and not taken for one that cannot be read. */
function checkDisk(home: Home, lives: readonly Life[], fault: Fault): void {
  const what = JSON.stringify(fault);
  expect([what, readdirSync(home.stateDir).filter((name) => name.includes("unreadable"))]).toEqual([
    what,
    [],
  ]);
  const db = new Database(join(home.stateDir, "gateway.db"));
  const check = db.query("PRAGMA integrity_check").all();
  expect([what, check]).toEqual([what, [{ integrity_check: "ok" }]]);
  const hasTables = db.query("SELECT 1 FROM sqlite_schema WHERE name = 'messages'").get() !== null;
  const sql = "SELECT idempotency_key AS key FROM messages WHERE role = 'user' ORDER BY id";
  const kept = hasTables ? db.query(sql).values().flat() : [];
  db.close();
  const acknowledged = lives.filter(({ isAcknowledged }) => isAcknowledged).map(({ key }) => key);
  expect(new Set(kept).size).toBe(kept.length);
  expect(kept.filter((key) => acknowledged.includes(String(key)))).toEqual(acknowledged);
}
