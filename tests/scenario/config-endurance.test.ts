/** Thousands of reloads leave nothing behind. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { median } from "../bench/harness.ts";
import { watchReloads } from "../bench/measures.ts";
import { createHome, type Gateway, startGateway } from "../support/binary.ts";
import { pairedText } from "../support/configured.ts";

setDefaultTimeout(900_000);

/** With it, all of what the defaults show a part of. */
const isFull = process.env["CONFIG_FULL"] !== undefined;

const MEASURED = [
  process.execPath,
  "run",
  "--no-install",
  join(import.meta.dir, "../support/measured.ts"),
  "run",
];

/** Reloads between two samples; before those that count; and those that do. */
const BATCH = isFull ? 100 : 20;
const WARM_UP = isFull ? 5_000 : 160;
const RELOADS = isFull ? 10_000 : 320;

/**
 * Memory of a process is no count: it goes up and down by some percent, as the collector frees in steps and
 * the allocator gives back late, and what is compiled on the way stays. Hence every sample is taken after a
 * forced collection, none counts before the warm-up is over, and the growth is that of the straight line
 * through all that do: last end against first. In the short run most of what is compiled still comes, so of
 * memory only a leak of many KiB a reload would show; of objects, which are counted, one of a few a reload.
 */
const GROWTH_MAX = isFull ? 0.02 : 0.25;
const OBJECTS_GROWTH_MAX = isFull ? 0.02 : 0.1;

function growthOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const slope =
    values.reduce((sum, value, at) => sum + (at - middle) * (value - mean), 0) /
    values.reduce((sum, _, at) => sum + (at - middle) ** 2, 0);
  return (slope * (values.length - 1)) / (mean - slope * middle);
}

interface Sample {
  readonly rssBytes: number;
  readonly objects: number;
  readonly descriptors: number;
}

/** Asks the gateway what it holds. */
function createScale(gateway: Gateway): () => Promise<Sample> {
  let asked = 0;
  return async () => {
    asked += 1;
    gateway.type("sample\n");
    const [, line = ""] = await gateway.shown(new RegExp(`^(?:.*\\n){${asked - 1}}(\\{.*\\})\\n`));
    return JSON.parse(line) as Sample;
  };
}

test("two configurations in turn, thousands of times: no memory, no descriptor, no edit is lost", async () => {
  const texts = [pairedText(1), pairedText(2)] as const;
  const home = createHome(texts[0]);
  const gateway = await startGateway(home, { command: MEASURED });
  const headers = { authorization: `Bearer ${gateway.token()}` };
  const watch = await watchReloads(gateway.url, headers, home.configPath);
  const weigh = createScale(gateway);
  const samples: Sample[] = [];
  for (let reload = 1; reload <= WARM_UP + RELOADS; reload += 1) {
    // Resolves only for this very text: an edit that were missed would end the test here.
    await watch.save(texts[reload % 2] ?? "");
    if (reload % BATCH === 0) samples.push(await weigh());
  }
  watch.close();
  const counted = samples.slice(WARM_UP / BATCH);
  const memory = growthOf(counted.map(({ rssBytes }) => rssBytes));
  const objects = growthOf(counted.map((sample) => sample.objects));
  const descriptors = counted.map((sample) => sample.descriptors);
  const mebibytes = median(counted.map(({ rssBytes }) => rssBytes)) / 2 ** 20;
  if (isFull) console.log(JSON.stringify({ memory, objects, mebibytes, descriptors: descriptors.at(-1) }));
  // One more or less is open for a moment while something is written.
  expect(median(descriptors.slice(-9))).toBe(median(descriptors.slice(0, 9)));
  expect(memory).toBeLessThanOrEqual(GROWTH_MAX);
  expect(objects).toBeLessThanOrEqual(OBJECTS_GROWTH_MAX);
  const complaints = gateway.log.filter(({ level }) => level !== "info");
  expect([...new Set(complaints.map(({ msg }) => msg))]).toEqual([]);
});
