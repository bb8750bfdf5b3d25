import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { method } from "../../src/contract/define.ts";
import { contract } from "../../src/feature.ts";
import { bunPlugins } from "../../src/platform/bun-plugins.ts";
import { createInProcess } from "../../src/plugins/run/in-process.ts";
import { createMemoryGate, plainCapable } from "../support/plugin-gate.ts";
import { writePlugin } from "../support/plugin.ts";
import { createLocalGateway } from "../support/local.ts";
import { callerOf } from "./dispatch.ts";
import { type BenchServer, median, memoryMib, openSocket, type Row, startServer } from "./harness.ts";
import { measureStart } from "./measures.ts";

interface PluginBench {
  readonly rounds: number;
  readonly newStateDir: () => string;
  readonly freePort: () => Promise<number>;
  readonly token: string;
}

const CODE = (id: string): string => `
import { definePlugin, method, z } from "gateway/plugin";
import { VALUE } from "./value.ts";
const text = () => z.strictObject({ text: z.string().max(1_000) });
export default definePlugin({
  id: "${id}",
  apiVersion: 1,
  methods: {
    "${id}.echo": method({ scope: "read", summary: "", params: text, result: text }),
    "${id}.value": method({ scope: "read", summary: "", params: () => z.strictObject({}), result: () => z.looseObject({}) }),
  },
  start: () => ({ handlers: { "${id}.echo": (params) => params, "${id}.value": () => ({ value: VALUE }) } }),
});
`;

function writeEcho(directory: string, id: string): void {
  writePlugin(directory, { manifest: { id, apiVersion: 1 }, code: CODE(id) });
  writeValue(directory, 0);
}

function writeValue(directory: string, value: number): void {
  writeFileSync(join(directory, "value.ts"), `export const VALUE = ${value};\n`, { mode: 0o600 });
}

/** A call of a plugin's method beside one of the gateway's own, what a process of its own adds, and reloads. */
export async function pluginRows(bench: PluginBench): Promise<Row[]> {
  return [
    await dispatchRow(bench),
    ...(await socketRows(bench)),
    ...(await reloadRows(bench)),
    await startRow(bench),
  ];
}

// --- in process ---

const CALLS = 300_000;

async function dispatchRow({ rounds, newStateDir }: PluginBench): Promise<Row> {
  const text = () => z.strictObject({ text: z.string().max(1_000) });
  const core = contract({
    name: "core",
    methods: { "core.echo": method({ scope: "read", summary: "", params: text, result: text }) },
    events: {},
  }).implement(() => ({ handlers: { "core.echo": (params) => params } }));
  const { dispatcher, table } = createLocalGateway({ features: [core] });
  const directory = newStateDir();
  writeEcho(directory, "echo");
  const clock = { now: Date.now, elapsed: () => performance.now(), dayStart: () => 0 };
  const timers = { after: () => () => {}, every: () => () => {} };
  const start = createInProcess({
    loader: bunPlugins,
    clock,
    timers,
    newKey: () => "key",
    capable: plainCapable,
  });
  const entry = join(directory, "index.ts");
  const plugin = await start(
    { id: "echo", directory, entry, config: {}, grants: {}, env: {} },
    createMemoryGate(),
  );
  table.add(plugin.feature, plugin.handlers);
  const measures = {
    ours: callerOf(dispatcher, "echo.echo", CALLS),
    bare: callerOf(dispatcher, "core.echo", CALLS),
  };
  for (const measure of Object.values(measures)) measure();
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round++) {
    // By turns: whatever else the machine does slows both.
    ours.push(1_000_000 / measures.ours());
    bare.push(1_000_000 / measures.bare());
  }
  await plugin.stop();
  return {
    name: "a call of a plugin in the gateway's process, codec and dispatch",
    unit: "µs",
    ours,
    bare,
    target: { atMost: 1.1 },
    note: "here the right column is a method of the gateway itself",
  };
}

// --- over a socket ---

const ASKED = 4_000;

interface Asking {
  readonly server: BenchServer;
  /** @returns the answer's `result` */
  ask(method: string, params?: object): Promise<unknown>;
  close(): void;
}

async function startWith(
  { newStateDir, token }: PluginBench,
  plugins: Readonly<Record<string, object>>,
): Promise<Asking & { readonly stateDir: string }> {
  const stateDir = newStateDir();
  mkdirSync(join(stateDir, "plugins"), { recursive: true, mode: 0o700 });
  for (const id of Object.keys(plugins)) writeEcho(join(stateDir, "plugins", id), id);
  const config = {
    gateway: { log: { level: "warn" } },
    agents: { defaults: { model: "echo/echo" } },
    plugins: { entries: plugins },
  };
  writeFileSync(join(stateDir, "moltbot.json"), JSON.stringify(config), { mode: 0o600 });
  const server = await startServer(["bun", "tests/bench/gateway-server.ts"], {
    BENCH_STATE_DIR: stateDir,
    BENCH_TOKEN: token,
  });
  const socket = await openSocket(server.url, { authorization: `Bearer ${token}` });
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let ids = 0;
  socket.onmessage = ({ data }) => {
    const { id, result, error } = JSON.parse(String(data)) as {
      id?: number;
      result?: unknown;
      error?: object;
    };
    if (id === undefined) return;
    const waits = waiting.get(id);
    waiting.delete(id);
    if (error) waits?.reject(new Error(JSON.stringify(error)));
    else waits?.resolve(result);
  };
  const ask = (name: string, params: object = {}): Promise<unknown> => {
    const id = ++ids;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      socket.send(JSON.stringify({ id, method: name, params }));
    });
  };
  for (const id of Object.keys(plugins)) {
    // It starts beside the gateway.
    while (!(await ask(`${id}.value`).catch(() => undefined))) await Bun.sleep(20);
  }
  return { server, ask, stateDir, close: () => socket.close() };
}

async function socketRows(bench: PluginBench): Promise<Row[]> {
  const plugins = {
    here: { enabled: true, isolation: "none" },
    apart: { enabled: true, isolation: "process" },
  };
  const { server, ask, close } = await startWith(bench, plugins);
  const text = { text: "x".repeat(64) };
  const p50 = async (name: string, params: object = {}): Promise<number> => {
    const times: number[] = [];
    for (let n = 0; n < ASKED; n++) {
      const startMs = performance.now();
      await ask(name, params);
      times.push(performance.now() - startMs);
    }
    return median(times);
  };
  const ours: number[] = [];
  const here: number[] = [];
  const core: number[] = [];
  try {
    for (const name of ["here.value", "voicewake.get"]) await p50(name);
    for (const id of Object.keys(plugins)) await p50(`${id}.echo`, text);
    for (let round = 0; round < bench.rounds; round++) {
      here.push((await p50("here.value")) * 1_000);
      core.push((await p50("voicewake.get")) * 1_000);
      const echo = await p50("here.echo", text);
      ours.push((await p50("apart.echo", text)) - echo);
    }
  } finally {
    close();
    await server.stop();
  }
  return [
    {
      name: "a call of a plugin in the gateway's process, over a socket, p50",
      unit: "µs",
      ours: here,
      bare: core,
      target: { atMost: 1.1 },
      note: "here the right column is a method of the gateway itself",
    },
    { name: "what a process of plugins adds to a call, p50", unit: "ms", ours, target: { atMost: 0.5 } },
  ];
}

// --- reloads ---

const RELOADS = 1_000;
const CALL_EVERY_MS = 10;

async function reloadRows(bench: PluginBench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const isolation of ["none", "process"]) rows.push(...(await reloadsOf(bench, isolation)));
  return rows;
}

async function reloadsOf(bench: PluginBench, isolation: string): Promise<Row[]> {
  const { server, ask, stateDir, close } = await startWith(bench, { live: { enabled: true, isolation } });
  const directory = join(stateDir, "plugins/live");
  const info = async () => (await ask("plugins.info", { id: "live" })) as { process?: { pid: number } };
  const rss = async (): Promise<number> => memoryMib((await info()).process?.pid ?? server.pid).rss;
  let failed = 0;
  let calls = 0;
  const timer = setInterval(() => {
    calls++;
    ask("live.value").catch(() => failed++);
  }, CALL_EVERY_MS);
  let stale = 0;
  const times: number[] = [];
  const reload = async (value: number): Promise<void> => {
    writeValue(directory, value);
    const startMs = performance.now();
    await ask("plugins.reload", { id: "live" });
    times.push(performance.now() - startMs);
    const answer = (await ask("live.value")) as { value: number };
    if (answer.value !== value) stale++;
    // Not faster than calls come: each version is to meet one.
    await Bun.sleep(CALL_EVERY_MS);
  };
  try {
    // Caches fill with the first ones, and stay; how much more the others bring is what counts.
    for (let n = 1; n <= RELOADS / 2; n++) await reload(n);
    await Bun.sleep(2_000);
    const before = await rss();
    for (let n = 1; n <= RELOADS; n++) await reload(1_000_000 + n);
    await Bun.sleep(2_000);
    const after = await rss();
    const how = isolation === "none" ? "in the gateway's process" : "in a process of plugins";
    return [
      {
        name: `${RELOADS} reloads ${how}, memory after beside before`,
        unit: "MiB",
        ours: [after],
        bare: [before],
        target: { atMost: 1.05 },
      },
      {
        name: `failed of ${calls} calls meanwhile, and old code seen`,
        unit: "calls",
        ours: [failed + stale],
        target: { atMost: 0 },
      },
      { name: "a reload", unit: "ms", ours: times },
    ];
  } finally {
    clearInterval(timer);
    close();
    await server.stop();
  }
}

// --- the start ---

const INSTALLED = 20;

async function startRow(bench: PluginBench): Promise<Row> {
  const { rounds, newStateDir, freePort, token } = bench;
  const dirs = { ours: newStateDir(), bare: newStateDir() };
  for (let n = 0; n < INSTALLED; n++) writeEcho(join(dirs.ours, `plugins/p${n}`), `p${n}`);
  mkdirSync(dirs.bare, { recursive: true, mode: 0o700 });
  const times = { ours: [] as number[], bare: [] as number[] };
  for (let round = 0; round < 6 * rounds; round++) {
    for (const name of ["ours", "bare"] as const) {
      const port = await freePort();
      const started = await measureStart(
        ["dist/gateway", "run", "--port", String(port), "--state-dir", dirs[name], "--token", token],
        {
          url: `http://127.0.0.1:${port}`,
          headers: { authorization: `Bearer ${token}` },
          env: { HOME: dirs[name] },
        },
      );
      await started.stop();
      // The first one makes the database.
      if (round > 0) times[name].push(started.ms);
    }
  }
  return {
    name: `start with ${INSTALLED} plugins that are installed and off, more than with none`,
    unit: "ms",
    ours: [median(times.ours) - median(times.bare)],
    target: { atMost: 5 },
  };
}
