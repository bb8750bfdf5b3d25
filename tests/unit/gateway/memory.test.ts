import { expect, test } from "bun:test";
import { LIMITS } from "../../../src/contract/limits.ts";
import { keepSmall } from "../../../src/gateway/memory.ts";
import { createFakeTime } from "../../support/time.ts";

const { memoryLargeBytes: large, memoryGrowthBytes: growth, memoryLookMs } = LIMITS;

/** A process whose memory is what the test says, and what is left of it after a collection. */
function watched(leftBytes: number) {
  const time = createFakeTime();
  const memory = { bytes: 0, collections: 0 };
  const stop = keepSmall(
    {
      rssBytes: () => memory.bytes,
      collectGarbage() {
        memory.collections++;
        memory.bytes = Math.min(memory.bytes, leftBytes);
      },
    },
    time.timers,
  );
  const look = (bytes: number): number => {
    memory.bytes = bytes;
    time.advance(memoryLookMs);
    return memory.collections;
  };
  return { look, stop, time };
}

test("a small process is left alone, a large one is looked after as it grows", () => {
  const { look } = watched(large - 4 * growth);
  expect(look(large - 1)).toBe(0);
  expect(look(large)).toBe(1);
  expect(look(large)).toBe(2);
  expect(look(large - 1)).toBe(2);
});

test("what is in use is not collected again and again", () => {
  const inUse = large + 10 * growth;
  const { look } = watched(inUse);
  expect(look(inUse)).toBe(1);
  expect(look(inUse + growth - 1)).toBe(1);
  expect(look(inUse + growth)).toBe(2);
});

test("ends with its gateway", () => {
  const { stop, time } = watched(0);
  stop();
  expect(time.pending()).toBe(0);
});
