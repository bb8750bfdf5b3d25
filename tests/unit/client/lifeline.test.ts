import { describe, expect, test } from "bun:test";
import type { GatewayClient, Hello } from "../../../src/client/mod.ts";
import { echo, errorOf, event, open, QUICK, state } from "./harness.ts";
import { greeting, type Peer, type Script } from "./peer.ts";

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
  function greetings(first: Hello["resume"], ...later: Hello["resume"][]): Script {
    const resumes = [first, ...later];
    return {
      connect: (_, line) => ({ result: greeting({ resume: resumes[line.number - 1] ?? first }) }),
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

describe("a subscription", () => {
  const resumes = (peer: Peer) =>
    peer.sent.filter(({ method }) => method === "connect").map(({ params }) => params["subscribe"]);

  async function again(client: GatewayClient, peer: Peer): Promise<void> {
    const ready = state(client, "ready");
    peer.lines.at(-1)?.cut();
    await ready;
  }

  test("holds for the connections that follow, as the gateway understood it, until the next", async () => {
    const understood = { sessions: ["agent:main:main"], seq: 4, active: [] };
    const answers: Record<string, unknown> = {
      "events.subscribe": { result: understood },
      "events.unsubscribe": { result: { seq: 5 } },
    };
    const { client, peer } = open({
      request: ({ id, method }, line) => line.send({ id, ...(answers[method] as object) }),
    });
    await client.connect();
    await client.call("events.subscribe", { sessions: ["main"] });
    await again(client, peer);
    answers["events.subscribe"] = { result: { sessions: "all", events: ["chat"], seq: 4, active: [] } };
    await client.call("events.subscribe", { sessions: "all", events: ["chat"] });
    await again(client, peer);
    // One that is refused changes nothing.
    answers["events.subscribe"] = { error: { code: "invalid_params", message: "no", data: {} } };
    await errorOf(client.call("events.subscribe", { events: ["typo"] }));
    await again(client, peer);
    await client.call("events.unsubscribe");
    await again(client, peer);
    expect(resumes(peer)).toEqual([
      undefined,
      { sessions: ["agent:main:main"] },
      { sessions: "all", events: ["chat"] },
      { sessions: "all", events: ["chat"] },
      undefined,
    ]);
  });

  test("that was not answered is not the one it comes back with", async () => {
    const { client, peer } = open({}, { subscribe: { sessions: "all" } });
    await client.connect();
    const call = errorOf(client.call("events.subscribe", { sessions: ["lost"] }));
    await again(client, peer);
    expect(await call).toMatchObject({ code: "unavailable" });
    expect(resumes(peer)).toEqual([{ sessions: "all" }, { sessions: "all" }]);
  });
});
