import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LIMITS } from "../../src/contract/limits.ts";
import { cpuMicros, memoryMib, type Row, startServer } from "./harness.ts";
import { measureStart } from "./measures.ts";
import type { Seen } from "./token-clients.ts";

const SESSIONS = 50;
const CLIENTS_OF_SESSION = 5;
const TOKENS_PER_SECOND = 50;
/** Of one answer: long enough that the start of all of them at once is not what is measured. */
const TOKENS = 500;

interface Options {
  readonly stateDir: string;
  readonly token: string;
  /** Nobody's: the compiled gateway takes it. */
  readonly port: number;
  readonly rounds: number;
}

/** Many answers at once: model, gateway and clients in a process each. */
export async function streamingRows({ stateDir, token, port, rounds }: Options): Promise<Row[]> {
  const model = await startServer(["bun", "tests/bench/token-server.ts"], {
    BENCH_TOKENS: String(TOKENS),
    BENCH_TOKENS_PER_SECOND: String(TOKENS_PER_SECOND),
  });
  const stops = [() => model.stop()];
  try {
    configure(stateDir, model.url);
    const url = `http://127.0.0.1:${port}`;
    const command = [
      "dist/gateway",
      "run",
      "--port",
      String(port),
      "--state-dir",
      stateDir,
      "--token",
      token,
    ];
    const headers = { authorization: `Bearer ${token}` };
    const gateway = await measureStart(command, { url, headers, env: {} });
    stops.push(() => gateway.stop());
    const clients = await startServer(["bun", "tests/bench/token-clients.ts"], {
      BENCH_URL: url,
      BENCH_TOKEN: token,
      BENCH_SESSIONS: String(SESSIONS),
      BENCH_CLIENTS: String(CLIENTS_OF_SESSION),
    });
    stops.push(() => clients.stop());
    return await measure(gateway.pid, rounds, () => clients.ask("run"));
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

async function measure(pid: number, rounds: number, run: () => Promise<string>): Promise<Row[]> {
  const above: number[] = [];
  const rss: number[] = [];
  const load: number[] = [];
  const notes: string[] = [];
  // The first time compiles what the others run.
  await run();
  for (let round = 0; round < rounds; round++) {
    let rssMax = 0;
    const look = setInterval(() => (rssMax = Math.max(rssMax, memoryMib(pid).rss)), 100);
    const cpuBefore = cpuMicros(pid);
    const startMs = performance.now();
    const seen = JSON.parse(await run()) as Seen;
    clearInterval(look);
    load.push((cpuMicros(pid) - cpuBefore) / 10 / (performance.now() - startMs));
    above.push(seen.p99Ms - LIMITS.deltaMs);
    rss.push(rssMax);
    const { tokens, gaps, p50Ms, maxMs } = seen;
    const expected = SESSIONS * CLIENTS_OF_SESSION * TOKENS;
    notes.push(
      `${tokens} of ${expected} tokens, ${gaps} gaps, p50 ${p50Ms.toFixed(0)} ms, max ${maxMs.toFixed(0)} ms`,
    );
  }
  const what = `${SESSIONS} answers of ${TOKENS_PER_SECOND} tokens/s to ${CLIENTS_OF_SESSION} clients each`;
  return [
    {
      name: `${what}, p99 of a token above the throttle of ${LIMITS.deltaMs} ms`,
      unit: "ms",
      ours: above,
      target: { atMost: 50 },
      note: notes.join("; "),
    },
    { name: "gateway's resident memory meanwhile", unit: "MiB", ours: rss, target: { atMost: 120 } },
    { name: "gateway's processor time meanwhile", unit: "% of one core", ours: load },
  ];
}

function configure(stateDir: string, baseUrl: string): void {
  mkdirSync(stateDir, { mode: 0o700 });
  const config = {
    gateway: { log: { level: "warn" } },
    agents: {
      defaults: { model: "bench/tokens", maxConcurrent: SESSIONS },
      list: [{ id: "main", default: true }],
    },
    models: { providers: { bench: { baseUrl, apiKey: "none", api: "openai-completions" } } },
  };
  writeFileSync(join(stateDir, "moltbot.json"), JSON.stringify(config), { mode: 0o600 });
}
