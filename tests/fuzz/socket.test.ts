// A million mutated frames over real sockets to a gateway in a process of its own.
import { expect, test } from "bun:test";
import { contracts } from "../../src/features/contracts.ts";
import type { Methods } from "../../src/contract/define.ts";
import { createHome, startGateway } from "../support/binary.ts";
import { CONFIG, TOKEN } from "./core.ts";
import { hammer, type HammerOptions, type Tally } from "./hammer.ts";
import { createFrames } from "./mutate.ts";

const SEED = 20_260_202;
/** Frames that have to be read by the gateway; half of them by connections that have shown no credential. */
const FRAMES = Number(process.env["FUZZ_FRAMES"] ?? 1_000_000);
const KNOWN_HANDS = 6;
const STRANGE_HANDS = 6;
/** Frames between two looks at how the gateway is. */
const LOOK_EVERY = Math.ceil(FRAMES / 10);
const RSS_GROWTH_MAX = 128 * 1024 * 1024;

const PROGRAM = [process.execPath, Bun.fileURLToPath(new URL("program.ts", import.meta.url)), "run"];
const METHODS: Methods = Object.assign({}, ...contracts.map(({ methods }) => methods)) as Methods;

/** Counts one half of the frames, and hands their numbers out. */
function createShare(firstNumber: number, onRead: (count: number) => void) {
  let next = firstNumber;
  let read = 0;
  return {
    next: () => (read < FRAMES / 2 ? next++ : undefined),
    read(count: number): void {
      read += count;
      onRead(count);
    },
  };
}

async function call(url: string, method: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/rpc`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify({ id: method, method }),
    signal: AbortSignal.timeout(10_000),
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { result: Record<string, unknown> }).result;
}

function sum(tallies: readonly Tally[]): string {
  const wires = tallies.reduce((all, tally) => all + tally.wires, 0);
  const refused = tallies.reduce((all, tally) => all + tally.refused, 0);
  const merge = (maps: readonly ReadonlyMap<string | number, number>[]): string => {
    const all: Record<string, number> = {};
    for (const map of maps) for (const [key, value] of map) all[key] = (all[key] ?? 0) + value;
    return JSON.stringify(all);
  };
  const closes = merge(tallies.map((tally) => tally.closes));
  return `${wires} sockets, ${refused} refused, closes ${closes}, answers ${merge(tallies.map(({ codes }) => codes))}`;
}

test(`after ${FRAMES.toLocaleString("en")} mutated frames the gateway answers, has grown by little and stops as it should`, async () => {
  const gateway = await startGateway(createHome(CONFIG), { command: PROGRAM });
  const startedMs = performance.now();
  const rss: number[] = [];

  async function look(): Promise<void> {
    expect(await call(gateway.url, "health")).toMatchObject({ ok: true });
    const { memory } = (await call(gateway.url, "status")) as { memory: { rssBytes: number } };
    rss.push(memory.rssBytes);
  }

  let total = 0;
  const looks: Promise<void>[] = [];
  const onRead = (count: number): void => {
    total += count;
    if (total >= (looks.length + 1) * LOOK_EVERY) looks.push(look());
  };
  const shares = { known: createShare(0, onRead), stranger: createShare(1_000_000_000, onRead) };
  const frames = createFrames(SEED, { methods: METHODS, auth: { token: TOKEN } });
  const common = { port: gateway.port, token: TOKEN, seed: SEED, frames };
  const options = (isStranger: boolean): HammerOptions => {
    const { next, read } = isStranger ? shares.stranger : shares.known;
    return { ...common, next, read, isStranger };
  };
  const hands = [
    ...Array.from({ length: KNOWN_HANDS }, (_, n) => hammer(n, options(false))),
    ...Array.from({ length: STRANGE_HANDS }, (_, n) => hammer(KNOWN_HANDS + n, options(true))),
  ];
  const tallies = await Promise.all(hands);
  const seconds = (performance.now() - startedMs) / 1_000;
  await Promise.all(looks);
  await look();
  const mib = rss.map((bytes) => Math.round(bytes / 1024 / 1024));
  console.log(`${total} frames in ${seconds.toFixed(1)} s; RSS MiB ${mib.join(" ")}; ${sum(tallies)}`);

  expect(await (await fetch(`${gateway.url}/healthz`)).text()).toBe('{"status":"ok"}');
  // The first look is when everything has been loaded and compiled.
  expect((rss.at(-1) ?? Infinity) - (rss[0] ?? 0)).toBeLessThan(RSS_GROWTH_MAX);
  expect(gateway.log.filter(({ level }) => level === "error")).toEqual([]);
  expect(gateway.stderr()).not.toMatch(/uncaught|handler failed|server error/i);
  expect(gateway.stdout()).toBe("");
  expect(await gateway.stop()).toBe(0);
}, 600_000);
