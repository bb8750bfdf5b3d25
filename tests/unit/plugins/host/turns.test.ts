import { expect, test } from "bun:test";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { Turns } from "../../../../src/plugins/host/turns.ts";

function createTurns() {
  const now = { ms: 0 };
  const turns = new Turns({ now: () => 0, elapsed: () => now.ms, dayStart: () => 0 });
  const begun: string[] = [];
  /** Takes a turn that ends when it is told to. */
  const take = (id: string) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const over = turns.take(id, () => {
      begun.push(id);
      return promise;
    });
    over.catch(() => {
      // Looked at where it is expected.
    });
    return { end: () => resolve(id), fail: () => reject(new Error(id)), over };
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { now, turns, begun, take, settle };
}

test("starts are one after the other, whether or not they succeed", async () => {
  const { turns, begun, take, settle } = createTurns();
  const [a, b, c] = [take("a"), take("b"), take("c")];
  await settle();
  expect(begun).toEqual(["a"]);
  expect(turns.current).toBe("a");
  a.fail();
  expect(await a.over.catch((error: Error) => error.message)).toBe("a");
  await settle();
  expect(turns.current).toBe("b");
  b.end();
  expect(await b.over).toBe("b");
  await settle();
  expect(begun).toEqual(["a", "b", "c"]);
  c.end();
  await c.over;
  expect([turns.current, turns.ids]).toEqual([undefined, []]);
});

test("one that takes long holds nobody up, once its process has shown that it is not blocked", async () => {
  const { now, turns, begun, take, settle } = createTurns();
  const slow = take("slow");
  const next = take("next");
  await settle();
  now.ms = LIMITS.hostPingMs - 1;
  turns.answered();
  await settle();
  expect(begun).toEqual(["slow"]);
  now.ms = LIMITS.hostPingMs;
  await settle();
  expect(begun).toEqual(["slow"]);
  turns.answered();
  await settle();
  expect(begun).toEqual(["slow", "next"]);
  expect(turns.current).toBe("next");
  next.end();
  await next.over;
  expect([turns.current, turns.ids]).toEqual([undefined, ["slow"]]);
  slow.end();
  await slow.over;
  expect(turns.ids).toEqual([]);
});
