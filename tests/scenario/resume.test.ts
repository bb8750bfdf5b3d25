/** A client that was away gets what it missed, in order and once, or is told that it cannot. */
import { describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { type ClientOptions, createGatewayClient, type GatewayClient } from "../../src/client/mod.ts";
import { LIMITS } from "../../src/contract/limits.ts";
import { createHome, type Gateway, type Home, startGateway } from "../support/binary.ts";
import { within } from "../support/output.ts";

setDefaultTimeout(60_000);

const MISSED = 1_000;
const SESSIONS = 16;
/** What `hello` carries anyway is never replayed. */
const VOLATILE = ["tick", "health", "presence", "shutdown"];

interface Got {
  readonly seq: number;
  readonly event: string;
  readonly payload: unknown;
}

/** A client that can be cut off and kept off, and remembers what it got. */
interface Traveller {
  readonly client: GatewayClient;
  readonly got: Got[];
  readonly resyncs: unknown[];
  /** Cut without a word, as by a network that ends. */
  leave(): void;
  /** Resolves when it is connected again. */
  comeBack(): Promise<void>;
  /** Resolves when it has got this number or a later one. */
  reach(seq: number): Promise<void>;
}

async function travel({ url }: Gateway, options: Partial<ClientOptions>): Promise<Traveller> {
  let isAway = false;
  const sockets: WebSocket[] = [];
  class Breakable extends WebSocket {
    constructor(address: string | URL) {
      // Nobody listens there: to this client the gateway cannot be reached.
      super(isAway ? "ws://127.0.0.1:9/" : address);
      sockets.push(this);
    }
  }
  const client = createGatewayClient({
    url: `${url.replace("http", "ws")}/ws`,
    reconnect: { initialMs: 5, maxMs: 50 },
    WebSocket: Breakable,
    subscribe: { sessions: "all" },
    ...options,
  });
  onTestFinished(() => client.close());
  const got: Got[] = [];
  const resyncs: unknown[] = [];
  let look = (): void => {};
  client.onAny((event, payload, seq) => {
    if (event === "resync") resyncs.push(payload);
    else if (seq !== undefined && !VOLATILE.includes(event)) got.push({ seq, event, payload });
    look();
  });
  await client.connect();
  return {
    client,
    got,
    resyncs,
    leave() {
      isAway = true;
      // The runtime's client can be cut off, which a browser's cannot.
      (sockets.at(-1) as WebSocket & { terminate(): void }).terminate();
    },
    async comeBack() {
      isAway = false;
      await within(client.connect(), "connection", () => JSON.stringify(client.state.name));
    },
    async reach(seq) {
      const { promise, resolve } = Promise.withResolvers<void>();
      look = () => (got.at(-1)?.seq ?? 0) >= seq && resolve();
      look();
      await within(promise, `event ${seq}`, () => JSON.stringify(got.at(-1)));
    },
  };
}

interface Place {
  readonly home: Home;
  readonly gateway: Gateway;
  readonly token: string;
}

async function start(home = createHome(CONFIG), port = 0): Promise<Place> {
  const gateway = await startGateway(home, { args: ["--port", String(port)] });
  return { home, gateway, token: gateway.token() };
}

const CONFIG = { agents: { defaults: { model: "echo/echo", maxConcurrent: SESSIONS } } };

/** Talks in many sessions at once until `witness` has heard `events` more. */
async function talk(witness: Traveller, events: number): Promise<void> {
  const until = witness.got.length + events;
  for (let n = 0; witness.got.length < until; n++) {
    const runs = Array.from({ length: SESSIONS }, async (_, session) => {
      const { runId } = await witness.client.call("chat.send", {
        sessionKey: `agent:main:talk-${session}`,
        message: `message ${n}`,
      });
      if (runId === undefined) throw new Error("no run was begun");
      await witness.client.call("agent.wait", { runId });
    });
    await Promise.all(runs);
  }
}

async function meet(place: Place): Promise<{ witness: Traveller; traveller: Traveller }> {
  const { gateway, token } = place;
  return {
    witness: await travel(gateway, { token, client: { id: "witness" } }),
    traveller: await travel(gateway, { token, client: { id: "traveller" } }),
  };
}

/** Everything that both were there for or had replayed, number by number. */
function expectSame(traveller: Traveller, witness: Traveller): void {
  expect(traveller.resyncs).toEqual([]);
  expect(traveller.got.map(({ seq }) => seq)).toEqual(witness.got.map(({ seq }) => seq));
  expect(traveller.got).toEqual(witness.got);
}

const seqsOf = ({ got }: Traveller): number[] => got.map(({ seq }) => seq);

describe(`${MISSED} events that were missed come in order`, () => {
  test("after a connection that was cut", async () => {
    const { witness, traveller } = await meet(await start());
    await talk(witness, 20);
    traveller.leave();
    await talk(witness, MISSED);
    expect(witness.got.length - traveller.got.length).toBeGreaterThanOrEqual(MISSED);
    await traveller.comeBack();
    expect(traveller.client.hello?.resume).toMatchObject({ resync: false });
    expect(traveller.client.hello?.resume.replayed).toBeGreaterThanOrEqual(MISSED);
    await talk(witness, 20);
    await traveller.reach(witness.got.at(-1)?.seq ?? 0);
    expectSame(traveller, witness);
  });

  test("across a stop and another start, with what was said at the stop", async () => {
    const place = await start();
    const { witness, traveller } = await meet(place);
    traveller.leave();
    await talk(witness, MISSED);
    // Its run is ended by the stop, which is told; the answer would take seconds.
    const { runId } = await witness.client.call("chat.send", {
      sessionKey: "agent:main:long",
      message: "word ".repeat(200),
    });
    expect(await place.gateway.stop("SIGTERM")).toBe(0);
    await start(place.home, place.gateway.port);
    await witness.comeBack();
    await traveller.comeBack();
    await talk(witness, 20);
    await traveller.reach(witness.got.at(-1)?.seq ?? 0);
    expectSame(traveller, witness);
    const ends = traveller.got.filter(
      ({ event, payload }) =>
        event === "chat" && JSON.stringify(payload).includes(`"${runId}"`) && isEnd(payload),
    );
    expect(ends).toHaveLength(1);
  });

  test("across a restart in the same process", async () => {
    const place = await start();
    const { witness, traveller } = await meet(place);
    traveller.leave();
    await talk(witness, MISSED);
    const { epoch } = witness.client.hello?.resume ?? {};
    const again = new Promise<void>((resolve) =>
      witness.client.onState(({ name }) => name === "ready" && resolve()),
    );
    await witness.client.call("system.restart", { now: true });
    await within(again, "restart", () => witness.client.state.name);
    expect(witness.client.hello?.resume.epoch).toBe(epoch ?? "");
    await talk(witness, 20);
    await traveller.comeBack();
    await traveller.reach(witness.got.at(-1)?.seq ?? 0);
    expectSame(traveller, witness);
  });
});

describe("a client that cannot get what it missed is told", () => {
  test("after the gateway was killed", async () => {
    const place = await start();
    const { witness, traveller } = await meet(place);
    await talk(witness, 20);
    traveller.leave();
    await talk(witness, 20);
    const { epoch } = traveller.client.hello?.resume ?? {};
    expect(await place.gateway.stop("SIGKILL")).toBe(137);
    await start(place.home, place.gateway.port);
    await traveller.comeBack();
    expect(traveller.client.hello?.resume).toMatchObject({ resync: true, replayed: 0 });
    expect(traveller.client.hello?.resume.epoch).not.toBe(epoch ?? "");
    expect(traveller.resyncs).toHaveLength(1);
  });

  test("after a kill that came after a restart: what one stop kept is not taken twice", async () => {
    const place = await start();
    const { witness, traveller } = await meet(place);
    traveller.leave();
    await talk(witness, 20);
    expect(await place.gateway.stop("SIGTERM")).toBe(0);
    const second = await start(place.home, place.gateway.port);
    await witness.comeBack();
    await talk(witness, 20);
    expect(await second.gateway.stop("SIGKILL")).toBe(137);
    await start(place.home, place.gateway.port);
    await traveller.comeBack();
    expect(traveller.client.hello?.resume).toMatchObject({ resync: true });
    expect(traveller.resyncs).toHaveLength(1);
  });

  test("when more was said than is kept", async () => {
    const place = await start();
    const { witness, traveller } = await meet(place);
    traveller.leave();
    const message = "x".repeat(LIMITS.ringBytesMax / 8);
    for (let n = 0; n < 8; n++) {
      const { runId } = await witness.client.call("chat.send", {
        sessionKey: `agent:main:big-${n}`,
        message,
      });
      if (runId === undefined) throw new Error("no run was begun");
      await witness.client.call("agent.wait", { runId });
    }
    const before = seqsOf(traveller);
    await traveller.comeBack();
    expect(traveller.client.hello?.resume).toMatchObject({ resync: true, replayed: 0 });
    expect(traveller.resyncs).toHaveLength(1);
    expect(seqsOf(traveller)).toEqual(before);
  });
});

function isEnd(payload: unknown): boolean {
  return /"state":"(final|aborted|error)"/.test(JSON.stringify(payload));
}
