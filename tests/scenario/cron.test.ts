/** Jobs of a gateway: made by a client, run at their time, over restarts and kills. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Job } from "../../src/plugins/cron/job.ts";
import { PIGEON, writePlugin } from "../support/plugin.ts";
import { listen } from "../support/sdk.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, startProgram } from "./program.ts";

afterEach(endPrograms);
setDefaultTimeout(60_000);

const TOKEN = "the-token-of-this-test-0123456789";
const LONG = "word ".repeat(200).trim();
let home: string;

beforeEach(() => {
  home = tempDir();
  mkdirSync(join(home, ".clawdbot"), { mode: 0o700 });
  const config = {
    gateway: { port: 0, auth: { token: TOKEN } },
    agents: { defaults: { model: "echo/echo" } },
    cron: { maxConcurrentRuns: 2 },
  };
  writeFileSync(join(home, ".clawdbot/moltbot.json"), JSON.stringify(config), { mode: 0o600 });
});

async function start() {
  const program = startProgram(["run"], { home, env: { OLLAMA_HOST: "127.0.0.1:9" } });
  const [, url = ""] = await program.until(/gateway listening url=(http:\/\/127\.0\.0\.1:\d+)/);
  const { client, until } = await listen({ url }, { token: TOKEN });
  await program.until(/plugin started/);
  const request = async (method: string, params: object = {}): Promise<ReturnType<typeof JSON.parse>> =>
    client.request(method, { ...params });
  return {
    url,
    program,
    client,
    request,
    add: (more: object) => request("cron.add", { name: "plants", ...more }),
    changed: (jobId: string, action: string) =>
      until(
        `cron.changed ${action}`,
        ({ event, payload }) =>
          event === "cron.changed" && payload["jobId"] === jobId && payload["action"] === action,
      ),
    /** What the session's agent was asked. */
    async asked(sessionKey: string): Promise<string[]> {
      const { messages } = await client.call("chat.history", { sessionKey });
      const texts = messages.filter(({ role }) => role === "user").flatMap(({ content }) => content);
      return texts.map((part) => (part.type === "text" ? part.text : part.type));
    },
  };
}

async function runIdOf(request: (method: string, params: object) => Promise<{ jobs: Job[] }>, id: string) {
  for (;;) {
    const { jobs } = await request("cron.list", { includeDisabled: true });
    const runId = jobs.find((job) => job.id === id)?.state.runId;
    if (runId !== undefined) return runId;
  }
}

const soon = (ms = 300) => ({ kind: "at", atMs: Date.now() + ms });
const turn = (message: string) => ({ kind: "agentTurn", message });

test("a job runs at its time, in a session of its own, and its end is told", async () => {
  const { add, changed, request, asked, client } = await start();
  const job = await add({ schedule: soon(), payload: turn("water the plants") });
  const { payload } = await changed(job.id, "finished");
  expect(payload).toMatchObject({ status: "ok", summary: expect.stringContaining("You said: ") });
  expect(await asked(`cron:${job.id}`)).toEqual([`[cron:${job.id} plants] water the plants`]);
  expect(await request("cron.runs", { jobId: job.id })).toMatchObject({ entries: [{ status: "ok" }] });
  expect(await request("cron.list", { includeDisabled: true })).toMatchObject({ jobs: [{ enabled: false }] });
  expect((await client.call("sessions.list", {})).sessions).toMatchObject([{ kind: "cron" }]);
});

test("an event for the main session is a message there; a note is none that is answered", async () => {
  const { add, changed, asked, client } = await start();
  const job = await add({ schedule: soon(), payload: { kind: "systemEvent", text: "tea is ready" } });
  await changed(job.id, "finished");
  expect(await asked("main")).toEqual([`[cron:${job.id} plants] tea is ready`]);
  const later = { kind: "systemEvent", text: "milk" };
  const note = await add({ schedule: soon(), payload: later, wakeMode: "next-heartbeat" });
  expect((await changed(note.id, "finished")).payload).toMatchObject({ status: "ok" });
  const { messages } = await client.call("chat.history", { sessionKey: "main" });
  expect(messages.at(-1)).toMatchObject({
    role: "assistant",
    content: [{ text: `[cron:${note.id} plants] milk` }],
  });
});

test("an answer leaves over a channel, also one that comes after it", async () => {
  const flown = "({ to, text }) => (ctx.log.info(`flown to ${to}: ${text}`), { messageId: text })";
  writePlugin(join(home, ".clawdbot/plugins/pigeon"), {
    manifest: { id: "pigeon", version: "1.0.0", apiVersion: 1, channels: ["pigeon"] },
    code: PIGEON.replace("async () => ({ messageId: String(++count) })", `async ${flown}`),
  });
  const { add, changed, client, program, request } = await start();
  const toRoof = { deliver: true, channel: "pigeon", to: "roof" };
  const job = await add({ schedule: soon(), payload: { ...turn("bring grain"), ...toRoof } });
  await changed(job.id, "started");
  await client.call("agent.wait", { runId: await runIdOf(request, job.id) });
  await client.call("plugins.enable", { id: "pigeon" });
  await program.until(new RegExp(`flown to roof: You said: \\[cron:${job.id} plants\\] bring grain`));
  expect((await changed(job.id, "finished")).payload).toMatchObject({ status: "ok", delivered: "sent" });
  expect(await request("cron.runs", { id: job.id })).toMatchObject({ entries: [{ delivered: "sent" }] });
});

test("what was due while the gateway was down runs once when it is up", async () => {
  const before = await start();
  const job = await before.add({ schedule: soon(1_000), payload: turn("late") });
  before.program.signal("SIGTERM");
  await before.program.exited;
  await Bun.sleep(Math.max(0, job.schedule.atMs - Date.now()));
  const { changed, asked, request } = await start();
  const known = await request("cron.runs", { id: job.id });
  if (known.entries.length === 0) await changed(job.id, "finished");
  expect(await asked(`cron:${job.id}`)).toHaveLength(1);
});

test("a kill in the middle of a run: it is the same run afterwards, noted once, and tried again", async () => {
  const before = await start();
  const job = await before.add({ schedule: soon(), payload: turn(LONG) });
  await before.changed(job.id, "started");
  const isRunning = async (): Promise<boolean> => (await before.request("runs.list", {})).runs.length > 0;
  while (!(await isRunning())) await Bun.sleep(5);
  before.program.signal("SIGKILL");
  await before.program.exited;
  const { request, asked, program } = await start();
  await program.until(/job failed/);
  const { entries } = await request("cron.runs", { id: job.id });
  expect(entries).toMatchObject([{ status: "error" }]);
  expect(await asked(`cron:${job.id}`)).toHaveLength(1);
  const { jobs } = await request("cron.list", {});
  expect(jobs).toMatchObject([{ enabled: true, state: { failures: 1, nextRunAtMs: expect.any(Number) } }]);
});

test("reading is for everybody who may read, changing for owners", async () => {
  const { url } = await start();
  const { client } = await listen({ url }, { token: TOKEN, scopes: ["read"] });
  const codeOf = (method: string, params: Record<string, unknown> = {}): Promise<string> =>
    client.request(method, params).then(
      () => "ok",
      (error: { code: string }) => error.code,
    );
  expect(await codeOf("cron.list")).toBe("ok");
  expect(await codeOf("cron.status")).toBe("ok");
  expect(await codeOf("cron.runs", { id: "x" })).toBe("ok");
  for (const method of ["cron.add", "cron.update", "cron.remove", "cron.run"])
    expect(await codeOf(method)).toBe("forbidden");
});
