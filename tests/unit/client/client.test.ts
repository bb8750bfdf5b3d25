import { describe, expect, test } from "bun:test";
import { cleanups, clientOf, echo, errorOf, open, QUICK } from "./harness.ts";
import { greeting, startPeer } from "./peer.ts";

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

  test("as long as the gateway takes are sent, however long that is", async () => {
    const policy = { ...greeting().policy, maxPayload: 16 * 1024 * 1024 };
    const { client } = open({
      connect: () => ({ result: greeting({ policy }) }),
      request: ({ id }, line) => line.send({ id, result: "came" }),
    });
    await client.connect();
    expect(await client.request("x", { picture: "A".repeat(8 * 1024 * 1024) })).toBe("came");
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
    void other.request("x").catch(() => undefined);
    expect(await errorOf(other.request("x", { text: "a".repeat(5_000_000) }))).toMatchObject({
      code: "busy",
    });
  });
});
