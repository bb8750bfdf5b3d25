import { expect, test } from "bun:test";
import { Flood } from "../../../src/plugins/gate/flood.ts";

const BOUNDS = { perSecondMax: 200, floodMs: 10_000 };

/** Asks `perSecond` times in each second, evenly, for `seconds`. */
function ask(flood: Flood, perSecond: number, { fromMs = 0, seconds = 1 } = {}) {
  let taken = 0;
  let floodMs: number | undefined;
  for (let at = 0; at < perSecond * seconds; at++) {
    const nowMs = fromMs + (at * 1_000) / perSecond;
    if (flood.take(nowMs)) taken++;
    else if (flood.isFlood(nowMs)) floodMs ??= nowMs;
  }
  return { taken, floodMs };
}

test("so many at once, then so many a second", () => {
  const flood = new Flood(BOUNDS, 0);
  for (let at = 0; at < 200; at++) expect(flood.take(0)).toBe(true);
  expect(flood.take(0)).toBe(false);
  expect(flood.take(4)).toBe(false);
  expect(flood.take(5)).toBe(true);
  expect(flood.take(5)).toBe(false);
  // A long pause fills it once.
  for (let at = 0; at < 200; at++) expect(flood.take(60_000)).toBe(true);
  expect(flood.take(60_000)).toBe(false);
});

test("what is allowed is never a flood, however long", () => {
  const flood = new Flood(BOUNDS, 0);
  expect(ask(flood, 200, { seconds: 60 })).toEqual({ taken: 12_000, floodMs: undefined });
});

test("more than that for ten seconds is one, and no sooner", () => {
  const { taken, floodMs } = ask(new Flood(BOUNDS, 0), 1_000, { seconds: 12 });
  expect(taken).toBeLessThanOrEqual(200 * 13);
  expect(taken).toBeGreaterThan(200 * 12 - 10);
  expect(floodMs).toBeGreaterThanOrEqual(10_000);
  expect(floodMs).toBeLessThan(11_000);
  expect(ask(new Flood(BOUNDS, 0), 1_000, { seconds: 9 }).floodMs).toBeUndefined();
});

test("a little too much for long is one as well", () => {
  expect(ask(new Flood(BOUNDS, 0), 210, { seconds: 60 }).floodMs).toBeDefined();
});

test("a rest between begins anew", () => {
  const flood = new Flood(BOUNDS, 0);
  for (let round = 0; round < 5; round++) {
    const { floodMs } = ask(flood, 1_000, { fromMs: round * 11_000, seconds: 9 });
    expect(floodMs).toBeUndefined();
    expect(flood.isAtRest(round * 11_000 + 9_000)).toBe(false);
    expect(flood.isAtRest(round * 11_000 + 10_900)).toBe(true);
  }
});
