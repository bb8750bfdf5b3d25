/**
 * `bun run bench [--rounds N]`: the gateway beside a bare `Bun.serve`, in turn, in one run. Ratios count;
 * absolute figures are
 * the machine's.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureDispatch } from "../tests/bench/dispatch.ts";
import { followerRows } from "../tests/bench/followers.ts";
import { cpuMicros, memoryMib, type Row, startServer, table } from "../tests/bench/harness.ts";
import {
  connectClients,
  measureBroadcast,
  measureRequests,
  measureRestart,
  measureStart,
  type Target,
  watchReloads,
} from "../tests/bench/measures.ts";
import { pluginRows } from "../tests/bench/plugins.ts";
import { sessionRows } from "../tests/bench/sessions.ts";
import { storageRows } from "../tests/bench/storage.ts";
import { streamingRows } from "../tests/bench/streaming.ts";

const ROUNDS = Number(process.argv[process.argv.indexOf("--rounds") + 1] ?? "") || 5;
const START_ROUNDS = 3 * ROUNDS;
/** Each takes the ten seconds that its answers take. */
const STREAMING_ROUNDS_MAX = 3;
const CLIENTS = 1_000;
const REQUESTS = 100_000;
const EVENTS = 100;
const TOKEN = "bench-token-0123456789abcdef";
const HEADERS = { authorization: `Bearer ${TOKEN}` };

const folder = mkdtempSync(join(tmpdir(), "gateway-bench-"));
let stateDirs = 0;
const newStateDir = (): string => join(folder, `state-${++stateDirs}`);
const rows: Row[] = [];

async function socketRows(): Promise<void> {
  const gateway: Target = {
    server: await startServer(["bun", "tests/bench/gateway-server.ts"], {
      BENCH_STATE_DIR: newStateDir(),
      BENCH_TOKEN: TOKEN,
    }),
    headers: HEADERS,
  };
  const bare: Target = { server: await startServer(["bun", "tests/bench/bare-server.ts"]), headers: {} };
  try {
    await requestRows(gateway, bare);
    await clientRows(gateway, bare);
  } finally {
    await Promise.all([gateway.server.stop(), bare.server.stop()]);
  }
}

async function requestRows(gateway: Target, bare: Target): Promise<void> {
  for (const target of [gateway, bare]) await measureRequests(target, REQUESTS / 4);
  const ours = [];
  const theirs = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await measureRequests(gateway, REQUESTS));
    theirs.push(await measureRequests(bare, REQUESTS));
  }
  rows.push(
    {
      name: "requests over a socket",
      unit: "1/s",
      ours: ours.map((r) => r.perSecond),
      bare: theirs.map((r) => r.perSecond),
      target: { atLeast: 0.8 },
    },
    {
      name: "server processor time a request",
      unit: "µs",
      ours: ours.map((r) => r.cpuMicros),
      bare: theirs.map((r) => r.cpuMicros),
    },
  );
}

async function clientRows(gateway: Target, bare: Target): Promise<void> {
  const connects = { ours: [] as number[], bare: [] as number[] };
  const sends = { ours: [] as number[], bare: [] as number[] };
  const cpu = { ours: [] as number[], bare: [] as number[] };
  const publish: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, target] of [
      ["ours", gateway],
      ["bare", bare],
    ] as const) {
      const { sockets, perSecond } = await connectClients(target, CLIENTS);
      connects[name].push(perSecond);
      // What a thousand clients leave behind them as they connect is not what is measured here.
      await measureBroadcast(target, sockets, { verb: "broadcast", events: EVENTS / 2 });
      const sent = await measureBroadcast(target, sockets, { verb: "broadcast", events: EVENTS });
      sends[name].push(sent.perSecond);
      cpu[name].push(sent.cpuMicros);
      if (name === "bare")
        publish.push(
          (await measureBroadcast(target, sockets, { verb: "publish", events: EVENTS })).perSecond,
        );
      await Promise.all(
        sockets.map(
          (socket) =>
            new Promise((resolve) => {
              socket.onclose = resolve;
              socket.close();
            }),
        ),
      );
    }
  }
  rows.push(
    { name: `broadcast to ${CLIENTS} clients`, unit: "deliveries/s", ...sends, target: { atLeast: 0.8 } },
    { name: "server processor time a delivery", unit: "µs", ...cpu },
    {
      name: "bare loop beside the runtime's publish",
      unit: "deliveries/s",
      ours: sends.bare,
      bare: publish,
      note: "here the left column is the bare loop, the right one publish",
    },
    {
      name: `connect up to ${CLIENTS} clients`,
      unit: "1/s",
      ours: connects.ours,
      target: { atLeast: 2_000 },
    },
    { name: "the same beside a bare server", unit: "1/s", ...connects },
  );
}

/** Saves in one round; the processor's time is counted in steps of 10 ms. */
const SAVES = 40;

/** A setting that is read at use, with the default debounce: what is waited for is counted in. */
async function reloadRows(): Promise<void> {
  const stateDir = newStateDir();
  const path = join(stateDir, "moltbot.json");
  const textOf = (seconds: number): string => `// Saved by hand.
{
  "gateway": { "log": { "level": "warn" } },
  "agents": { "defaults": { "model": "echo/echo", "timeoutSeconds": ${seconds} } },
}
`;
  mkdirSync(stateDir, { mode: 0o700 });
  writeFileSync(path, textOf(60), { mode: 0o600 });
  const env = { BENCH_STATE_DIR: stateDir, BENCH_TOKEN: TOKEN };
  const server = await startServer(["bun", "tests/bench/gateway-server.ts"], env);
  const times: number[] = [];
  const cpu: number[] = [];
  const restarts: number[] = [];
  try {
    const watch = await watchReloads(server.url, HEADERS, path);
    for (let save = 0; save < SAVES; save++) await watch.save(textOf(61 + (save % 2)));
    for (let round = 0; round < ROUNDS; round++) {
      const cpuBefore = cpuMicros(server.pid);
      for (let save = 0; save < SAVES; save++) times.push(await watch.save(textOf(61 + (save % 2))));
      cpu.push((cpuMicros(server.pid) - cpuBefore) / 1_000 / SAVES);
    }
    watch.close();
    for (let round = 0; round < ROUNDS; round++)
      restarts.push(await measureRestart({ server, headers: HEADERS }));
  } finally {
    await server.stop();
  }
  rows.push(
    { name: "save to in force and told, live setting", unit: "ms", ours: times, target: { atMost: 150 } },
    { name: "server processor time a reload", unit: "ms", ours: cpu },
    {
      name: "restart, until the port takes clients again",
      unit: "ms",
      ours: restarts,
      target: { atMost: 1_000 },
    },
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function startRows(): Promise<void> {
  const bareBinary = join(folder, "bare");
  const build = Bun.spawnSync([
    "bun",
    "build",
    "--compile",
    "--minify",
    "--bytecode",
    "--format=esm",
    "tests/bench/bare-server.ts",
    "--outfile",
    bareBinary,
  ]);
  if (!build.success) throw new Error(build.stderr.toString());
  const time = { ours: [] as number[], bare: [] as number[] };
  const first: number[] = [];
  const rss = { ours: [] as number[], bare: [] as number[] };
  const anonymous = { ours: [] as number[], bare: [] as number[] };
  const kept = newStateDir();
  for (let round = 0; round < START_ROUNDS; round++) {
    for (const name of ["first", "ours", "bare"] as const) {
      const port = await freePort();
      const url = `http://127.0.0.1:${port}`;
      const stateDir = name === "first" ? newStateDir() : kept;
      const command =
        name === "bare"
          ? [bareBinary]
          : ["dist/gateway", "run", "--port", String(port), "--state-dir", stateDir, "--token", TOKEN];
      const env = { BENCH_PORT: String(port), HOME: folder };
      const started = await measureStart(command, { url, headers: name === "bare" ? {} : HEADERS, env });
      if (name === "first") first.push(started.ms);
      else {
        time[name].push(started.ms);
        // Garbage of the start is given back within a second; then it is idle.
        if (round < ROUNDS) await Bun.sleep(1_000);
        const memory = memoryMib(started.pid);
        if (round < ROUNDS) rss[name].push(memory.rss);
        if (round < ROUNDS) anonymous[name].push(memory.anonymous);
      }
      await started.stop();
    }
  }
  rows.push(
    { name: "start to hello, compiled", unit: "ms", ...time, target: { atMost: 1.6 } },
    { name: "the very first start, database made", unit: "ms", ours: first, bare: time.bare },
    { name: "idle memory, resident", unit: "MiB", ...rss, target: { atMost: 1.5 } },
    { name: "idle memory, anonymous", unit: "MiB", ...anonymous },
  );
}

try {
  rows.push({
    name: "codec and dispatch in process",
    unit: "requests/s",
    ours: measureDispatch(ROUNDS, 300_000),
    target: { atLeast: 400_000 },
  });
  rows.push(...followerRows(ROUNDS));
  await socketRows();
  await reloadRows();
  const rounds = Math.min(ROUNDS, STREAMING_ROUNDS_MAX);
  const streaming = { stateDir: newStateDir(), token: TOKEN, port: await freePort(), rounds };
  rows.push(...(await streamingRows(streaming)));
  rows.push(...(await sessionRows(rounds, newStateDir(), TOKEN)));
  rows.push(...(await storageRows(rounds, newStateDir(), TOKEN)));
  rows.push(...(await pluginRows({ rounds, newStateDir, freePort, token: TOKEN })));
  await startRows();
  console.log(table(rows));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
