import { describe, expect, test } from "bun:test";
import { CLOSE } from "../../../src/contract/errors.ts";
import { Hello } from "../../../src/contract/frames.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { createSample } from "../../support/features.ts";
import { createLocalGateway, TOKEN } from "../../support/local.ts";

function setup() {
  const sample = createSample();
  return { sample, ...createLocalGateway({ features: [sample.feature] }) };
}

const hello = (params: object = {}) => ({
  id: "h",
  method: "connect",
  params: { auth: { token: TOKEN }, ...params },
});

describe("handshake", () => {
  test("the challenge is the first frame and serves two dialects", () => {
    const { open } = setup();
    const [challenge, ...rest] = open().take();
    expect(rest).toEqual([]);
    const { nonce, ts } = challenge as { nonce: string; ts: number };
    expect(challenge).toEqual({
      type: "event",
      event: "connect.challenge",
      payload: { nonce, ts },
      nonce,
      ts,
    });
  });

  test("connect answers with a hello that fits its schema", () => {
    const { open, hub } = setup();
    const client = open();
    client.take();
    client.send(hello({ client: { id: "cli", version: "1" } }));
    const [reply] = client.take();
    const result = Hello().parse(reply?.["result"]);
    expect(result.features.methods).toContain("sample.echo");
    expect(result.features.events).toContain("sample.must");
    expect(result.snapshot.presence).toMatchObject([
      { client: "cli", scopes: ["read", "write", "admin", "pairing", "approvals"] },
    ]);
    expect(result.resume).toEqual({ epoch: "epoch-1", seq: 0, replayed: 0, resync: false });
    expect(hub.size).toBe(1);
  });

  test("any other first request is unauthorized and the end", () => {
    const { open, hub } = setup();
    const client = open();
    client.take();
    client.send({ id: 1, method: "health" });
    expect(client.take()).toMatchObject([{ id: 1, error: { code: "unauthorized" } }]);
    expect(client.socket.closed?.code).toBe(CLOSE.unauthorized);
    expect(hub.size).toBe(0);
  });

  test.each([
    ["a wrong token", { token: "wrong" }],
    ["no credential", {}],
    ["a password instead", { password: TOKEN }],
    ["a device token instead", { deviceToken: TOKEN }],
  ])("%s is unauthorized and the end", (_what, auth) => {
    const { open } = setup();
    const client = open();
    client.take();
    client.send({ id: 1, method: "connect", params: { auth } });
    expect(client.take()).toMatchObject([{ id: 1, error: { code: "unauthorized" } }]);
    expect(client.socket.closed?.code).toBe(CLOSE.unauthorized);
  });

  test("after ten wrong ones the right one has to wait, from elsewhere it has not", () => {
    const { open, time } = setup();
    const attempt = (token: string, address: string) => {
      const client = open({ address });
      client.take();
      client.send({ id: 1, method: "connect", params: { auth: { token } } });
      client.connection.close(1006, "");
      return {
        reply: client.take()[0] as { error?: { code: string; data: { retryAfterMs?: number } } },
        closed: client.socket.closed,
      };
    };
    for (let n = 0; n < LIMITS.failedCredentialsMax; n++) attempt(`guess-${n}`, "127.0.0.1");
    const limited = attempt(TOKEN, "127.0.0.1");
    expect(limited.reply.error).toMatchObject({
      code: "busy",
      data: { retryAfterMs: LIMITS.failedCredentialsWindowMs },
    });
    expect(limited.closed?.code).toBe(CLOSE.rateLimited);
    expect(attempt(TOKEN, "127.0.0.2").reply.error).toBeUndefined();
    time.advance(LIMITS.failedCredentialsWindowMs);
    expect(attempt(TOKEN, "127.0.0.1").reply.error).toBeUndefined();
  });

  test("silence is closed at the deadline, not a millisecond before", () => {
    const { open, time } = setup();
    const client = open();
    time.advance(LIMITS.handshakeMs - 1);
    expect(client.socket.closed).toBeUndefined();
    time.advance(1);
    expect(client.socket.closed?.code).toBe(CLOSE.idle);
    time.advance(LIMITS.closeGraceMs);
    expect(client.socket.isTerminated).toBe(true);
  });

  test("a protocol range without ours is refused with ours named", () => {
    const { open } = setup();
    const client = open();
    client.take();
    client.send(hello({ minProtocol: 2, maxProtocol: 9 }));
    expect(client.take()).toMatchObject([
      { error: { code: "invalid_request", data: { details: { protocol: 1 } } } },
    ]);
    expect(client.socket.closed?.code).toBe(CLOSE.version);
  });

  test("params that do not fit may be sent again", () => {
    const { open } = setup();
    const client = open();
    client.take();
    client.send(hello({ extra: 1 }));
    expect(client.take()).toMatchObject([
      { error: { code: "invalid_params", message: 'Cannot call "connect": "extra" is not a parameter' } },
    ]);
    client.send(hello());
    expect(client.take()[0]).toHaveProperty("result");
  });

  test("scopes: what is asked for, as far as allowed, spelled either way", () => {
    const { connect } = setup();
    expect(connect({ scopes: ["operator.write", "invented"] }).connection.scopes).toEqual(["read", "write"]);
    expect(connect({ scopes: [] }).connection.scopes).toEqual([]);
    expect(connect({ role: "node", scopes: ["admin"] }).connection.scopes).toEqual([]);
  });

  test("a credential at the upgrade makes connect optional, and connect may narrow it", () => {
    const { open, hub } = setup();
    const client = open({ grant: { credential: "token", scopes: ["read"] } });
    client.take();
    client.send({ id: 1, method: "sample.echo", params: { text: "a" } });
    expect(client.take()).toEqual([{ id: 1, result: { text: "a" } }]);
    client.send({ id: 2, method: "connect", params: { scopes: ["admin"] } });
    expect(client.take()[0]).toMatchObject({ result: { auth: { scopes: ["read"] } } });
    client.send({ id: 3, method: "connect", params: {} });
    expect(client.take()).toMatchObject([{ id: 3, error: { code: "conflict" } }]);
    expect(hub.size).toBe(1);
  });

  test("a frame over 64 KiB before connect ends it, characters counted as bytes", () => {
    const { open } = setup();
    const client = open();
    client.send(
      JSON.stringify({
        id: 1,
        method: "connect",
        params: { userAgent: "€".repeat(LIMITS.helloFrameBytesMax / 3) },
      }),
    );
    expect(client.socket.closed?.code).toBe(1009);
  });

  test("the dialect of older clients is refused in their own words", () => {
    const { open } = setup();
    const client = open();
    client.take();
    client.send({ type: "req", id: "c1", method: "connect", params: {} });
    expect(client.take()).toMatchObject([
      { type: "res", id: "c1", ok: false, error: { code: "unavailable", retryable: true } },
    ]);
    expect(client.socket.closed?.code).toBe(CLOSE.version);
  });
});

describe("before connect", () => {
  test("a batch is answered whole, then the socket is closed", () => {
    const { open } = setup();
    const client = open({ isJsonRpc: true });
    client.take();
    const call = (id: number) => ({ jsonrpc: "2.0", id, method: "sample.echo", params: { text: "a" } });
    client.send([call(1), call(2)]);
    const refused = (id: number) => ({ id, error: { code: -32001 } });
    expect(client.take()).toMatchObject([[refused(1), refused(2)]] as never);
    expect(client.socket.closed?.code).toBe(CLOSE.unauthorized);
  });

  test("while stopping nobody is let in any more", () => {
    const { open, hub, stopAccepting } = setup();
    const client = open();
    client.take();
    stopAccepting();
    client.send(hello());
    expect(client.take()).toMatchObject([{ error: { code: "unavailable", data: { retry: "later" } } }]);
    expect(hub.size).toBe(0);
  });

  test("what came live after a credential at the upgrade is not replayed", () => {
    const { open, hub } = setup();
    hub.broadcast("sample.must", { n: 1 });
    const client = open({ grant: { credential: "token", scopes: ["read"] } });
    client.take();
    hub.broadcast("sample.must", { n: 2 });
    client.send(hello({ resume: { epoch: "epoch-1", seq: 0 } }));
    const seqs = client.take().map(({ seq }) => seq);
    expect(seqs).toEqual([2, undefined, 1]);
  });
});

describe("a client that has gone", () => {
  test("is gone whatever the work of its handlers throws", () => {
    const { connect, admission, log } = setup();
    const client = connect();
    let ran = 0;
    client.connection.onGone(() => {
      throw new Error("work of a handler");
    });
    client.connection.onGone(() => ran++);
    client.connection.end(CLOSE.slow, "slow");
    expect(client.socket.closed?.code).toBe(CLOSE.slow);
    client.connection.close(CLOSE.slow, "slow");
    expect(ran).toBe(1);
    expect(log.lines.some(({ level }) => level === "error")).toBe(true);
    return expect(admission.empty()).resolves.toBeUndefined();
  });

  test("is gone for work that is registered too late", () => {
    const { connect } = setup();
    const { connection } = connect();
    connection.close(1006, "");
    let ran = 0;
    connection.onGone(() => ran++);
    expect(ran).toBe(1);
  });
});

describe("requests", () => {
  test.each([false, true])("a result JSON cannot hold is internal, later: %p", async (later) => {
    const { connect, dispatcher, log } = setup();
    const client = connect();
    client.send({ id: 1, method: "sample.big", params: { later } });
    await dispatcher.idle();
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    expect(client.take()).toMatchObject([{ id: 1, error: { code: "internal" } }]);
    expect(log.lines.some(({ level }) => level === "error")).toBe(true);
  });

  test.each([
    ["an id of another kind", { id: {}, method: "health" }, null],
    ["no id", { method: "health" }, null],
    ["an endless id", { id: "x".repeat(129), method: "health" }, null],
    ["no method", { id: 1 }, 1],
    ["params that are a list", { id: 1, method: "health", params: [] }, 1],
    ["an unknown key", { id: 1, method: "health", parms: {} }, 1],
    ["not an object", "5", null],
    ["a reserved key", '{"id":1,"method":"health","params":{"__proto__":{"a":1}}}', null],
    ["a reserved key in disguise", '{"id":1,"method":"health","params":{"\\u005f_proto__":1}}', null],
    ["65 levels", `${'{"a":'.repeat(65)}1${"}".repeat(65)}`, null],
  ])("%s is an invalid request and the socket stays", (_what, frame, id) => {
    const { connect } = setup();
    const client = connect();
    client.send(frame);
    expect(client.take()).toMatchObject([{ id, error: { code: "invalid_request" } }]);
    client.send({ id: 2, method: "sample.echo", params: { text: "still here" } });
    expect(client.take()).toEqual([{ id: 2, result: { text: "still here" } }]);
  });

  test("a batch whose answers are long enough already does no more, and says so", () => {
    const jsonrpc = setup().open({ isJsonRpc: true, grant: { credential: "token", scopes: ["read"] } });
    jsonrpc.take();
    const params = { chars: LIMITS.batchReplyCharsMax / 2 };
    jsonrpc.send(
      Array.from({ length: 10 }, (_, id) => ({ jsonrpc: "2.0", id, method: "sample.long", params })),
    );
    const [replies] = jsonrpc.take() as unknown as { id: number; error?: object }[][];
    expect(replies?.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(replies?.filter(({ error }) => !error)).toHaveLength(2);
    expect(replies?.at(-1)).toMatchObject({ error: { code: -32029, data: { retry: "later" } } });
  });

  test("three frames in a row that are not JSON end it, two do not", () => {
    const { connect } = setup();
    const client = connect();
    const good = { id: 2, method: "sample.echo", params: { text: "a" } };
    client.send("{");
    client.send("nonsense");
    client.send(good);
    expect(client.take()).toMatchObject([
      { id: null, error: { code: "parse_error" } },
      { id: null },
      { id: 2 },
    ]);
    for (const frame of ["{", "{", "{"]) client.send(frame);
    expect(client.take()).toHaveLength(3);
    expect(client.socket.closed?.code).toBe(CLOSE.protocol);
  });

  test("64 run, more wait in order, far more are busy", async () => {
    const { connect, sample, dispatcher } = setup();
    const client = connect();
    const all = LIMITS.inflightMax + LIMITS.queuedRequestsMax + 1;
    for (let id = 0; id < all; id++) client.send({ id, method: "sample.gate", params: { gate: String(id) } });
    expect(sample.waiting).toHaveLength(LIMITS.inflightMax);
    expect(client.take()).toMatchObject([{ id: all - 1, error: { code: "busy", data: { retry: "later" } } }]);
    for (let id = 0; id < all - 1; id++) {
      sample.open(String(id));
      // The answer and the start of the next are a few turns of the queue away.
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
    await dispatcher.idle();
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    expect(sample.waiting).toEqual(Array.from({ length: all - 1 }, (_, id) => String(id)));
    expect(client.take().map((reply) => reply["id"])).toEqual(Array.from({ length: all - 1 }, (_, id) => id));
  });

  test("an answer for somebody who left goes nowhere", async () => {
    const { connect, sample, dispatcher } = setup();
    const client = connect();
    client.send({ id: 1, method: "sample.gate", params: { gate: "g" } });
    client.connection.close(1006, "");
    sample.open("g");
    await dispatcher.idle();
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    expect(client.take()).toEqual([]);
  });

  test("while stopping, requests are unavailable", () => {
    const { connect, stopAccepting } = setup();
    const client = connect();
    stopAccepting();
    client.send({ id: 1, method: "sample.echo", params: { text: "a" } });
    expect(client.take()).toMatchObject([{ id: 1, error: { code: "unavailable" } }]);
  });

  test("a closed connection is gone from everywhere and leaves no timer", () => {
    const { connect, open, hub, time } = setup();
    const ready = connect();
    const stranger = open();
    let gone = 0;
    ready.connection.onGone(() => gone++);
    for (const client of [ready, stranger]) client.connection.close(1006, "");
    expect([hub.size, gone, time.pending()]).toEqual([0, 1, 0]);
    ready.send({ id: 1, method: "sample.echo", params: { text: "a" } });
    expect(ready.take()).toEqual([]);
  });
});
