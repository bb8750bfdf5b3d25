/** The disk is full, really: what is written is refused in words, all else goes on, and it ends by itself. */
import { Database } from "bun:sqlite";
import { expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../../scripts/build.ts";
import { createHome, type Program, spawn, startGateway } from "../support/binary.ts";
import { type Caller, connectCaller, type Outcome } from "../support/caller.ts";
import { tempDir } from "../support/temp.ts";

setDefaultTimeout(60_000);

const DISK_MIB = 8;
const SESSION = { sessionKey: "main" };
/** More than what is left of a page here and there. */
const LONG = "word ".repeat(20_000);
const TRIES_MAX = 50;
const FULL = {
  kind: "refused",
  code: "unavailable",
  message: "Cannot write to the database: the disk is full",
} as const;

/** A disk of its own, which takes the right to mount one: without it this fails and is not left out. */
function mountDisk(): { readonly path: string; fill(): void; clear(): void } {
  const path = tempDir();
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m,mode=0700`, "tmpfs", path]);
  onTestFinished(() => void execFileSync("umount", ["-l", path]));
  const filler = join(path, "filler");
  return {
    path,
    fill() {
      writeFileSync(filler, "");
      for (const bytes of [64 * 1024, 1_024, 1]) {
        try {
          for (;;) appendFileSync(filler, Buffer.alloc(bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: "ENOSPC" });
        }
      }
    },
    clear: () => rmSync(filler),
  };
}

function send(caller: Caller, key: string, text = LONG): Promise<Outcome> {
  return caller.call("chat.send", { ...SESSION, message: `${key} ${text}`, idempotencyKey: key });
}

test("a full disk refuses messages, keeps all else alive and is over when there is room again", async () => {
  const disk = mountDisk();
  const home = createHome({ agents: { defaults: { model: "echo/echo" } } });
  const gateway = await startGateway(home, { args: ["--state-dir", disk.path], stateDir: disk.path, command: ["bun", "/work/main/src/main.ts", "run"] });
  const token = readFileSync(join(disk.path, "gateway.token"), "utf8").trim();
  const caller = await connectCaller(gateway.url, token);
  const first = await send(caller, "before", "it fits");
  expect(first).toMatchObject({ kind: "ok" });
  const running = await caller.call("chat.send", {
    sessionKey: "agent:main:running",
    message: "one two three ".repeat(40),
    idempotencyKey: "running",
  });

  disk.fill();
  const acknowledged = ["before"];
  let refused: Outcome | undefined;
  for (let n = 0; !refused && n < TRIES_MAX; n++) {
    const outcome = await send(caller, `during-${n}`);
    if (outcome.kind === "ok") acknowledged.push(`during-${n}`);
    else refused = outcome;
  }
  expect(refused).toMatchObject(FULL);

  for (const method of ["health", "sessions.list", "voicewake.get", "config.get"]) {
    expect([method, await caller.call(method, {})]).toMatchObject([method, { kind: "ok" }]);
  }
  expect(await caller.call("chat.history", SESSION)).toMatchObject({ kind: "ok" });
  expect(await caller.call("status", {})).toMatchObject({
    kind: "ok",
    result: { storage: { problem: FULL.message } },
  });

  disk.clear();
  let back: Outcome = FULL;
  for (let n = 0; back.kind === "refused" && n < TRIES_MAX; n++)
    back = await send(caller, "after", "it fits again");
  expect(back).toMatchObject({ kind: "ok" });
  acknowledged.push("after");
  expect(ok(await caller.call("status", {}))["storage"]).not.toHaveProperty("problem");
  for (const run of [first, running, back]) {
    const { runId } = ok(run);
    const { status } = ok(await caller.call("agent.wait", { runId, timeoutMs: 20_000 }));
    expect(status).toBe("ok");
  }
  caller.close();

  const told = gateway
    .stderr()
    .split("\n")
    .filter((line) => /database (takes nothing|can be written)/.test(line));
  expect(told).toHaveLength(2);
  expect(await gateway.stop()).toBe(0);
  const db = new Database(join(disk.path, "gateway.db"));
  expect(db.query("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
  const sql =
    "SELECT idempotency_key FROM messages WHERE role = 'user' AND idempotency_key != 'running' ORDER BY id";
  expect(db.query(sql).values().flat()).toEqual(acknowledged);
  db.close();
});

test.each(["a restart", "a start after a kill"])("is no reason for %s to fail", async (how) => {
  const disk = mountDisk();
  const home = createHome({ agents: { defaults: { model: "echo/echo" } } });
  const where = { args: ["--state-dir", disk.path], stateDir: disk.path, command: ["bun", "/work/main/src/main.ts", "run"] };
  let gateway: Program & { readonly url: string } = await startGateway(home, where);
  const token = readFileSync(join(disk.path, "gateway.token"), "utf8").trim();
  let caller = await connectCaller(gateway.url, token);
  const long = { ...SESSION, message: "one two three ".repeat(400), idempotencyKey: "long" };
  const { runId } = ok(await caller.call("chat.send", long));
  disk.fill();
  for (let n = 0; n < TRIES_MAX; n++) if ((await send(caller, `fill-${n}`)).kind === "refused") break;
  if (how === "a restart") {
    ok(await caller.call("system.restart", { now: true }));
  } else {
    gateway.signal("SIGKILL");
    await gateway.exited();
    const run = ["run", "--port", "0", "--log-format", "json", ...where.args];
    const program = spawn(home, ["bun", "/work/main/src/main.ts", ...run]);
    gateway = { ...program, url: String((await program.logged("gateway listening"))["url"]) };
  }
  caller.close();
  await gateway.logged("runs that were cut are not marked yet");
  caller = await connectAgain(gateway.url, token);
  expect(await caller.call("chat.history", SESSION)).toMatchObject({ kind: "ok" });
  expect(ok(await caller.call("agent.wait", { runId, timeoutMs: 0 }))).toMatchObject({
    status: "interrupted",
  });
  const marked = gateway.logged("runs that were cut are marked");
  disk.clear();
  await marked;
  expect(ok(await caller.call("chat.retry", SESSION))).toMatchObject({ status: "started" });
  ok(await caller.call("chat.abort", SESSION));
  caller.close();
  gateway.signal("SIGTERM");
  expect(await gateway.exited()).toBe(0);
});

/** It has begun to start and will listen any moment. */
async function connectAgain(url: string, token: string): Promise<Caller> {
  for (;;) {
    const caller = await connectCaller(url, token);
    if ((await caller.call("health", {})).kind === "ok") return caller;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function ok(outcome: Outcome): Readonly<Record<string, unknown>> {
  if (outcome.kind !== "ok") throw new Error(JSON.stringify(outcome));
  return outcome.result;
}
