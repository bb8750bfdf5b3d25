import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { event, method, type Scope } from "../../../src/contract/define.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { type Caller, contract } from "../../../src/feature.ts";
import type { Reply } from "../../../src/rpc/codecs/codec.ts";
import { createDispatcher } from "../../../src/rpc/dispatch.ts";
import { createTable } from "../../../src/rpc/table.ts";
import { createSample, sampleContract } from "../../support/features.ts";
import { createLocalGateway } from "../../support/local.ts";
import { createCountingCrypto, createMemoryLog } from "../../support/ports.ts";

function setup(scopes: readonly Scope[] = ["read", "write"], subject = "token:test") {
  const sample = createSample();
  const gateway = createLocalGateway({ features: [sample.feature] });
  const caller: Caller = {
    connId: "c",
    subject,
    name: "test",
    scopes,
    connectedMs: 0,
    onGone: () => () => {},
  };
  const ask = async (name: string, params?: unknown, who = caller): Promise<Reply> =>
    gateway.dispatcher.dispatch(name, params, who);
  return { sample, gateway, caller, ask };
}

const errorOf = (reply: Reply) => (reply.ok ? undefined : reply.error);

test("a method is checked without a compiled parser until that has taken as long as making one", () => {
  const table = createTable();
  const handlers = { "sample.echo": ({ text }: { text: string }) => ({ text }) };
  const { "sample.echo": echo } = sampleContract.methods;
  const feature = { ...createSample().feature, methods: { "sample.echo": echo }, events: {} };
  table.add(feature, handlers);
  let nowMs = 0;
  const clock = { now: () => 0, elapsed: () => (nowMs += 3), dayStart: () => 0 };
  const ports = { crypto: createCountingCrypto(), log: createMemoryLog() };
  const { dispatch } = createDispatcher({ table, clock, ...ports });
  const { caller } = setup();
  const spent = Array.from({ length: 6 }, () => {
    expect(dispatch("sample.echo", { text: "hi" }, caller)).toMatchObject({ ok: true });
    return table.method("sample.echo")?.coldMs;
  });
  // Params and result of each call; the first makes the schemas and does not count.
  expect(spent).toEqual([0, 6, 12, 18, 21, 21]);
});

describe("dispatch", () => {
  test("answers at once when the handler does", () => {
    const { gateway, caller } = setup();
    expect(gateway.dispatcher.dispatch("sample.echo", { text: "hi" }, caller)).toEqual({
      ok: true,
      result: { text: "hi" },
    });
  });

  test.each([
    ["an unknown method", "nope", {}, "unknown_method", 'Cannot call "nope": no such method'],
    ["an inherited name", "toString", {}, "unknown_method", 'Cannot call "toString": no such method'],
    [
      "a missing parameter",
      "sample.echo",
      {},
      "invalid_params",
      'Cannot call "sample.echo": "text" is missing',
    ],
    [
      "no params at all",
      "sample.echo",
      undefined,
      "invalid_params",
      'Cannot call "sample.echo": "text" is missing',
    ],
    [
      "an extra key",
      "sample.echo",
      { text: "a", txet: 1 },
      "invalid_params",
      'Cannot call "sample.echo": "txet" is not a parameter',
    ],
    ["too many positional params", "subtract", [1, 2, 3], "invalid_params", undefined],
    [
      "a declared failure",
      "sample.fail",
      { how: "declared" },
      "not_found",
      'Cannot find sample "x": none there',
    ],
  ])("%s", async (_what, name, params, code, message) => {
    const { ask } = setup();
    const error = errorOf(await ask(name, params));
    expect(error?.code).toBe(code as never);
    expect(error?.data.code).toBe(code as never);
    if (message) expect(error?.message).toBe(message);
  });

  test.each(["throw", "reject", "result"])(
    "a handler that fails by %s is internal, its words stay in the log",
    async (how) => {
      const { ask, gateway } = setup();
      const error = errorOf(await ask("sample.fail", { how }));
      expect(error).toMatchObject({ code: "internal", data: { retry: "later" } });
      expect(JSON.stringify(error)).not.toContain("hidden");
      const line = gateway.log.lines.find(({ fields }) => fields["ref"] === error?.data.ref);
      expect(line?.fields["method"]).toBe("sample.fail");
    },
  );

  test("a missing scope is forbidden and named", async () => {
    const { ask } = setup(["read"]);
    expect(errorOf(await ask("sample.count", {}))).toMatchObject({
      code: "forbidden",
      data: { details: { missingScope: "write" } },
    });
  });

  test("positional params go by the order of the schema", async () => {
    const { ask } = setup();
    expect(await ask("subtract", [42, 23])).toEqual({ ok: true, result: 19 });
  });

  test("idle resolves when the last call is answered", async () => {
    const { ask, gateway, sample } = setup();
    const reply = ask("sample.gate", { gate: "a" });
    expect(gateway.dispatcher.active()).toBe(1);
    let isIdle = false;
    const idle = gateway.dispatcher.idle().then(() => void (isIdle = true));
    await Promise.resolve();
    expect(isIdle).toBe(false);
    sample.open("a");
    await reply;
    await idle;
    expect(gateway.dispatcher.active()).toBe(0);
  });
});

describe("idempotency", () => {
  const counted = (count: number): Reply => ({ ok: true, result: { count } });

  test("the same key answers the same and works once", async () => {
    const { ask } = setup();
    expect(await ask("sample.count", { idempotencyKey: "k" })).toEqual(counted(1));
    expect(await ask("sample.count", { idempotencyKey: "k", by: 1 })).toEqual(counted(1));
    expect(await ask("sample.count", { idempotencyKey: "k2" })).toEqual(counted(2));
  });

  test("other params under the same key are a conflict", async () => {
    const { ask } = setup();
    await ask("sample.count", { idempotencyKey: "k" });
    expect(errorOf(await ask("sample.count", { idempotencyKey: "k", by: 2 }))?.code).toBe("conflict");
  });

  test("another caller has keys of its own", async () => {
    const { ask, caller } = setup();
    await ask("sample.count", { idempotencyKey: "k" });
    expect(await ask("sample.count", { idempotencyKey: "k" }, { ...caller, subject: "other" })).toEqual(
      counted(2),
    );
  });

  test("an answer that says later may be tried again", async () => {
    const { ask, sample } = setup();
    sample.failNextCount();
    expect(errorOf(await ask("sample.count", { idempotencyKey: "k" }))?.code).toBe("unavailable");
    expect(await ask("sample.count", { idempotencyKey: "k" })).toEqual(counted(1));
  });

  test("is forgotten after five minutes, not before", async () => {
    const { ask, gateway } = setup();
    await ask("sample.count", { idempotencyKey: "k" });
    gateway.time.advance(LIMITS.idempotencyMs - 1);
    expect(await ask("sample.count", { idempotencyKey: "k" })).toEqual(counted(1));
    gateway.time.advance(1);
    expect(await ask("sample.count", { idempotencyKey: "k" })).toEqual(counted(2));
  });

  test("keeps a bounded number, the oldest goes first", async () => {
    const { ask } = setup();
    for (let n = 0; n <= LIMITS.idempotencyEntriesMax; n++)
      await ask("sample.count", { idempotencyKey: `k${n}` });
    const all = LIMITS.idempotencyEntriesMax + 1;
    expect(await ask("sample.count", { idempotencyKey: `k${LIMITS.idempotencyEntriesMax}` })).toEqual(
      counted(all),
    );
    expect(await ask("sample.count", { idempotencyKey: "k0" })).toEqual(counted(all + 1));
  });

  test("a repeat while the first is running gets the answer of the first", async () => {
    let release: () => void = () => {};
    let calls = 0;
    const slow = contract({
      name: "slow",
      methods: {
        "slow.set": {
          ...method({
            scope: "read",
            summary: "",
            params: () => z.strictObject({ idempotencyKey: z.string() }),
            result: () => z.int(),
          }),
          effect: true,
        },
      },
      events: {},
    }).implement(() => ({
      handlers: {
        "slow.set": async () => {
          calls++;
          await new Promise<void>((resolve) => void (release = resolve));
          return calls;
        },
      },
    }));
    const gateway = createLocalGateway({ features: [slow] });
    const caller: Caller = {
      connId: "c",
      subject: "s",
      name: "s",
      scopes: ["read"],
      connectedMs: 0,
      onGone: () => () => {},
    };
    const both = [1, 2].map(async () =>
      gateway.dispatcher.dispatch("slow.set", { idempotencyKey: "k" }, caller),
    );
    release();
    expect(await Promise.all(both)).toEqual([
      { ok: true, result: 1 },
      { ok: true, result: 1 },
    ]);
    expect(calls).toBe(1);
  });
});

describe("table", () => {
  const { feature } = createSample();
  const { handlers } = feature.start({} as never);

  test("refuses a taken name and adds nothing of that feature", () => {
    const table = createTable();
    table.add(feature, handlers);
    const before = table.methods().length;
    expect(() => table.add({ ...feature, name: "other" }, handlers)).toThrow(
      'Cannot add method "sample.echo": sample has it',
    );
    expect(table.methods()).toHaveLength(before);
  });

  test("refuses a method without scope or handler, an event with a reserved key", () => {
    const echo = feature.methods["sample.echo"];
    if (!echo) throw new Error("no sample");
    const only = (methods: object, events: object = {}) =>
      ({ ...feature, methods, events }) as typeof feature;
    expect(() => createTable().add(only({ a: { ...echo, scope: undefined } }), { a: () => 1 })).toThrow(
      "no scope",
    );
    expect(() => createTable().add(only({ a: echo }), {})).toThrow("no handler");
    // What the compiler refuses as well, for those who do not ask it.
    const data = () => z.strictObject({ seq: z.int() }) as never;
    const bad = event({ scope: "read", delivery: "must", summary: "", data });
    expect(() => bad.data).toThrow('reserved key "seq"');
  });

  test("what was added goes away again", () => {
    const table = createTable();
    const remove = table.add(feature, handlers);
    remove();
    expect(table.method("sample.echo")).toBeUndefined();
    expect(table.events()).toHaveLength(0);
  });
});
