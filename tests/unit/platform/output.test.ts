import { expect, test } from "bun:test";

import { Output } from "../../../src/platform/output.ts";

const MIB = 1024 * 1024;

/** A reader that takes one text at a time, when told to. */
function createReader() {
  const taken: string[] = [];
  let settle: { resolve(): void; reject(error: Error): void } | undefined;
  const writeText = (text: string): Promise<void> => {
    taken.push(text);
    return new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
  };
  return { taken, writeText, take: () => settle?.resolve(), fail: () => settle?.reject(new Error("EPIPE")) };
}

test("what can be written at once is, so that a program may end right after it", () => {
  const taken: string[] = [];
  const output = new Output(
    () => true,
    (text) => void taken.push(text),
  );
  output.write("a");
  output.write("b");
  expect(taken).toEqual(["a", "b"]);
  expect(output.isTerminal).toBe(true);
});

test("what waits leaves in order and together, and flush waits for all of it", async () => {
  const reader = createReader();
  const output = new Output(() => false, reader.writeText);
  output.write("a");
  output.write("b");
  output.write("c");
  const flushed = output.flush();
  expect(reader.taken).toEqual(["a"]);
  reader.take();
  await Promise.resolve();
  await Promise.resolve();
  expect(reader.taken).toEqual(["a", "bc"]);
  expect(await Promise.race([flushed, Promise.resolve("waiting")])).toBe("waiting");
  reader.take();
  await flushed;
  output.write("d");
  expect(reader.taken).toEqual(["a", "bc", "d"]);
});

test("past the bound writes are dropped and counted, and later ones pass again", async () => {
  const reader = createReader();
  const output = new Output(() => false, reader.writeText);
  output.write("x".repeat(3 * MIB));
  output.write("y".repeat(MIB));
  output.write("z");
  output.write("z");
  expect(output.dropped).toBe(2);
  reader.take();
  await Promise.resolve();
  await Promise.resolve();
  reader.take();
  await output.flush();
  output.write("fits");
  expect(reader.taken.map((text) => text.length)).toEqual([3 * MIB, MIB, 4]);
  expect(output.dropped).toBe(2);
});

test("one text larger than the bound passes when nothing waits", () => {
  const reader = createReader();
  const output = new Output(() => false, reader.writeText);
  output.write("x".repeat(9 * MIB));
  expect(output.dropped).toBe(0);
  expect(reader.taken).toHaveLength(1);
});

test("a failing reader costs what it was given and ends nothing", async () => {
  const reader = createReader();
  const output = new Output(() => false, reader.writeText);
  output.write("a");
  output.write("b");
  reader.fail();
  await Promise.resolve();
  await Promise.resolve();
  expect(reader.taken).toEqual(["a", "b"]);
  reader.take();
  await output.flush();
  expect(output.dropped).toBe(1);

  const throwing = new Output(
    () => false,
    () => {
      throw new Error("ENOSPC");
    },
  );
  throwing.write("a");
  await throwing.flush();
  expect(throwing.dropped).toBe(1);
});
