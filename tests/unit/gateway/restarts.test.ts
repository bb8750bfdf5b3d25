import { describe, expect, test } from "bun:test";
import type { Config } from "../../../src/config/schema.ts";
import { type Restartable, Restarts } from "../../../src/gateway/restarts.ts";
import { createMemoryLog } from "../../support/ports.ts";
import { layered } from "../config/support.ts";

function onPort(port: number): Config {
  const judged = layered(JSON.stringify({ gateway: { port } }));
  if (!judged.valid) throw new Error("not valid");
  return judged.config;
}

/** All that is going to happen has happened: nothing here waits for anything outside. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A gateway that only counts. */
class Counted implements Restartable {
  runs = 0;
  readonly name: string;
  readonly #told: string[];
  #watcher: (() => void) | undefined;

  constructor(name: string, told: string[]) {
    this.name = name;
    this.#told = told;
  }

  busy(): number {
    return this.runs;
  }

  onBusy(work: () => void): () => void {
    this.#watcher = work;
    return () => void (this.#watcher = undefined);
  }

  finish(): void {
    this.runs -= 1;
    this.#watcher?.();
  }

  async stop(): Promise<void> {
    this.#told.push(`${this.name} stops`);
  }
}

/** Restarts of counted gateways, from port 1 to port 2. */
async function begun({ fails = [] as readonly number[], hopeless = "" } = {}) {
  const told: string[] = [];
  const log = createMemoryLog();
  const state = { current: onPort(1), target: onPort(2), starts: 0 };
  const gate = { open: Promise.resolve() };
  const restarts = new Restarts<Counted>({
    async start(stopped) {
      await gate.open;
      state.starts += 1;
      const { port } = state.current.gateway;
      if (fails.includes(state.starts)) throw new Error(`start ${state.starts} failed`);
      told.push(`start ${state.starts} on ${port}${stopped ? ` for ${stopped.name}` : ""}`);
      return new Counted(`#${state.starts}`, told);
    },
    async check() {
      if (hopeless !== "") throw new Error(hopeless);
    },
    target: () => state.target,
    current: () => state.current,
    use: (config) => void (state.current = config),
    onRestarted: async (problem) => void told.push(problem ?? "restarted"),
    log,
  });
  await restarts.begin();
  return { restarts, told, state, log, gate };
}

describe("a restart", () => {
  test("stops the old one and starts another on what is wanted now", async () => {
    const { restarts, told, state } = await begun();
    restarts.request(false);
    await quiet();
    expect(told).toEqual(["start 1 on 1", "#1 stops", "start 2 on 2 for #1", "restarted"]);
    expect([restarts.running.name, state.current.gateway.port]).toEqual(["#2", 2]);
  });

  test("waits until no run is active, however often it is asked for, unless it shall be now", async () => {
    const { restarts, told, log } = await begun();
    restarts.running.runs = 2;
    for (let count = 0; count < 3; count += 1) restarts.request(false);
    restarts.running.finish();
    await quiet();
    expect(told).toHaveLength(1);
    restarts.running.finish();
    await quiet();
    expect(told.at(-1)).toBe("restarted");
    expect(log.lines.filter(({ message }) => message === "restart waits for runs")).toHaveLength(1);
    restarts.running.runs = 1;
    restarts.request(false);
    restarts.request(true);
    await quiet();
    expect(restarts.running.name).toBe("#3");
  });

  test("that nobody needs any more does not happen, but one that somebody asked for does", async () => {
    const { restarts, told } = await begun();
    restarts.running.runs = 1;
    restarts.request(false, () => false);
    restarts.running.finish();
    await quiet();
    expect(told).toHaveLength(1);
    restarts.running.runs = 1;
    restarts.request(false);
    restarts.request(false, () => false);
    restarts.running.finish();
    await quiet();
    expect(told.at(-1)).toBe("restarted");
  });

  test("that is asked for while one starts comes behind it", async () => {
    const { restarts, told, gate } = await begun();
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.open = promise;
    restarts.request(true);
    await quiet();
    expect(told).toEqual(["start 1 on 1", "#1 stops"]);
    const settled = restarts.settled().then(() => told.push("settled"));
    restarts.request(true);
    await quiet();
    expect(told).toHaveLength(2);
    resolve();
    await settled;
    await quiet();
    expect(told.filter((line) => line !== "settled")).toEqual([
      "start 1 on 1",
      "#1 stops",
      "start 2 on 2 for #1",
      "restarted",
      "#2 stops",
      "start 3 on 2 for #2",
      "restarted",
    ]);
    expect(told.indexOf("settled")).toBeGreaterThan(told.indexOf("restarted"));
  });

  test("that would fail is not begun", async () => {
    const { restarts, told, state } = await begun({ hopeless: "the port is taken" });
    restarts.request(true);
    await quiet();
    expect(told).toEqual(["start 1 on 1", "the port is taken"]);
    expect([restarts.running.name, state.current.gateway.port]).toEqual(["#1", 1]);
  });

  test("that fails goes back to what was there", async () => {
    const { restarts, told, state } = await begun({ fails: [2] });
    restarts.request(false);
    await quiet();
    expect(told).toEqual(["start 1 on 1", "#1 stops", "start 3 on 1 for #1", "start 2 failed"]);
    expect(state.current.gateway.port).toBe(1);
  });

  test("that fails for good is told, and nothing hangs", async () => {
    const { restarts } = await begun({ fails: [2, 3] });
    restarts.request(false);
    expect(await restarts.failed.catch(String)).toBe("Error: start 3 failed");
    await quiet();
    await restarts.close();
  });
});

describe("closing", () => {
  test("lets no restart begin that waits for runs", async () => {
    const { restarts, told } = await begun();
    restarts.running.runs = 1;
    restarts.request(false);
    await restarts.close();
    restarts.running.finish();
    restarts.request(true);
    await quiet();
    expect(told).toEqual(["start 1 on 1"]);
  });

  test("waits for the one that goes on", async () => {
    const { restarts, told, gate } = await begun();
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.open = promise;
    restarts.request(true);
    await quiet();
    const closed = restarts.close();
    resolve();
    await closed;
    expect(told.at(-1)).toBe("restarted");
  });
});

test("a wish for a restart while one is being tried is a part of that one", async () => {
  const { restarts, told } = await begun();
  restarts.request(false);
  restarts.request(true);
  await quiet();
  expect(told).toEqual(["start 1 on 1", "#1 stops", "start 2 on 2 for #1", "restarted"]);
});
