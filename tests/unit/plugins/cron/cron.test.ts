// Jobs as their owner meets them: the whole plugin, agents behind its gate, a time that is told to pass.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { RpcError } from "../../../../src/contract/errors.ts";
import cron from "../../../../src/plugins/cron/plugin.ts";
import type { RunningPlugin } from "../../../../src/plugins/running.ts";
import { call, createAgents, createWorld, settled } from "../../../support/plugin-world.ts";

const MINUTE_MS = 60_000;
const START = "2026-05-01T10:00:00Z";

let agents: ReturnType<typeof createAgents>;
let world: ReturnType<typeof createWorld>;
let plugin: RunningPlugin;

beforeEach(async () => {
  agents = createAgents();
  world = createWorld(START, (method, params) => agents.request(method, params));
  plugin = await world.start(cron);
});
afterEach(() => world.stop());

const EVERY_MINUTE = { kind: "every", everyMs: MINUTE_MS };
const turn = (message = "water the plants") => ({ kind: "agentTurn", message });
const add = (more: object = {}) =>
  call(plugin, "cron.add", { name: "plants", schedule: EVERY_MINUTE, payload: turn(), ...more });
const list = async () => (await call(plugin, "cron.list", { includeDisabled: true })).jobs;
const runs = async (id: string) => (await call(plugin, "cron.runs", { id })).entries;
const codeOf = (work: Promise<unknown>) =>
  work.then(String, (error: RpcError) => `${error.code}: ${error.message}`);
async function restart(config: object = {}): Promise<void> {
  await world.stop();
  plugin = await world.start(cron, config);
}

test("a job runs at its times, each of them once, and says so", async () => {
  const job = await add();
  await world.pass(2 * MINUTE_MS + 500);
  const session = `cron:${job.id}`;
  expect(agents.begun).toEqual(Array(2).fill(`${session} [cron:${job.id} plants] water the plants`));
  expect(await runs(job.id)).toMatchObject([
    {
      status: "ok",
      summary: "done",
      runAtMs: Date.parse(START) + MINUTE_MS,
      sessionKey: session,
      runId: "run-1",
    },
    { status: "ok", nextRunAtMs: Date.parse(START) + 3 * MINUTE_MS, runId: "run-2" },
  ]);
  expect(world.gate.events.map(({ payload }) => (payload as { action: string }).action)).toEqual([
    "added",
    ...["started", "finished", "started", "finished"],
  ]);
  expect(await list()).toMatchObject([{ id: job.id, state: { runs: 2, failures: 0, lastStatus: "ok" } }]);
});

describe("what is asked of the agent", () => {
  test.each([
    [{ agentId: "Ada" }, (id: string) => `agent:ada:cron:${id} [cron:${id} plants] water the plants`],
    [{ payload: { kind: "systemEvent", text: "tea" } }, (id: string) => `main [cron:${id} plants] tea`],
  ])("%p", async (more, wanted) => {
    const job = await add(more);
    await world.pass(MINUTE_MS);
    expect(agents.begun).toEqual([wanted(job.id)]);
  });

  test("a note that waits for the next message begins no run", async () => {
    const job = await add({ payload: { kind: "systemEvent", text: "tea" }, wakeMode: "next-heartbeat" });
    await world.pass(MINUTE_MS);
    expect(agents.begun).toEqual([]);
    expect(agents.injected).toEqual([`main [cron:${job.id} plants] tea`]);
    expect(await runs(job.id)).toMatchObject([{ status: "ok" }]);
  });

  test("its model and its time go with it", async () => {
    await add({ payload: { ...turn(), model: "echo/echo", timeoutSeconds: 5 } });
    await world.pass(MINUTE_MS);
    expect(world.gate.requests.find(({ method }) => method === "agent")?.params).toMatchObject({
      model: "echo/echo",
      timeoutMs: 5_000,
    });
  });
});

describe("a run that takes long", () => {
  beforeEach(() => void (agents.answer = () => undefined));

  test("is the only one of its job; what comes due meanwhile is not made up for", async () => {
    const job = await add();
    await world.pass(5 * MINUTE_MS + 500);
    expect(agents.begun).toHaveLength(1);
    expect(await call(plugin, "cron.run", { id: job.id })).toEqual({
      ok: true,
      ran: false,
      reason: "already-running",
    });
    agents.end("run-1", { status: "ok" });
    await settled();
    expect(await list()).toMatchObject([{ state: { nextRunAtMs: Date.parse(START) + 6 * MINUTE_MS } }]);
    expect(agents.begun).toHaveLength(1);
  });

  test("and never ends is stopped", async () => {
    // As the gateway: a wait ends after a while, with nothing.
    const { request } = agents;
    const slow = createWorld(START, async (method, params) => {
      const answer = method === "agent.wait" ? undefined : await request(method, params);
      if (answer) return answer;
      await slow.after(Number(params["timeoutMs"]));
      return { runId: params["runId"], status: "timeout" };
    });
    plugin = await slow.start(cron);
    const { id } = await add({ payload: { ...turn(), timeoutSeconds: 60 } });
    await slow.pass(11 * MINUTE_MS);
    expect(agents.aborted).toEqual([]);
    await slow.pass(2 * MINUTE_MS);
    expect(agents.aborted).toEqual(["run-1"]);
    expect(await runs(id)).toMatchObject([{ status: "error", error: "it did not end" }]);
    await slow.stop();
  });

  test("so many run at the same time; who waits for that is late, and has not been missed", async () => {
    await restart({ maxConcurrentRuns: 2, catchUp: "skip" });
    for (const name of ["a", "b", "c"])
      await add({ name, schedule: { kind: "every", everyMs: 60 * MINUTE_MS } });
    await world.pass(90 * MINUTE_MS);
    expect(agents.begun).toHaveLength(2);
    agents.end("run-1", { status: "ok" });
    await settled();
    await world.pass(1_000);
    expect(agents.begun).toHaveLength(3);
  });

  test("is found again after a restart: it is the same run, noted once", async () => {
    const job = await add();
    await world.pass(MINUTE_MS);
    await restart();
    await world.pass(10_000);
    expect(agents.begun).toHaveLength(1);
    agents.end("run-1", { status: "ok", text: "watered" });
    await settled();
    expect(await runs(job.id)).toMatchObject([{ runId: "run-1", status: "ok", summary: "watered" }]);
  });

  test("also when the kill came before its run was known", async () => {
    const job = await add();
    await world.pass(MINUTE_MS);
    await world.stop();
    const key = `job/${job.id}`;
    const stored = (await world.gate.store.get(key)) as { state: object };
    expect(stored.state).toMatchObject({ runId: "run-1" });
    await world.gate.store.set(key, { ...stored, state: { ...stored.state, runId: undefined } });
    plugin = await world.start(cron);
    expect(agents.begun).toHaveLength(1);
    agents.end("run-1", { status: "interrupted" });
    await settled();
    expect(await runs(job.id)).toMatchObject([
      { runId: "run-1", status: "error", error: "cut off by a restart" },
    ]);
  });
});

describe("times that were missed", () => {
  const away = async (config: object, more: object = {}) => {
    const job = await add(more);
    await world.stop();
    await world.pass(72 * 60 * MINUTE_MS, 60 * MINUTE_MS);
    plugin = await world.start(cron, config);
    await world.pass(1_000);
    return { id: job.id, entries: await runs(job.id) };
  };

  test("are made up for by one run", async () => {
    const { entries } = await away({});
    expect(entries).toMatchObject([{ status: "ok", dueAtMs: Date.parse(START) + MINUTE_MS }]);
    expect(agents.begun).toHaveLength(1);
    expect(await list()).toMatchObject([{ state: { nextRunAtMs: world.now() - 1_000 + MINUTE_MS } }]);
  });

  test.each([
    ["for all jobs", { catchUp: "skip" }, {}],
    ["for this job", {}, { catchUp: "skip" }],
  ])("are left out where that is said %s", async (_, config, more) => {
    const { entries } = await away(config, more);
    expect(entries).toMatchObject([
      { status: "skipped", error: "missed: it was due 2026-05-01T10:01:00.000Z" },
    ]);
    expect(agents.begun).toEqual([]);
    await world.pass(MINUTE_MS);
    expect(agents.begun).toHaveLength(1);
  });

  test("and the next one is not late for it", async () => {
    const { entries } = await away({ catchUp: "skip" }, { schedule: { kind: "every", everyMs: 10_000 } });
    expect(entries).toHaveLength(1);
    await world.pass(30_000);
    expect(agents.begun).toHaveLength(3);
  });

  test("a job that runs once runs late, or is over", async () => {
    const at = { schedule: { kind: "at", atMs: Date.parse(START) + MINUTE_MS } };
    await away({}, at);
    expect(agents.begun).toHaveLength(1);
    expect(await list()).toMatchObject([{ enabled: false }]);
  });

  test("and is over where missed times are left out", async () => {
    await away({ catchUp: "skip" }, { schedule: { kind: "at", atMs: Date.parse(START) + MINUTE_MS } });
    expect(agents.begun).toEqual([]);
    expect(await list()).toMatchObject([{ enabled: false }]);
  });
});

describe("a clock that is set", () => {
  test("nothing runs before it is, and afterwards only what was missed, one after the other", async () => {
    agents.answer = () => undefined;
    await add({ name: "old" });
    await add({ name: "old too" });
    world.setClock("1970-01-01T00:00:10Z");
    await restart();
    const made = await add({ name: "new", schedule: { kind: "cron", expr: "0 9 * * *", tz: "UTC" } });
    expect(made.state).not.toHaveProperty("nextRunAtMs");
    await world.pass(24 * 60 * MINUTE_MS, 30 * MINUTE_MS);
    expect(agents.begun).toEqual([]);
    world.setClock("2026-05-02T10:00:00Z");
    await world.pass(MINUTE_MS);
    expect(agents.begun).toHaveLength(1);
    agents.end("run-1", { status: "ok" });
    await settled();
    await world.pass(1_000);
    expect(agents.begun).toHaveLength(2);
    agents.end("run-2", { status: "ok" });
    await settled();
    const jobs: { name: string; state: { nextRunAtMs: number } }[] = await list();
    expect(jobs.find(({ name }) => name === "new")?.state.nextRunAtMs).toBe(
      Date.parse("2026-05-03T09:00:00Z"),
    );
    expect(agents.begun.some((begun) => begun.includes("new"))).toBe(false);
  });

  test("back: a job does not wait for what a wrong clock had made of it", async () => {
    world.setClock("2036-05-01T10:00:00Z");
    await add({ schedule: { kind: "cron", expr: "30 10 * * *", tz: "UTC" } });
    world.setClock(START);
    await world.pass(MINUTE_MS);
    expect(await list()).toMatchObject([{ state: { nextRunAtMs: Date.parse("2026-05-01T10:30:00Z") } }]);
    await world.pass(29 * MINUTE_MS);
    expect(agents.begun).toHaveLength(1);
  });

  test("back by a little: the same time is not done again", async () => {
    const job = await add({ schedule: { kind: "cron", expr: "30 10 * * *", tz: "UTC" } });
    await world.pass(30 * MINUTE_MS);
    world.setClock("2026-05-01T10:29:55Z");
    await world.pass(MINUTE_MS);
    expect(agents.begun).toHaveLength(1);
    expect(await runs(job.id)).toHaveLength(1);
  });

  test("timers rest a minute at most: none is longer than a timer can be", async () => {
    await add({ schedule: { kind: "at", at: "2026-07-20T10:00:00Z" } });
    world.rests.length = 0;
    await world.pass(80 * 24 * 60 * MINUTE_MS, 60 * MINUTE_MS);
    expect(agents.begun).toHaveLength(1);
    expect(Math.max(...world.rests)).toBe(MINUTE_MS);
  });
});

describe("a job that fails", () => {
  test("is tried later and later; the owner's log has it", async () => {
    agents.answer = () => ({ status: "error", error: "no model" });
    const job = await add({ schedule: { kind: "every", everyMs: 10_000 } });
    await world.pass(8 * MINUTE_MS);
    // At 0:10, then 30 s, 1 min, 5 min after each end.
    expect(agents.begun).toHaveLength(4);
    expect(await runs(job.id)).toMatchObject(Array(4).fill({ status: "error", error: "no model" }));
    expect(world.gate.lines.filter((line) => line === "warn job failed")).toHaveLength(4);
  });

  test("because nothing can be asked is as any other that fails", async () => {
    const job = await add();
    agents.broken = new RpcError("busy", "Cannot send: too many wait");
    await world.pass(MINUTE_MS);
    agents.broken = undefined;
    await world.pass(MINUTE_MS);
    expect(await runs(job.id)).toMatchObject([
      { status: "error", error: "Cannot send: too many wait" },
      { status: "ok" },
    ]);
  });

  test("one that somebody stops has not failed", async () => {
    agents.answer = () => ({ status: "aborted" });
    const job = await add();
    await world.pass(MINUTE_MS);
    expect(await runs(job.id)).toMatchObject([{ status: "skipped", error: "stopped" }]);
    expect(await list()).toMatchObject([{ state: { failures: 0 } }]);
  });

  test("a disk that takes nothing is asked once a minute", async () => {
    await add();
    const { setMany } = world.gate.store;
    let refused = 0;
    const full = new RpcError("unavailable", "Cannot write: disk is full");
    Object.assign(world.gate.store, { setMany: () => (refused++, Promise.reject(full)) });
    await world.pass(5 * MINUTE_MS);
    expect(refused).toBeLessThanOrEqual(6);
    expect(agents.begun).toEqual([]);
    Object.assign(world.gate.store, { setMany });
    await world.pass(MINUTE_MS);
    expect(agents.begun).toHaveLength(1);
  });
});

describe("an answer that is to be delivered", () => {
  const ROOF = { channel: "pigeon", to: "roof" };
  const sent = () =>
    world.gate.requests.filter(({ method }) => method === "send").map(({ params }) => params);
  const send = (status: string | RpcError) => {
    const { request } = agents;
    agents.request = async (method, params) => {
      if (method !== "send") return request(method, params);
      if (status instanceof RpcError) throw status;
      return { runId: "d", channel: "pigeon", status };
    };
  };
  const refused = new RpcError("not_found", 'Cannot send to "roof": no channel "pigeon"');

  test.each<[string, object, object[]]>([
    ["is sent", { ...ROOF, deliver: true }, [ROOF]],
    ["is sent to whom the job names", ROOF, [ROOF]],
    ["goes over the only channel", { to: "roof", channel: "last" }, [{ to: "roof" }]],
    ["is not where that is said", { ...ROOF, deliver: false }, []],
    ["is not without that", { channel: "last" }, []],
  ])("%s", async (_, more, wanted) => {
    send("waiting");
    const { id } = await add({ payload: { ...turn(), ...more } });
    await world.pass(MINUTE_MS);
    const due = Date.parse(START) + MINUTE_MS;
    expect(sent()).toEqual(
      wanted.map((to) => ({ ...to, message: "done", idempotencyKey: `${id}:${due}:0` })),
    );
    expect((await runs(id))[0]).toMatchObject({ status: "ok", ...(wanted[0] && { delivered: "waiting" }) });
  });

  test.each([
    ["has the job fail", {}, "error"],
    ["or not, where that is said", { bestEffortDeliver: true }, "ok"],
  ])("and cannot be, %s", async (_, more, status) => {
    send(refused);
    const { id } = await add({ payload: { ...turn(), ...ROOF, ...more } });
    await world.pass(2 * MINUTE_MS + 2_000);
    expect(await runs(id)).toMatchObject([{ status, delivered: "failed", error: refused.message }]);
    expect(agents.begun).toHaveLength(1);
  });

  test("waits for a channel that is not there yet, and no run is begun anew", async () => {
    const { request } = agents;
    send(refused);
    const { id } = await add({ payload: { ...turn(), ...ROOF } });
    await world.pass(MINUTE_MS + 30_000);
    expect(await runs(id)).toEqual([]);
    const keys = (): string[] =>
      sent().map((params) => (params as { idempotencyKey: string }).idempotencyKey);
    // A refusal stays the answer to its key for a while: each try has its own, kept over a restart.
    expect(new Set(keys()).size).toBe(16);
    agents.request = request;
    send("sent");
    await restart();
    await world.pass(2_000);
    expect(keys().at(-1)).toEndWith(":15");
    expect(await runs(id)).toMatchObject([{ status: "ok", delivered: "sent" }]);
    expect(agents.begun).toHaveLength(1);
  });

  test("of a run that failed there is none", async () => {
    agents.answer = () => ({ status: "error", error: "no model", text: "half" });
    await add({ payload: { ...turn(), ...ROOF } });
    await world.pass(MINUTE_MS);
    expect(sent()).toEqual([]);
  });
});

describe("what is refused", () => {
  test.each([
    [
      "a time that has passed",
      { schedule: { kind: "at", at: "2026-05-01T09:00:00Z" } },
      "it has no time to come",
    ],
    ["no time at all", { schedule: { kind: "at" } }, "it has no time to come"],
    ["a day that never comes", { schedule: { kind: "cron", expr: "0 0 30 2 *" } }, "it has no time to come"],
    ["a wrong expression", { schedule: { kind: "cron", expr: "every day" } }, "invalid configuration format"],
    ["a wrong zone", { schedule: { kind: "cron", expr: "0 0 * * *", tz: "Mars/Base" } }, "Mars/Base"],
    ["too often", { schedule: { kind: "every", everyMs: 9_999 } }, "10000"],
    ["a turn in the main session", { sessionTarget: "main" }, "main takes a systemEvent"],
    ["an answer to nobody", { payload: { ...turn(), deliver: true } }, "has to say to whom"],
    [
      "a pause longer than any date",
      { schedule: { kind: "every", everyMs: 8_640_000_000_000_000 } },
      "3162240000000",
    ],
    ["what nobody knows", { color: "red" }, "color"],
  ])("%s", async (_, more, words) => {
    const said = await codeOf(add(more));
    expect(said).toStartWith("invalid_params: ");
    expect(said).toContain(words);
    expect(await list()).toEqual([]);
  });

  test("more jobs than there may be", async () => {
    for (let number = 0; number < 100; number++) await add();
    expect(await codeOf(add())).toBe('busy: Cannot add job "plants": there are 100 already');
  });
});

describe("a job that is changed", () => {
  test("what is absent stays; a new schedule counts from now", async () => {
    const job = await add();
    const renamed = await call(plugin, "cron.update", { jobId: job.id, patch: { name: "roses" } });
    expect(renamed).toEqual({ ...job, name: "roses", updatedAtMs: world.now() });
    const rescheduled = await call(plugin, "cron.update", {
      id: job.id,
      patch: { schedule: { kind: "every", everyMs: 10 * MINUTE_MS } },
    });
    expect(rescheduled.state.nextRunAtMs).toBe(world.now() + 10 * MINUTE_MS);
    expect(await codeOf(call(plugin, "cron.update", { id: "x", patch: {} }))).toStartWith("not_found: ");
    expect(await codeOf(call(plugin, "cron.update", { patch: {} }))).toStartWith("invalid_params: ");
  });

  test("disabled it does not run, enabled again it does", async () => {
    const { id } = await add();
    await call(plugin, "cron.update", { id, patch: { enabled: false } });
    await world.pass(3 * MINUTE_MS);
    expect([agents.begun, (await call(plugin, "cron.list")).jobs]).toEqual([[], []]);
    await call(plugin, "cron.update", { id, patch: { enabled: true } });
    await world.pass(MINUTE_MS);
    expect(agents.begun).toHaveLength(1);
  });

  test("removed it is gone with its history, also while it runs", async () => {
    agents.answer = () => undefined;
    const { id } = await add();
    await world.pass(MINUTE_MS);
    expect(await call(plugin, "cron.remove", { id })).toEqual({ ok: true, removed: true });
    agents.end("run-1", { status: "ok" });
    await settled();
    expect(await world.gate.store.list()).toEqual([]);
    expect(await call(plugin, "cron.remove", { id })).toEqual({ ok: true, removed: false });
  });

  test("run by hand it keeps its schedule", async () => {
    const { id, state } = await add();
    expect(await call(plugin, "cron.run", { id, mode: "due" })).toMatchObject({
      ran: false,
      reason: "not-due",
    });
    expect(await call(plugin, "cron.run", { id })).toEqual({ ok: true, ran: true });
    await settled();
    expect(await list()).toMatchObject([{ state: { runs: 1, nextRunAtMs: state.nextRunAtMs } }]);
    expect(await codeOf(call(plugin, "cron.run", { id: "x" }))).toStartWith("not_found: ");
  });

  test("run by hand before its only time it still runs then", async () => {
    const at = { kind: "at", atMs: world.now() + 10 * MINUTE_MS };
    const { id } = await add({ schedule: at, deleteAfterRun: true });
    await call(plugin, "cron.run", { id });
    await settled();
    expect(await list()).toMatchObject([{ enabled: true, state: { runs: 1, nextRunAtMs: at.atMs } }]);
    await world.pass(10 * MINUTE_MS);
    expect(agents.begun).toHaveLength(2);
    expect(await list()).toEqual([]);
  });

  test("given another time while it runs, it runs then too", async () => {
    agents.answer = () => undefined;
    const { id } = await add({
      schedule: { kind: "at", atMs: world.now() + MINUTE_MS },
      deleteAfterRun: true,
    });
    await world.pass(MINUTE_MS);
    const atMs = world.now() + 10 * MINUTE_MS;
    await call(plugin, "cron.update", { id, patch: { schedule: { kind: "at", atMs } } });
    agents.end("run-1", { status: "ok" });
    await settled();
    expect(await list()).toMatchObject([{ enabled: true, state: { nextRunAtMs: atMs } }]);
  });

  test("what was read before a change is not run after it", async () => {
    const { id } = await add();
    const { list: read } = world.gate.store;
    const held = Promise.withResolvers<void>();
    Object.assign(world.gate.store, {
      list: async (options: object) => {
        const jobs = await read(options);
        await held.promise;
        return jobs;
      },
    });
    await world.pass(MINUTE_MS);
    await call(plugin, "cron.update", { id, patch: { enabled: false } });
    Object.assign(world.gate.store, { list: read });
    held.resolve();
    await settled();
    expect(agents.begun).toEqual([]);
  });

  test("is changed, whether that can be told or not", async () => {
    Object.assign(world.gate, {
      publish() {
        throw new RpcError("busy", "Cannot publish");
      },
    });
    const { id } = await add();
    await world.pass(MINUTE_MS);
    expect(await runs(id)).toMatchObject([{ status: "ok" }]);
  });
});

test("200 runs are remembered, the newest of them", async () => {
  const { id } = await add({ schedule: { kind: "every", everyMs: 10_000 } });
  await world.pass(2_050_000, 10_000);
  const entries = await runs(id);
  expect(entries).toHaveLength(200);
  expect(entries.at(-1)).toMatchObject({ runId: "run-205" });
  expect(entries[0]).toMatchObject({ runId: "run-6" });
  expect((await call(plugin, "cron.runs", { id, limit: 2 })).entries).toEqual(entries.slice(-2));
});

test("what is no job any more is said once and left alone; the others run", async () => {
  await add();
  await world.gate.store.set("job/broken", { name: "half a j" });
  await world.pass(3 * MINUTE_MS);
  expect(agents.begun).toHaveLength(3);
  expect(world.gate.lines.filter((line) => line.includes("damaged"))).toHaveLength(1);
  expect(await world.gate.store.get("job/broken")).toEqual({ name: "half a j" });
  expect(await call(plugin, "cron.remove", { id: "broken" })).toMatchObject({ removed: true });
  expect(await world.gate.store.get("job/broken")).toBeUndefined();
});

test("one whose expression is none any more holds up no other", async () => {
  const { id } = await add({ name: "broken" });
  await add();
  const broken = (await world.gate.store.get(`job/${id}`)) as { state: object };
  const state = { failures: 0, runs: 0 };
  await world.gate.store.set(`job/${id}`, { ...broken, schedule: { kind: "cron", expr: "once" }, state });
  await world.pass(2 * MINUTE_MS);
  expect(agents.begun).toHaveLength(2);
  expect(agents.begun.every((begun) => begun.includes("plants"))).toBe(true);
});

test("switched off, a run that was cut is gone on with by hand", async () => {
  agents.answer = () => undefined;
  const { id } = await add();
  await world.pass(MINUTE_MS);
  await restart({ enabled: false });
  await world.pass(MINUTE_MS);
  expect(await call(plugin, "cron.run", { id })).toEqual({ ok: true, ran: true });
  agents.end("run-1", { status: "ok" });
  await settled();
  expect(agents.begun).toHaveLength(1);
  expect(await runs(id)).toMatchObject([{ runId: "run-1", status: "ok" }]);
});

test("switched off, nothing runs by itself", async () => {
  await restart({ enabled: false, store: "~/.clawdbot/cron/jobs.json" });
  const { id } = await add();
  await world.pass(5 * MINUTE_MS);
  expect(agents.begun).toEqual([]);
  expect(await call(plugin, "cron.status")).toMatchObject({ enabled: false, jobs: 1 });
  await call(plugin, "cron.run", { id });
  await settled();
  expect(agents.begun).toHaveLength(1);
});
