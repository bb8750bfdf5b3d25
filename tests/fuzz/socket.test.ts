// A million mutated frames over real sockets to a gateway in a process of its own.
import { expect, test } from "bun:test";
import { contracts } from "../../src/features/contracts.ts";
import type { Methods } from "../../src/contract/define.ts";
import { createHome, startGateway } from "../support/binary.ts";
import { CONFIG, PROGRAM, TOKEN } from "./core.ts";
import { hammer, type Tally } from "./hammer.ts";
import { createFrames } from "./mutate.ts";

const SEED = 20_260_202;
/** Frames that have to be read by the gateway; half of them by connections that have shown no credential. */
const FRAMES = Number(process.env["FUZZ_FRAMES"] ?? 1_000_000);
const KNOWN_HANDS = 6;
const STRANGE_HANDS = 6;
/** Frames between two looks at how the gateway is. */
const LOOK_EVERY = Math.ceil(FRAMES / 10);
const RSS_GROWTH_MAX = 64 * 1024 * 1024;

const ALL = Object.assign({}, ...contracts.map(({ methods }) => methods)) as Methods;
// A restart ends connections, and this is about those that go on.
const METHODS = Object.fromEntries(Object.entries(ALL).filter(([name]) => name !== "system.restart"));

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
  const failures: unknown[] = [];
  const looks: Promise<unknown>[] = [];
  const onRead = (count: number): void => {
    total += count;
    if (total >= (looks.length + 1) * LOOK_EVERY) looks.push(look().catch((error) => failures.push(error)));
  };
  const shares = { known: createShare(0, onRead), stranger: createShare(1_000_000_000, onRead) };
  const frames = createFrames(SEED, { methods: METHODS, auth: { token: TOKEN } });
  const hand = async (number: number, isStranger: boolean): Promise<Tally[]> => {
    const share = isStranger ? shares.stranger : shares.known;
    // Once one has found something the others stop: the fewer frames to look through.
    const next = () => (failures.length > 0 ? undefined : share.next());
    const { port } = gateway;
    try {
      return [await hammer(number, { port, token: TOKEN, seed: SEED, frames, ...share, next, isStranger })];
    } catch (error) {
      failures.push(error);
      return [];
    }
  };
  const hands = [
    ...Array.from({ length: KNOWN_HANDS }, (_, n) => hand(n, false)),
    ...Array.from({ length: STRANGE_HANDS }, (_, n) => hand(KNOWN_HANDS + n, true)),
  ];
  const tallies = (await Promise.all(hands)).flat();
  await Promise.all(looks);
  if (failures.length > 0)
    throw new AggregateError(failures, `seed ${SEED}: ${gateway.stderr().slice(-2_000)}`);
  const seconds = (performance.now() - startedMs) / 1_000;
  await look();
  const mib = rss.map((bytes) => Math.round(bytes / 1024 / 1024));
  console.log(`${total} frames in ${seconds.toFixed(1)} s; RSS MiB ${mib.join(" ")}; ${sum(tallies)}`);

  expect(await (await fetch(`${gateway.url}/healthz`)).text()).toBe('{"status":"ok"}');
  // The first look is when everything has been loaded and compiled.
  expect((rss.at(-1) ?? Infinity) - (rss[0] ?? 0)).toBeLessThan(RSS_GROWTH_MAX);
  expect(gateway.log.filter(({ level }) => level === "error")).toEqual([]);
  expect(gateway.stderr()).not.toMatch(/uncaught|handler failed|server error/i);
  expect(gateway.stdout()).toBe("");
  // Every socket is gone, for the gateway as for us: each call gives it time to notice.
  let { clients } = await call(gateway.url, "health");
  for (let n = 0; n < 1_000 && clients !== 0; n++) ({ clients } = await call(gateway.url, "health"));
  expect(clients).toBe(0);
  expect(await gateway.stop()).toBe(0);
}, 600_000);
