import { afterEach, describe, expect, test } from "bun:test";
import {
  type ClientOptions,
  type ClientState,
  createGatewayClient,
  type GatewayClient,
  GatewayError,
} from "../../../src/client/mod.ts";
import { greeting, type Peer, type Script, startPeer } from "./peer.ts";

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Waits at most milliseconds where a person's client waits seconds. */
const QUICK = { initialMs: 1, maxMs: 20 };

function open(
  script: Script = {},
  options: Partial<ClientOptions> = {},
): { peer: Peer; client: GatewayClient } {
  const peer = startPeer(script);
  cleanups.push(() => peer.stop());
  return { peer, client: clientOf(peer.url, options) };
}

function clientOf(url: string, options: Partial<ClientOptions> = {}): GatewayClient {
  const client = createGatewayClient({ url, reconnect: QUICK, ...options });
  cleanups.push(() => client.close());
  return client;
}

async function errorOf(promise: Promise<unknown>): Promise<GatewayError> {
  const error: unknown = await promise.then(
    () => new Error("resolved"),
    (reason: unknown) => reason,
  );
  if (error instanceof GatewayError) return error;
  throw new Error(`wanted a GatewayError: ${String(error)}`);
}

function state(client: GatewayClient, name: ClientState["name"]): Promise<ClientState> {
  return new Promise((resolve) => {
    const stop = client.onState((next) => {
      if (next.name !== name) return;
      stop();
      resolve(next);
    });
  });
}

function event(
  client: GatewayClient,
  name: string,
): Promise<[Readonly<Record<string, unknown>>, number | undefined]> {
  return new Promise((resolve) => {
    const stop = client.onAny((got, payload, seq) => {
      if (got !== name) return;
      stop();
      resolve([payload, seq]);
    });
  });
}

const echo: Script["request"] = ({ id, params }, line) => line.send({ id, result: params });

describe("connect", () => {
  test("introduces this client and gives what the gateway said", async () => {
    const { peer, client } = open(
      {},
      { token: "t0ken", client: { id: "x", version: "1" }, scopes: ["read"] },
    );
    const hello = await client.connect();
    expect(hello).toEqual(greeting());
    expect(client.hello).toEqual(hello);
    expect(client.state).toEqual({ name: "ready", hello });
    expect(peer.sent[0]?.params).toEqual({
      minProtocol: 1,
      maxProtocol: 1,
      client: { id: "x", version: "1" },
      auth: { token: "t0ken" },
      scopes: ["read"],
    });
  });

  test("twice opens one connection", async () => {
    const { peer, client } = open();
    const [first, second] = await Promise.all([client.connect(), client.connect()]);
    expect(first).toBe(second);
    expect(await client.connect()).toBe(first);
    expect(peer.lines.length).toBe(1);
  });

  test("a refused credential ends it with what the gateway said", async () => {
    const data = { code: "unauthorized", retry: "no", details: { source: "token" } };
    const refusal = {
      error: { code: "unauthorized", message: "Cannot connect: the token is not accepted", data },
    };
    const { peer, client } = open({
      connect: ({ id }, line) => {
        line.send({ id, ...refusal });
        line.close(4501, "unauthorized");
        return undefined;
      },
    });
    const error = await errorOf(client.connect());
    expect(error).toMatchObject({
      code: "unauthorized",
      retry: "no",
      from: "gateway",
      message: refusal.error.message,
      details: data.details,
    });
    expect(client.state).toEqual({ name: "closed", error });
    expect(peer.lines.length).toBe(1);
  });

  test("a port nobody listens on", async () => {
    const peer = startPeer();
    await peer.stop();
    const error = await errorOf(clientOf(peer.url).connect());
    expect(error).toMatchObject({ code: "unavailable", from: "client", retry: "later" });
    expect(error.message).toBe(`Cannot reach the gateway "${peer.url}": connection refused`);
  });

  test("something that is no gateway", async () => {
    const { client } = open({ connect: () => ({ result: { welcome: true } }) });
    expect((await errorOf(client.connect())).message).toContain("what answers there is no gateway");
    const web = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response("hi", { status: 418 }),
    });
    cleanups.push(() => web.stop(true));
    const error = await errorOf(clientOf(`ws://127.0.0.1:${web.port}/`).connect());
    expect(error.message).toContain("answered with HTTP status 418 instead of a socket");
  });

  test("a URL no socket can have, without the secrets in it", async () => {
    const error = await errorOf(clientOf("ftp://me:hunter2@example.org/x?token=abc").connect());
    expect(error).toMatchObject({ code: "invalid_request" });
    expect(error.message).toBe('Cannot use the gateway URL "ftp://example.org/x": not a socket URL');
  });

  test("a peer that never greets", async () => {
    const { client } = open({ connect: () => undefined }, { connectTimeoutMs: 30 });
    expect((await errorOf(client.connect())).message).toEndWith("no answer in 30 ms");
  });

  test("keeps trying from the first attempt on when told to", async () => {
    let attempts = 0;
    const busy = {
      error: { code: "busy", message: "Cannot connect: full", data: { code: "busy", retry: "later" } },
    };
    const { client } = open(
      { connect: () => (++attempts < 3 ? busy : { result: greeting() }) },
      { reconnect: { ...QUICK, first: true } },
    );
    await client.connect();
    expect(attempts).toBe(3);
  });

  test("can be called again after the end", async () => {
    const { client, peer } = open();
    await client.connect();
    await client.close();
    expect(client.state).toEqual({ name: "closed" });
    await client.connect();
    expect(peer.lines.length).toBe(2);
  });
});

describe("calls", () => {
  test("get their own answers, whatever the order", async () => {
    const held: (() => void)[] = [];
    const { client } = open({
      request: ({ id, method }, line) => {
        held.push(() => line.send({ id, result: method }));
        if (held.length === 3) for (const answer of held.toReversed()) answer();
      },
    });
    await client.connect();
    const answers = await Promise.all(["a", "b", "c"].map((method) => client.request(method)));
    expect(answers).toEqual(["a", "b", "c"]);
  });

  test("fail with the gateway's error, whole", async () => {
    const data = { code: "busy", retry: "later", retryAfterMs: 1500, details: { bound: 3 }, ref: "r1" };
    const { client } = open({
      request: ({ id }, line) =>
        line.send({ id, error: { code: "busy", message: "Cannot do it: full", data } }),
    });
    await client.connect();
    expect(await errorOf(client.call("health"))).toMatchObject({
      code: "busy",
      message: "Cannot do it: full",
      retry: "later",
      retryAfterMs: 1500,
      details: { bound: 3 },
      ref: "r1",
      from: "gateway",
    });
  });

  test("carry the key they are given, and get one where the method must have one", async () => {
    const { client, peer } = open({ request: echo });
    await client.connect();
    await client.call("voicewake.set", { triggers: [] }, { idempotencyKey: "k1" });
    await client.call("voicewake.set", { triggers: [] });
    await client.call("chat.send", { sessionKey: "s", message: "m", idempotencyKey: "k2" });
    await client.call("chat.send", { sessionKey: "s", message: "m" });
    const keys = peer.sent.slice(1).map(({ params }) => params.idempotencyKey);
    expect(keys).toEqual(["k1", undefined, "k2", expect.stringMatching(/^[0-9a-f]{32}$/)]);
  });

  test("before connect and after close are refused at once", async () => {
    const { client } = open();
    expect((await errorOf(client.call("health"))).message).toContain("connect() comes first");
    await client.connect();
    await client.close();
    expect((await errorOf(client.call("health"))).message).toContain("this client is closed");
  });

  test("end with their time, their signal, or the client", async () => {
    const { client } = open({});
    await client.connect();
    const slow = await errorOf(client.call("health", {}, { timeoutMs: 20 }));
    expect(slow).toMatchObject({
      code: "timeout",
      message: 'Cannot wait longer for "health": no answer in 20 ms',
    });
    const controller = new AbortController();
    const given = errorOf(client.call("health", {}, { signal: controller.signal }));
    controller.abort(new Error("enough"));
    expect(await given).toMatchObject({ code: "cancelled", cause: new Error("enough") });
    expect(await errorOf(client.call("health", {}, { signal: AbortSignal.abort() }))).toMatchObject({
      code: "cancelled",
    });
    const left = errorOf(client.call("health", {}, { timeoutMs: Number.POSITIVE_INFINITY }));
    await client.close();
    expect(await left).toMatchObject({ code: "cancelled" });
  });

  test("longer than the gateway takes are not sent", async () => {
    const { client, peer } = open({ request: echo });
    await client.connect();
    const error = await errorOf(client.request("x", { text: "ü".repeat(600) }));
    expect(error).toMatchObject({ code: "too_large" });
    expect(await client.request("x", { text: "u".repeat(600) })).toEqual({ text: "u".repeat(600) });
    expect(peer.sent.length).toBe(2);
  });

  test("that are not JSON are refused", async () => {
    const { client } = open();
    await client.connect();
    expect(await errorOf(client.request("x", { big: 1n }))).toMatchObject({ code: "invalid_params" });
  });

  test("go out only as many at a time as the gateway wants", async () => {
    const waiting: (() => void)[] = [];
    let arrived = Promise.withResolvers<void>();
    const policy = { ...greeting().policy, maxInflight: 2 };
    const { client, peer } = open({
      connect: () => ({ result: greeting({ policy }) }),
      request: ({ id, method }, line) => {
        waiting.push(() => line.send({ id, result: method }));
        if (waiting.length === 2) arrived.resolve();
      },
    });
    await client.connect();
    const answers = Promise.all(["a", "b", "c", "d"].map((method) => client.request(method)));
    await arrived.promise;
    expect(peer.sent.map(({ method }) => method)).toEqual(["connect", "a", "b"]);
    arrived = Promise.withResolvers();
    for (const answer of waiting.splice(0)) answer();
    await arrived.promise;
    for (const answer of waiting.splice(0)) answer();
    expect(await answers).toEqual(["a", "b", "c", "d"]);
  });

  test("past the queue's bounds are refused", async () => {
    const { client } = open({ connect: () => undefined });
    void client.connect().catch(() => undefined);
    const results = Array.from({ length: 1_001 }, () => client.request("x").catch((error: unknown) => error));
    expect(await results[1_000]).toMatchObject({ code: "busy" });
    await client.close();
    expect(await results[999]).toMatchObject({ code: "cancelled" });
    const { client: other } = open({ connect: () => undefined });
    void other.connect().catch(() => undefined);
    expect(await errorOf(other.request("x", { text: "a".repeat(5_000_000) }))).toMatchObject({
      code: "busy",
    });
  });
});

describe("events", () => {
  test("come in order, to those who asked, without the envelope", async () => {
    const { client, peer } = open();
    await client.connect();
    const all: unknown[] = [];
    const ticks: unknown[] = [];
    client.onAny((name, payload, seq) => all.push([name, payload, seq]));
    const stop = client.on("tick", ({ ts }, seq) => {
      ticks.push([ts, seq]);
      stop();
    });
    const last = event(client, "plugin.done");
    for (const seq of [1, 2]) peer.lines[0]?.send({ event: "tick", seq, ts: seq * 10 });
    peer.lines[0]?.send({ event: "plugin.done", seq: 3, deep: { a: 1 } });
    expect(await last).toEqual([{ deep: { a: 1 } }, 3]);
    expect(ticks).toEqual([[10, 1]]);
    expect(all).toEqual([
      ["tick", { ts: 10 }, 1],
      ["tick", { ts: 20 }, 2],
      ["plugin.done", { deep: { a: 1 } }, 3],
    ]);
  });

  test("a resync is handed on", async () => {
    const { client, peer } = open();
    await client.connect();
    const resync = event(client, "resync");
    peer.lines[0]?.send({ event: "resync", seq: 9, from: 3, to: 8, dropped: 5 });
    expect(await resync).toEqual([{ from: 3, to: 8, dropped: 5 }, 9]);
  });
});

describe("a lost connection", () => {
  test.each([4001, 4008, 4499, 1000, 1001, 1006, 1012, 1013])(
    "closed with %d is opened again",
    async (code) => {
      const { client, peer } = open({ request: echo });
      await client.connect();
      const waiting = state(client, "waiting");
      const ready = state(client, "ready");
      if (code === 1006) peer.lines[0]?.cut();
      else peer.lines[0]?.close(code, "reason");
      expect(await waiting).toMatchObject({ error: { closeCode: code } });
      await ready;
      expect(await client.request("x", { y: 1 })).toEqual({ y: 1 });
      expect(peer.lines.length).toBe(2);
    },
  );

  test.each([
    [4500, "unavailable"],
    [4501, "unauthorized"],
    [4502, "invalid_request"],
    [4503, "forbidden"],
    [4505, "unauthorized"],
    [4999, "unavailable"],
  ] as const)("closed with %d is the end", async (code, error) => {
    const { client, peer } = open();
    await client.connect();
    const closed = state(client, "closed");
    peer.lines[0]?.close(code, "go away");
    expect(await closed).toMatchObject({ error: { code: error, closeCode: code } });
    expect(await errorOf(client.call("health"))).toMatchObject({ code: error });
    expect(peer.lines.length).toBe(1);
  });

  test("ends the client that does not want to come back", async () => {
    const { client, peer } = open({}, { reconnect: false });
    await client.connect();
    const call = errorOf(client.call("health"));
    const closed = state(client, "closed");
    peer.lines[0]?.close(4001, "restart");
    expect(await closed).toMatchObject({ error: { closeCode: 4001 } });
    expect(await call).toMatchObject({ code: "unavailable", closeCode: 4001 });
  });

  test("fails what was sent, naming its key, and sends what was not", async () => {
    const { client, peer } = open({
      request: (sent, line) => (line.number === 1 ? line.cut() : echo(sent, line)),
    });
    await client.connect();
    const waiting = state(client, "waiting");
    const cut = errorOf(client.call("chat.send", { sessionKey: "s", message: "m" }, { idempotencyKey: "k" }));
    expect(await cut).toMatchObject({
      code: "unavailable",
      retry: "later",
      idempotencyKey: "k",
      from: "client",
    });
    await waiting;
    expect(await client.request("later", { n: 1 })).toEqual({ n: 1 });
    expect(peer.sent.map(({ method }) => method)).toEqual(["connect", "chat.send", "connect", "later"]);
  });

  test("gives up after its time", async () => {
    const { client, peer } = open({}, { reconnect: { ...QUICK, giveUpMs: 40 } });
    await client.connect();
    const closed = state(client, "closed");
    await peer.stop();
    expect(await closed).toMatchObject({ error: { code: "unavailable" } });
  });

  test("is noticed when the other end falls silent", async () => {
    const policy = { ...greeting().policy, tickIntervalMs: 20 };
    const { client, peer } = open({
      connect: (_, line) => ({ result: greeting(line.number === 1 ? { policy } : {}) }),
    });
    await client.connect();
    const waiting = state(client, "waiting");
    const ready = state(client, "ready");
    expect(await waiting).toMatchObject({
      error: { message: expect.stringContaining("not a word in 50 ms") },
    });
    await ready;
    expect(peer.lines.length).toBe(2);
  });

  test("frames nobody can read end the connection, not the client", async () => {
    const { client, peer } = open();
    await client.connect();
    const ready = state(client, "ready");
    peer.lines[0]?.sendText("{nonsense");
    await ready;
    expect(peer.lines.length).toBe(2);
  });
});

describe("resume", () => {
  /** A gateway whose every connection greets with the next of these. */
  function greetings(...resumes: ReturnType<typeof greeting>["resume"][]): Script {
    return {
      connect: (_, line) => ({ result: greeting({ resume: resumes[line.number - 1] ?? resumes[0]! }) }),
    };
  }

  async function cut(client: GatewayClient, peer: Peer): Promise<void> {
    const ready = state(client, "ready");
    peer.lines.at(-1)?.cut();
    await ready;
  }

  const resumeOf = (peer: Peer): unknown[] => peer.sent.map(({ params }) => params.resume);

  test("asks for what came after the last event seen", async () => {
    const same = { epoch: "e1", seq: 5, replayed: 0, resync: false };
    const { client, peer } = open(greetings(same, { ...same, seq: 8 }, { ...same, seq: 8 }));
    const resyncs: unknown[] = [];
    client.on("resync", (resync) => resyncs.push(resync));
    await client.connect();
    const seen = event(client, "b");
    peer.lines[0]?.send({ event: "a", seq: 7 });
    peer.lines[0]?.send({ event: "b", seq: 6 });
    await seen;
    await cut(client, peer);
    await cut(client, peer);
    expect(resumeOf(peer)).toEqual([undefined, { epoch: "e1", seq: 7 }, { epoch: "e1", seq: 8 }]);
    expect(resyncs).toEqual([]);
  });

  test("a replay that breaks off goes on from its last event", async () => {
    const first = { epoch: "e1", seq: 5, replayed: 0, resync: false };
    const replay = { epoch: "e1", seq: 20, replayed: 3, resync: false };
    const { client, peer } = open(greetings(first, replay, replay, first));
    await client.connect();
    await cut(client, peer);
    let seen = event(client, "one");
    peer.lines[1]?.send({ event: "one", seq: 9 });
    await seen;
    await cut(client, peer);
    seen = event(client, "three");
    for (const [name, seq] of [
      ["one", 10],
      ["two", 11],
      ["three", 12],
    ])
      peer.lines[2]?.send({ event: name, seq });
    await seen;
    await cut(client, peer);
    expect(resumeOf(peer).slice(2)).toEqual([
      { epoch: "e1", seq: 9 },
      { epoch: "e1", seq: 20 },
    ]);
  });

  test("tells when the gateway cannot replay any more", async () => {
    const { client, peer } = open(
      greetings(
        { epoch: "e1", seq: 5, replayed: 0, resync: false },
        { epoch: "e2", seq: 2, replayed: 0, resync: true },
        { epoch: "e2", seq: 2, replayed: 0, resync: false },
      ),
    );
    await client.connect();
    const resync = event(client, "resync");
    await cut(client, peer);
    expect(await resync).toEqual([{ from: 5, to: 2 }, undefined]);
    await cut(client, peer);
    expect(resumeOf(peer).at(-1)).toEqual({ epoch: "e2", seq: 2 });
  });
});
