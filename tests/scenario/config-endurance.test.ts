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

/** Reloads between two samples; before those that count as the beginning; and from there to the end. */
const BATCH = isFull ? 250 : 40;
const WARM_UP = isFull ? 5_000 : 200;
const RELOADS = isFull ? 10_000 : 320;

/**
 * Memory of a process is no count: the collector frees in steps, the allocator gives back late, and what is
 * compiled on the way stays. Hence the beginning is taken after a warm-up, every sample after a forced
 * collection, and beginning and end are each the median of five samples, one a batch. In the short run most
 * of what is compiled still comes, so only a leak of many KiB a reload would show.
 */
const SAMPLES = 5;
const GROWTH_MAX = isFull ? 0.02 : 0.25;

interface Sample {
  readonly rssBytes: number;
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
  const begin = samples.slice(WARM_UP / BATCH - SAMPLES, WARM_UP / BATCH);
  const end = samples.slice(-SAMPLES);
  const [before, after] = [begin, end].map((some) => ({
    rssBytes: median(some.map(({ rssBytes }) => rssBytes)),
    descriptors: median(some.map(({ descriptors }) => descriptors)),
  }));
  if (isFull)
    console.log(JSON.stringify({ before, after, samples: samples.map(({ rssBytes }) => rssBytes >> 10) }));
  expect(after?.descriptors).toBe(before?.descriptors ?? 0);
  expect((after?.rssBytes ?? 0) / (before?.rssBytes ?? 0) - 1).toBeLessThanOrEqual(GROWTH_MAX);
  const complaints = gateway.log.filter(({ level }) => level !== "info");
  expect([...new Set(complaints.map(({ msg }) => msg))]).toEqual([]);
});
