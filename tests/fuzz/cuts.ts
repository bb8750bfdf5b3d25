import { z } from "zod";
import { createTracker } from "../../src/client/cursor.ts";
import { createSubscribed } from "../../src/client/subscription.ts";
import { toRecord } from "../../src/client/errors.ts";
import type { Cursor, Hello } from "../../src/client/protocol.ts";
import { event } from "../../src/contract/define.ts";
import { LIMITS } from "../../src/contract/limits.ts";
import { type Audience, contract } from "../../src/feature.ts";
import { Connection } from "../../src/rpc/connection.ts";
import { TOKEN } from "../support/local.ts";
import { createSubscribedGateway } from "../support/subscribed.ts";
import { HeavySocket } from "./heavy-socket.ts";
import type { Random } from "./random.ts";

export const SESSIONS = ["s1", "s2", "s3"] as const;
export const OWNERS = ["a", "b", ""] as const;
export const NAMES = ["told.must", "told.latest"] as const;

const data = () => z.strictObject({ pad: z.string() });
const events = {
  "told.must": event({ scope: "read", delivery: "must", summary: "", data }),
  "told.latest": event({ scope: "read", delivery: "latest", summary: "", data }),
};
const feature = contract({ name: "told", methods: {}, events }).implement(() => ({ handlers: {} }));

type Gateway = ReturnType<typeof createSubscribedGateway>;
type Subscription = NonNullable<ReturnType<ReturnType<typeof createSubscribed>["current"]>>;

/** One event as it was published. */
export interface Published {
  readonly epoch: string;
  readonly seq: number;
  readonly name: string;
  readonly isMust: boolean;
  readonly audience: Audience | undefined;
  /** Name and key: the newest of them stands for all. */
  readonly key: string | undefined;
}

/** The gateways of one simulation, one after the other, and everything they have published. */
export class Gateways {
  readonly published: Published[] = [];
  current: Gateway = createSubscribedGateway({ features: [feature], epoch: "epoch-0" });
  #epochs = 0;

  publish(random: Random, isLong: boolean): Published {
    const { hub } = this.current;
    const name = random.pick(NAMES);
    const dropIfSlow = random.chance(0.2);
    const key = name === "told.latest" && random.chance(0.6) ? random.pick(["k1", "k2"]) : undefined;
    const owner = random.pick(OWNERS);
    const audience = random.chance(0.7)
      ? { sessionKey: random.pick(SESSIONS), owner: owner && `token:${owner}` }
      : undefined;
    const pad = "x".repeat(isLong ? LIMITS.ringBytesMax / 3 : random.pick([0, 0, 40]));
    hub.broadcast(name, { pad }, { dropIfSlow, ...(key && { key }), ...(audience && { audience }) });
    const one = {
      epoch: hub.epoch,
      seq: hub.seq,
      name,
      isMust: name === "told.must" && !dropIfSlow,
      audience,
      key: key && `${name} ${key}`,
    };
    this.published.push(one);
    return one;
  }

  /** A stop in order, then another start: the text between is what a disk would hold. */
  restart(): void {
    const saved = this.current.hub.save();
    this.#begin().hub.restore(JSON.parse(JSON.stringify(saved)) as typeof saved);
  }

  crash(): void {
    this.#begin();
  }

  #begin(): Gateway {
    this.current = createSubscribedGateway({ features: [feature], epoch: `epoch-${++this.#epochs}` });
    return this.current;
  }
}

function isAfter({ epoch, seq }: Published, cursor: Cursor | undefined): boolean {
  return epoch === cursor?.epoch && seq > cursor.seq;
}

interface Line {
  readonly socket: HeavySocket;
  readonly connection: Connection;
  /** Frames that the client has looked at. */
  read: number;
}

/** One client over all its connections, with the SDK's own cursor and subscriptions, and its judge. */
export class CutClient {
  readonly #gateways: Gateways;
  readonly #name: string;
  readonly #tracker = createTracker();
  readonly #subscribed = createSubscribed(undefined);
  readonly seen = { received: 0, replayed: 0, resyncs: 0, refetches: 0, late: 0 };
  #line: Line | undefined;
  /** What it has to get, or be told of, since it last was where everything begins anew. */
  #due: Published[] = [];
  #got = new Set<number>();
  #told: { from: number; to: number }[] = [];
  #newestSeq = 0;
  #subscribing: Subscription | undefined;

  constructor(gateways: Gateways, name: string) {
    this.#gateways = gateways;
    this.#name = name;
  }

  get isConnected(): boolean {
    return this.#line !== undefined;
  }

  /** Whether the gateway has had enough of it. */
  get isEnded(): boolean {
    return this.#line?.socket.closed !== undefined;
  }

  // --- the network ---

  connect(random: Random): void {
    const { current, published } = this.#gateways;
    const socket = new HeavySocket(random.pick([500, 2_000, 5_000]));
    const place = current.admission.admit("127.0.0.1", false);
    if (place instanceof Error) throw place;
    const origin = { address: "127.0.0.1", place, isJsonRpc: false, grant: undefined };
    const connection = new Connection(current.parts, origin, socket);
    this.#line = { socket, connection, read: 0 };
    // Of what is behind its cursor it has to get what it asks for now, whatever it asked for then.
    const cursor = this.#tracker.cursor();
    const subscribe = this.#subscribed.current();
    this.#due = this.#due.filter(({ epoch, seq }) => epoch === cursor?.epoch && seq <= cursor.seq);
    const missed = published.slice(published.findLastIndex((one) => !isAfter(one, cursor)) + 1);
    this.#due.push(...missed.filter((one) => this.#hears(one, subscribe)));
    this.#subscribing = undefined;
    socket.isReading = random.chance(0.8);
    connection.message(
      JSON.stringify({
        id: "connect",
        method: "connect",
        params: {
          auth: { token: TOKEN },
          client: { instanceId: this.#name },
          ...(subscribe && { subscribe }),
          resume: cursor,
        },
      }),
    );
    this.look();
  }

  /** The connection is gone; of what was under way some may still have come. */
  cut(random: Random): void {
    const line = this.#line;
    if (!line) return;
    if (random.chance(0.5)) line.socket.read(random.below(4));
    this.look();
    line.connection.close(1006, "");
    this.#line = undefined;
    this.#judge();
  }

  subscribe(subscription: Subscription): void {
    this.#line?.connection.message(
      JSON.stringify({ id: "subscribe", method: "events.subscribe", params: subscription }),
    );
    // It holds from here on, whether or not the answer comes.
    this.#subscribing = subscription;
    this.look();
  }

  stall(machineFrames: number): void {
    if (!this.#line) return;
    this.#line.socket.isReading = false;
    this.#line.socket.machineFrames = machineFrames;
  }

  read(frames: number): void {
    const line = this.#line;
    if (!line || line.socket.closed) return;
    if (line.socket.read(frames)) line.connection.drain();
    this.look();
  }

  readAll(): void {
    const line = this.#line;
    if (!line || line.socket.closed) return;
    line.socket.isReading = true;
    for (let n = 0; n < 100 && line.socket.waiting > 0; n++) this.read(1_000);
    this.read(0);
  }

  // --- the client ---

  /** Takes what has arrived. */
  look(): void {
    const line = this.#line;
    if (!line) return;
    for (; line.read < line.socket.arrived.length; line.read++) {
      const frame = toRecord(JSON.parse(line.socket.arrived[line.read]?.text ?? ""));
      if (frame["id"] === "connect") this.#greet(frame["result"] as Hello);
      else if (frame["id"] === "subscribe") this.#subscribed.note("events.subscribe", frame["result"]);
      else if (typeof frame["seq"] === "number") this.#take(frame, frame["seq"]);
    }
  }

  #greet({ resume }: Hello): void {
    const isFirst = this.#tracker.cursor() === undefined;
    const resync = this.#tracker.greet(resume);
    this.seen.replayed += resume.replayed;
    if (!isFirst && !resync) return;
    // It fetches everything anew: what was before is not missed any more.
    this.seen.refetches++;
    this.#got.clear();
    this.#told = [];
    this.#newestSeq = 0;
    this.#due = this.#due.filter(({ epoch, seq }) => epoch === resume.epoch && seq > resume.seq);
  }

  #take(frame: Readonly<Record<string, unknown>>, seq: number): void {
    this.#tracker.see(frame);
    if (frame["event"] === "resync") {
      this.seen.resyncs++;
      this.#told.push({ from: Number(frame["from"]), to: Number(frame["to"]) });
      return;
    }
    this.seen.received++;
    if (this.#got.has(seq)) this.#fail(`event ${seq} came twice`);
    this.#got.add(seq);
    const one = this.#due.findLast((due) => due.seq === seq);
    if (!one) this.#fail(`event ${seq} is not for it`);
    // Only the newest of a key may come late: it waited for the client to read.
    if (seq < this.#newestSeq && one?.key === undefined)
      this.#fail(`event ${seq} came after ${this.#newestSeq}`);
    if (seq < this.#newestSeq) this.seen.late++;
    this.#newestSeq = Math.max(this.#newestSeq, seq);
  }

  // --- the judge ---

  /** An event has been published. */
  expect(one: Published): void {
    if (!this.#line || this.isEnded) return;
    if (this.#hears(one, this.#subscribing ?? this.#subscribed.current())) this.#due.push(one);
    this.look();
  }

  /** Nothing is under way any more: all has come, or been told. */
  settle(): void {
    this.readAll();
    if (this.#line && !this.isEnded) this.#judge(Number.POSITIVE_INFINITY);
  }

  /** What is behind its cursor it would not ask for again: it has come, or it was told that it has not. */
  #judge(reach = this.#tracker.cursor()?.seq ?? 0): void {
    const cursor = this.#tracker.cursor();
    const reached = this.#due.filter(({ epoch, seq }) => epoch === cursor?.epoch && seq <= reach);
    for (const { seq, key, isMust } of reached) {
      if (this.#got.has(seq)) continue;
      const isReplaced =
        key !== undefined &&
        reached.some((newer) => newer.key === key && newer.seq > seq && this.#got.has(newer.seq));
      const isTold = this.#told.some(({ from, to }) => from <= seq && seq <= to);
      if (isMust) this.#fail(`event ${seq} must arrive, and did not`);
      if (!isReplaced && !isTold) this.#fail(`event ${seq} is missing, and nobody said so`);
    }
    // Those are done with; what waited for it to read may come late, and is known for a while yet.
    this.#due = this.#due.filter(({ seq }) => seq > reach - 50);
  }

  #hears({ name, audience }: Published, subscription: Subscription = {}): boolean {
    const { sessions, events } = subscription;
    if (events && !events.includes(name)) return false;
    if (!audience || sessions === "all") return true;
    return sessions ? sessions.includes(audience.sessionKey) : audience.owner === `token:${this.#name}`;
  }

  #fail(problem: string): never {
    throw new Error(`client ${this.#name}: ${problem}`);
  }
}
