import { expect, test } from "bun:test";
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";

import { createWatch } from "../../../src/platform/watch-directory.ts";
import { tempDir } from "../../support/temp.ts";

/** A runtime's watcher whose events we make. */
function createRuntime() {
  const open = new Set<() => void>();
  const watch = createWatch((_, heard) => {
    open.add(heard);
    return () => void open.delete(heard);
  });
  return { open, watch, event: () => open.forEach((heard) => heard()) };
}

const microtasks = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("where the system has no watch left there is none, and nothing is kept", () => {
  const dir = tempDir();
  let isFull = true;
  let closed = 0;
  const watch = createWatch(() => {
    if (isFull) throw new Error("ENOSPC: System limit for number of file watchers reached");
    return () => void (closed += 1);
  });
  expect(watch(dir, () => {})).toBeUndefined();
  isFull = false;
  watch(dir, () => {})?.();
  expect(closed).toBe(1);
});

test("an event that comes inside the call is told after it", async () => {
  const told: string[] = [];
  const watch = createWatch((_, heard) => {
    heard();
    return () => {};
  });
  watch(tempDir(), () => told.push("told"));
  expect(told).toEqual([]);
  await microtasks();
  expect(told).toEqual(["told"]);
});

test("an event that is on its way when it is stopped is not told", async () => {
  const { watch, event } = createRuntime();
  const told: string[] = [];
  const stop = watch(tempDir(), () => told.push("told"));
  event();
  stop?.();
  await microtasks();
  expect(told).toEqual([]);
});

test("a new watch of a replaced directory first ends all old ones, and tells them", async () => {
  const { watch, open } = createRuntime();
  const root = tempDir();
  const dir = join(root, "dir");
  mkdirSync(dir);
  const told: string[] = [];
  watch(dir, () => told.push("first"));
  watch(dir, () => told.push("second"));
  watch(root, () => told.push("another directory"));
  const old = [...open];
  renameSync(dir, join(root, "old"));
  mkdirSync(dir);
  const stop = watch(dir, () => told.push("new"));
  expect([...open].filter((heard) => old.includes(heard))).toHaveLength(1);
  expect(open.size).toBe(2);
  await microtasks();
  expect(told).toEqual(["first", "second"]);
  stop?.();
  expect(open.size).toBe(1);
});
