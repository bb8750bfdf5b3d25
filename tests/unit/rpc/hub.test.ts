import { describe, expect, test } from "bun:test";
import { CLOSE } from "../../../src/contract/errors.ts";
import { Hello } from "../../../src/contract/frames.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { Outgoing } from "../../../src/rpc/outgoing.ts";
import { Ring } from "../../../src/rpc/ring.ts";
import { createSample } from "../../support/features.ts";
import { createLocalGateway, TOKEN } from "../../support/local.ts";

const setup = () => createLocalGateway({ features: [createSample().feature] });
const SPEC = { name: "big", scope: "read", must: true, key: undefined, audience: undefined } as const;
const KIB = "x".repeat(1024);

describe("broadcast", () => {
  test("reaches every client whose scopes allow it, with one count for all", () => {
    const { connect, hub } = setup();
    const admin = connect();
    const reader = connect({ scopes: ["read"] });
    const nobody = connect({ scopes: [] });
    hub.broadcast("sample.secret", { n: 1 });
    hub.broadcast("sample.must", { n: 2 });
    expect(admin.take()).toEqual([
      { event: "sample.secret", seq: 1, n: 1 },
      { event: "sample.must", seq: 2, n: 2 },
    ]);
    expect(reader.take()).toEqual([{ event: "sample.must", seq: 2, n: 2 }]);
    expect(nobody.take()).toEqual([]);
  });

  test("an event nobody declared is not sent to anybody", () => {
    const { connect, hub } = setup();
    const client = connect();
    expect(() => hub.broadcast("sample.typo", {})).toThrow("not declared");
    expect(client.take()).toEqual([]);
  });
});

describe("a client that does not read", () => {
  /** Fills its buffer past the limit with `must` events. */
  function fill(gateway: ReturnType<typeof setup>): void {
    const pad = KIB.repeat(64);
    for (let sent = 0; sent <= LIMITS.outboundBytesMax; sent += pad.length)
      gateway.hub.broadcast("sample.must", { n: 0, pad });
  }

  test("is skipped by latest events and told what it missed when it reads again", () => {
    const gateway = setup();
    const slow = gateway.connect();
    const quick = gateway.connect();
    slow.socket.isReading = false;
    fill(gateway);
    const first = gateway.hub.seq + 1;
    for (let n = 0; n < 3; n++) gateway.hub.broadcast("sample.latest", { n });
    gateway.hub.broadcast("sample.must", { n: 9 });
    expect(quick.take().filter(({ event }) => event === "sample.latest")).toHaveLength(3);

    slow.socket.isReading = true;
    slow.socket.read();
    slow.connection.drain();
    const got = slow.take();
    expect(got.filter(({ event }) => event === "sample.latest")).toEqual([]);
    // Before the newer event: whoever is cut off after that one would resume behind the gap.
    expect(got.at(-2)).toEqual({ event: "resync", seq: first + 2, from: first, to: first + 2, dropped: 3 });
    expect(got.at(-1)).toMatchObject({ event: "sample.must", n: 9 });
  });

  test("gets the newest of each key when it reads again", () => {
    const gateway = setup();
    const slow = gateway.connect();
    slow.socket.isReading = false;
    fill(gateway);
    const start = gateway.hub.seq;
    for (const [n, key] of [
      [1, "a"],
      [2, "b"],
      [3, "a"],
    ] as const) {
      gateway.hub.broadcast("sample.latest", { n }, { key });
    }
    slow.socket.isReading = true;
    slow.socket.read();
    slow.connection.drain();
    expect(slow.take().slice(-3)).toEqual([
      { event: "resync", seq: start + 1, from: start + 1, to: start + 1, dropped: 1 },
      { event: "sample.latest", seq: start + 2, n: 2 },
      { event: "sample.latest", seq: start + 3, n: 3 },
    ]);
  });

  test("is closed before a must event is lost, and cut off when it never reads", () => {
    const gateway = setup();
    const slow = gateway.connect();
    slow.socket.isReading = false;
    const pad = KIB.repeat(64);
    let sent = 0;
    while (!slow.socket.closed && sent < 4 * LIMITS.outboundBytesMax) {
      gateway.hub.broadcast("sample.must", { n: 0, pad });
      sent += pad.length;
    }
    expect(slow.socket.closed?.code).toBe(CLOSE.slow);
    expect(sent).toBeGreaterThan(LIMITS.outboundBytesMax);
    expect(gateway.hub.size).toBe(0);
    gateway.time.advance(LIMITS.closeGraceMs);
    expect(slow.socket.isTerminated).toBe(true);
  });

  test("a droppable must event is dropped like a latest one", () => {
    const gateway = setup();
    const slow = gateway.connect();
    slow.socket.isReading = false;
    fill(gateway);
    for (let n = 0; n < 100; n++)
      gateway.hub.broadcast("sample.must", { n, pad: KIB.repeat(64) }, { dropIfSlow: true });
    expect(slow.socket.closed).toBeUndefined();
  });
});

describe("resume", () => {
  const resume = (seq: number, epoch = "epoch-1") => ({
    id: "h",
    method: "connect",
    params: { auth: { token: TOKEN }, resume: { epoch, seq } },
  });

  function reconnect(gateway: ReturnType<typeof setup>, request: object) {
    const client = gateway.open();
    client.take();
    client.send(request);
    const [hello, ...events] = client.take();
    return { hello: Hello().parse(hello?.["result"]).resume, events };
  }

  test("replays what was missed, in order, then goes on live", () => {
    const gateway = setup();
    for (let n = 1; n <= 5; n++) gateway.hub.broadcast("sample.must", { n });
    const { hello, events } = reconnect(gateway, resume(2));
    expect(hello).toEqual({ epoch: "epoch-1", seq: 5, replayed: 3, resync: false });
    expect(events.map(({ seq }) => seq)).toEqual([3, 4, 5]);
  });

  test("replays only what the scopes allow", () => {
    const gateway = setup();
    gateway.hub.broadcast("sample.secret", { n: 1 });
    gateway.hub.broadcast("sample.must", { n: 2 });
    const request = resume(0);
    const { events } = reconnect(gateway, { ...request, params: { ...request.params, scopes: ["read"] } });
    expect(events).toEqual([{ event: "sample.must", seq: 2, n: 2 }]);
  });

  test.each([
    ["another lifetime", 1, "epoch-0"],
    ["a number that is still to come", 99, "epoch-1"],
  ])("%s asks for a resync", (_what, seq, epoch) => {
    const gateway = setup();
    gateway.hub.broadcast("sample.must", { n: 1 });
    const { hello, events } = reconnect(gateway, resume(seq, epoch));
    expect(hello).toMatchObject({ replayed: 0, resync: true });
    expect(events).toEqual([]);
  });

  test("the ring forgets the oldest, and says so only to those who miss them", () => {
    const gateway = setup();
    const kept = LIMITS.ringEventsMax;
    for (let n = 1; n <= kept + 10; n++) gateway.hub.broadcast("sample.must", { n });
    expect(reconnect(gateway, resume(9)).hello).toMatchObject({ resync: true });
    expect(reconnect(gateway, resume(10)).hello).toMatchObject({ resync: false, replayed: kept });
  });

  test("the ring is bounded by size as well", () => {
    const gateway = setup();
    const pad = KIB.repeat(256);
    for (let n = 1; n <= 8; n++) gateway.hub.broadcast("sample.must", { n, pad });
    expect(reconnect(gateway, resume(0)).hello).toMatchObject({ resync: true });
    expect(reconnect(gateway, resume(5)).events).toHaveLength(3);
  });

  test("its size is counted in bytes, not characters", () => {
    const gateway = setup();
    const pad = "€".repeat(LIMITS.ringBytesMax / 6);
    for (let n = 1; n <= 3; n++) gateway.hub.broadcast("sample.must", { n, pad });
    expect(reconnect(gateway, resume(1)).hello).toMatchObject({ resync: true });
    expect(reconnect(gateway, resume(2)).events).toHaveLength(1);
  });

  test("an event the ring has forgotten is not kept by it", () => {
    const ring = new Ring();
    const pushed = Array.from({ length: 100 }, (_, n) => {
      const body = JSON.stringify({ pad: "x".repeat(LIMITS.ringBytesMax / 2) });
      const event = new Outgoing({ ...SPEC, seq: n + 1, body });
      ring.push(event);
      return new WeakRef(event);
    });
    Bun.gc(true);
    expect(ring.after(99)).toHaveLength(1);
    // The collector may still see some on the stack.
    expect(pushed.filter((event) => event.deref() !== undefined).length).toBeLessThan(20);
  });

  test("nothing falls between snapshot and first event, whatever the moment", () => {
    const gateway = setup();
    let seen = 0;
    for (let n = 1; n <= 50; n++) {
      gateway.hub.broadcast("sample.must", { n });
      if (n % 7 !== 0) continue;
      const client = gateway.open();
      client.take();
      client.send(resume(seen));
      gateway.hub.broadcast("sample.must", { n: 0 });
      const seqs = client
        .take()
        .slice(1)
        .map(({ seq }) => seq);
      expect(seqs).toEqual(Array.from({ length: gateway.hub.seq - seen }, (_, index) => seen + index + 1));
      seen = gateway.hub.seq;
      client.connection.close(1000, "");
    }
  });
});
