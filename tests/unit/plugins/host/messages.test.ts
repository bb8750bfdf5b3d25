import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { RpcError } from "../../../../src/contract/errors.ts";
import { LIMITS } from "../../../../src/contract/limits.ts";
import {
  packRequest,
  packResponse,
  unpackRequest,
  unpackResponse,
} from "../../../../src/plugins/host/bodies.ts";
import { errorOf, faultOf } from "../../../../src/plugins/host/faults.ts";
import { LineReader } from "../../../../src/plugins/host/lines.ts";
import { Link, type LinkEnd, type Served } from "../../../../src/plugins/host/link.ts";
import { lossOf } from "../../../../src/plugins/host/lost.ts";
import { featureOf, offersOf } from "../../../../src/plugins/host/offered.ts";
import { describeApi } from "../../../../src/rpc/describe.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("lines", () => {
  test("come whole, however they were cut", () => {
    const reader = new LineReader(100);
    const all = bytes("eins\nzwäi\n\ndrei");
    const lines = [...all].flatMap((byte) => reader.push(new Uint8Array([byte])));
    expect(lines).toEqual(["eins", "zwäi", ""]);
    expect(reader.push(bytes("!\nfour\n"))).toEqual(["drei!", "four"]);
  });

  test("one that is too long is refused", () => {
    const reader = new LineReader(8);
    expect(reader.push(bytes("12345"))).toEqual([]);
    expect(() => reader.push(bytes("6789"))).toThrow("a line is longer than 8 bytes");
  });

  test("what is kept does not change with the buffer it came in", () => {
    const reader = new LineReader(100);
    const buffer = bytes("abc");
    reader.push(buffer);
    buffer.fill(0);
    expect(reader.push(bytes("d\n"))).toEqual(["abcd"]);
  });
});

describe("errors", () => {
  test("one for clients crosses whole", () => {
    const error = new RpcError("busy", "Cannot do: wait", { retryAfterMs: 5, details: { a: 1 } });
    const back = errorOf(JSON.parse(JSON.stringify(faultOf(error))));
    expect(back).toBeInstanceOf(RpcError);
    expect(back).toMatchObject({
      code: "busy",
      message: "Cannot do: wait",
      extra: { retryAfterMs: 5, details: { a: 1 } },
    });
  });

  test("any other has its message and stack, and no code", () => {
    const error = new TypeError("oops");
    const back = errorOf(JSON.parse(JSON.stringify(faultOf(error))));
    expect(back).not.toBeInstanceOf(RpcError);
    expect(back.message).toBe("oops");
    expect(back.stack).toBe(String(error.stack));
  });

  test.each([[undefined], [7], [{ message: 5 }], [{ message: "m", code: "toString" }], [[]]])(
    "%p becomes an error of no code",
    (fault) => {
      expect(errorOf(fault)).toBeInstanceOf(Error);
      expect(errorOf(fault)).not.toBeInstanceOf(RpcError);
    },
  );

  test("what is no error can be thrown too", () => {
    expect(faultOf("text").message).toBe("text");
    expect(faultOf(Object.create(null)).message).toBe("it threw what cannot be shown");
    expect(faultOf(new Error("x".repeat(10_000))).message).toHaveLength(4_000);
  });
});

/** Two links that hear each other, each line in a turn of its own. */
function pair(serve: (call: Served) => unknown, heard: LinkEnd["heard"] = () => {}) {
  const lines: string[] = [];
  const here: Link = new Link({
    write: (line) => queueMicrotask(() => there.receive(line)),
    serve: () => undefined,
    heard: () => {},
  });
  const there: Link = new Link({
    write: (line) => {
      lines.push(line);
      queueMicrotask(() => here.receive(line));
    },
    serve,
    heard,
  });
  return { here, there, lines };
}

describe("a link", () => {
  test("answers calls, each with its own answer", async () => {
    const { here } = pair(async ({ args }) => Number(args["n"]) * 2);
    const answers = await Promise.all([1, 2, 3].map((n) => here.call(1, "double", { args: { n } })));
    expect(answers).toEqual([2, 4, 6]);
    expect(here.awaited().size).toBe(0);
  });

  test("hands on parts before the end, and a cancel", async () => {
    const items: unknown[] = [];
    const abort = new AbortController();
    const { here } = pair(({ item, signal }) => {
      item(1);
      item("two");
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve("stopped")));
    });
    const onItem = (value: unknown): void => {
      items.push(value);
      if (items.length === 2) abort.abort();
    };
    expect(await here.call(1, "stream", { signal: abort.signal, onItem })).toBe("stopped");
    expect(items).toEqual([1, "two"]);
  });

  test("a cancel that came first is still told", async () => {
    const { here } = pair(
      ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(1))),
    );
    expect(await here.call(1, "wait", { signal: AbortSignal.abort() })).toBe(1);
  });

  test("notes are heard and not answered", async () => {
    const heard: unknown[] = [];
    const { here, lines } = pair(
      () => undefined,
      (...told) => void heard.push(told),
    );
    here.note(7, "say", { a: 1 });
    await here.call(1, "after");
    expect(heard).toEqual([[7, "say", { a: 1 }]]);
    expect(lines).toHaveLength(1);
  });

  test("fails what waits when it ends, and everything after", async () => {
    const { here } = pair(() => new Promise(() => {}));
    const waiting = here.call(3, "never");
    expect([...here.awaited()]).toEqual([3]);
    const ended = new RpcError("unavailable", "Cannot reach: gone");
    here.end(ended);
    expect(waiting).rejects.toBe(ended);
    expect(here.call(3, "again")).rejects.toBe(ended);
  });

  test.each([
    ["nothing", undefined],
    [
      "a loop",
      (() => {
        const loop: Record<string, unknown> = {};
        loop["self"] = loop;
        return loop;
      })(),
    ],
    ["what is nested too deep", JSON.parse("[".repeat(70) + "]".repeat(70)) as unknown],
    ["what is too large", "x".repeat(LIMITS.hostMessageBytesMax)],
  ])("answers %s, or says why not", async (_, value) => {
    const { here, lines } = pair(() => value);
    const outcome = await here.call(1, "get").catch((error: unknown) => error);
    if (value === undefined) expect(outcome).toBeUndefined();
    else expect(outcome).toBeInstanceOf(RpcError);
    expect(lines).toHaveLength(1);
  });

  test("has no more than so many calls of the other side", async () => {
    const { here } = pair(({ verb }) => (verb === "hold" ? new Promise(() => {}) : "stopped"));
    const calls = Array.from({ length: 1_025 }, () => here.call(1, "hold").catch((error: unknown) => error));
    expect(await calls.at(-1)).toMatchObject({ code: "busy" });
    // Who holds all of them has to be stopped all the same.
    expect(await here.call(1, "stop")).toBe("stopped");
    here.end(new Error("done"));
  });

  test.each([
    "",
    "{",
    "[]",
    "7",
    '{"t":"call"}',
    '{"t":"call","id":1,"to":0}',
    '{"t":"what","id":1}',
    '{"t":"note","to":1}',
  ])("%p is no message", (line) => {
    const { here } = pair(() => undefined);
    expect(() => here.receive(line)).toThrow();
  });

  test("an answer that nobody waits for is passed over", () => {
    const { here } = pair(() => undefined);
    for (const t of ["ok", "no", "item", "cancel"]) here.receive(JSON.stringify({ t, id: 99 }));
    expect(here.awaited().size).toBe(0);
  });
});

describe("bodies", () => {
  test("bytes cross as they are", () => {
    const body = new Uint8Array(256).map((_, index) => index);
    const head = { method: "POST", path: "/", params: {}, query: {}, headers: {}, address: "::1" };
    const packed = packRequest({ ...head, body });
    expect(unpackRequest(packed.head, packed.body)).toEqual({ ...head, body });
    expect(unpackResponse(JSON.parse(JSON.stringify(packResponse({ status: 201, body }))))).toEqual({
      status: 201,
      body,
    });
  });

  test.each([[{ body: "text" }], [{ body: { a: 1 }, headers: { a: "b" } }], [{}]])(
    "%p crosses",
    (response) => {
      expect(unpackResponse(JSON.parse(JSON.stringify(packResponse(response))))).toEqual(response);
    },
  );

  test.each([[7], [{ status: 99 }], [{ status: "200" }], [{ headers: { a: 1 } }], [{ body: 5 }]])(
    "%p is no response",
    (value) => {
      expect(() => unpackResponse(value)).toThrow("its route answered");
    },
  );
});

const OFFERS = {
  methods: [
    {
      name: "x.do",
      scope: "read",
      summary: "Does",
      effect: false,
      errors: ["not_found"],
      params: z.toJSONSchema(z.strictObject({ b: z.int().min(1), a: z.string().optional() })),
      result: z.toJSONSchema(z.array(z.string())),
    },
  ],
  events: [
    {
      name: "x.done",
      scope: "read",
      delivery: "must",
      summary: "Done",
      replay: true,
      data: z.toJSONSchema(z.object({ n: z.int() })),
    },
  ],
  routes: [],
  hooks: ["run_start"],
  tools: [],
  agents: [],
  channels: [],
  services: [],
};

describe("what is offered", () => {
  test("is described by the plugin's own schemas, and passes as it is", () => {
    const feature = featureOf("x", offersOf("x", JSON.parse(JSON.stringify(OFFERS))));
    const { methods, "x-events": events } = describeApi("1", [feature]);
    expect(methods[0]).toMatchObject({
      name: "x.do",
      params: [
        { name: "b", required: true, schema: { type: "integer", minimum: 1 } },
        { name: "a", required: false, schema: { type: "string" } },
      ],
      result: { schema: { type: "array", items: { type: "string" } } },
      "x-scope": "read",
    });
    expect(events[0]).toMatchObject({ name: "x.done", payload: { properties: { n: { type: "integer" } } } });
    const params = feature.methods["x.do"]?.params;
    expect(Object.keys(params?.shape ?? {})).toEqual(["b", "a"]);
    expect(params?.safeParse({ b: "judged elsewhere", c: 1 })).toEqual({
      success: true,
      data: { b: "judged elsewhere", c: 1 },
    });
  });

  test("two versions may name their schemas alike", () => {
    const [method] = OFFERS.methods;
    const named = { ...OFFERS, methods: [{ ...method, params: { ...method?.params, id: "Same" } }] };
    for (let version = 0; version < 2; version++)
      expect(featureOf("x", offersOf("x", named)).methods["x.do"]?.params.safeParse({}).success).toBe(true);
  });

  test.each([
    ["a method of somebody else", { methods: [{ ...OFFERS.methods[0], name: "config.get" }] }],
    ["an event of somebody else", { events: [{ ...OFFERS.events[0], name: "chat" }] }],
    ["an unknown scope", { methods: [{ ...OFFERS.methods[0], scope: "root" }] }],
    ["an unknown hook", { hooks: ["run_never"] }],
    ["no list", { tools: "all" }],
  ])("%s is refused", (_, wrong) => {
    expect(() => offersOf("x", { ...OFFERS, ...wrong })).toThrow();
  });
});

describe("a loss", () => {
  const why = "ended with exit code 1";

  test("says whose fault it was, where that is known", () => {
    const loss = { why, ids: ["a", "b"], culprit: "a" };
    expect(lossOf("a", loss)).toMatchObject({ message: `its process ${why}`, isBystander: false });
    expect(lossOf("b", loss)).toMatchObject({
      message: `the process that it shared ${why}, because of plugin "a"`,
      isBystander: true,
    });
  });

  test("names those that it may have been", () => {
    expect(lossOf("a", { why, ids: ["a"], culprit: undefined }).message).toBe(`its process ${why}`);
    expect(lossOf("a", { why, ids: ["a", "b", "c"], culprit: undefined }).message).toBe(
      `the process that it shared with "b", "c" ${why}; it gets one of its own`,
    );
  });
});
