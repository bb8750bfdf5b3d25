// Clients that read when chance has it: whatever was sent to whom in which order, no gap is silent.
import { expect, test } from "bun:test";
import { z } from "zod";
import { event, type Scope, SCOPES } from "../../src/contract/define.ts";
import { CLOSE } from "../../src/contract/errors.ts";
import { LIMITS } from "../../src/contract/limits.ts";
import { contract } from "../../src/feature.ts";
import { Connection } from "../../src/rpc/connection.ts";
import { createLocalGateway } from "../support/local.ts";
import { HeavySocket } from "./heavy-socket.ts";
import { createRandom, type Random } from "./random.ts";

const SEED = 20_260_404;
const SCHEDULES = 20_000;
const STEPS = 45;

const EVENT_SCOPES = ["read", "admin", "pairing"] as const;
const data = () => z.strictObject({ pad: z.string() });
const events = Object.fromEntries(
  EVENT_SCOPES.flatMap((scope) =>
    (["must", "latest"] as const).map((delivery) => [
      `${scope}.${delivery}`,
      event({ scope, delivery, summary: "", data }),
    ]),
  ),
);
const feature = contract({ name: "told", methods: {}, events }).implement(() => ({ handlers: {} }));

/** One event as it was published. */
interface Published {
  readonly seq: number;
  readonly scope: Scope;
  readonly isMust: boolean;
  /** Name and key: the newest of them stands for all. */
  readonly key: string | undefined;
}

/** One event as a client got it. */
interface Got {
  readonly seq: number;
  readonly name: string;
  /** Sent while the connection was told that the buffer is empty. */
  readonly isAtDrain: boolean;
  readonly resync: { readonly from: number; readonly to: number; readonly dropped: number } | undefined;
}

type Gateway = ReturnType<typeof createLocalGateway>;

/** One client: what it may hear, and what it heard. */
function openClient(gateway: Gateway, random: Random) {
  const scopes = SCOPES.filter(() => random.chance(0.6));
  const isJsonRpc = random.chance(0.3);
  const socket = new HeavySocket(random.pick([1_000, 3_000, 10_000, 20_000]));
  const place = gateway.admission.admit("127.0.0.1", true);
  if (place instanceof Error) throw place;
  const grant = { credential: "token", scopes };
  const connection = new Connection(gateway.parts, { address: "127.0.0.1", place, isJsonRpc, grant }, socket);
  const joinedSeq = gateway.hub.seq;

  function read(count: number): void {
    if (!socket.read(count)) return;
    socket.isDraining = true;
    connection.drain();
    socket.isDraining = false;
  }

  return {
    socket,
    scopes,
    isVisible: ({ seq, scope }: Published) => seq > joinedSeq && scopes.includes(scope),
    ask: () => connection.message('{"jsonrpc":"2.0","id":1,"method":"nothing"}'),
    read,
    /** Reads until nothing is left to come. */
    readAll(): void {
      socket.isReading = true;
      for (let n = 0; n < 1_000 && socket.waiting > 0; n++) read(1_000);
      if (socket.waiting > 0) throw new Error("it never ends");
      read(0);
    },
    got: (): Got[] => socket.arrived.flatMap(({ text, isAtDrain }) => toGot(text, isAtDrain)),
  };
}

type Client = ReturnType<typeof openClient>;

function toGot(text: string, isAtDrain: boolean): Got[] {
  const frame = JSON.parse(text) as Record<string, unknown>;
  const isJsonRpc = "jsonrpc" in frame;
  const name = String(isJsonRpc ? frame["method"] : frame["event"]);
  const payload = (isJsonRpc ? frame["params"] : frame) as Record<string, unknown> | undefined;
  const { seq, from, to, dropped } = payload ?? {};
  // Replies, and the challenge.
  if (typeof seq !== "number") return [];
  const resync =
    name === "resync" ? { from: Number(from), to: Number(to), dropped: Number(dropped) } : undefined;
  return [{ seq, name, isAtDrain, resync }];
}

function publish(gateway: Gateway, random: Random): Published {
  const scope = random.pick(EVENT_SCOPES);
  const isMust = random.chance(0.3);
  const dropIfSlow = isMust && random.chance(0.3);
  const name = `${scope}.${isMust ? "must" : "latest"}`;
  const key = !isMust && random.chance(0.6) ? random.pick(["a", "b", "c"]) : undefined;
  const payload = { pad: random.pick(["", "", "", "x".repeat(100)]) };
  gateway.hub.broadcast(name, payload, { dropIfSlow, ...(key !== undefined && { key }) });
  const known = { seq: gateway.hub.seq, scope, isMust: isMust && !dropIfSlow };
  return { ...known, key: key === undefined ? undefined : `${name} ${key}` };
}

function step(client: Client, random: Random): void {
  const { socket } = client;
  switch (random.below(6)) {
    case 0:
    case 1:
      socket.isReading = false;
      socket.machineFrames = random.pick([0, 0, 1, 3]);
      break;
    case 2:
      client.read(random.pick([1, 2, 5, 20]));
      break;
    case 3:
      // All of it, and stalls again at once.
      client.read(1_000);
      break;
    case 4:
      client.readAll();
      break;
    default:
      client.ask();
  }
}

/** @returns what is wrong with what the client got, undefined if nothing is */
function problemOf(client: Client, published: readonly Published[]): string | undefined {
  const visible = published.filter(client.isVisible);
  const bySeq = new Map(visible.map((one) => [one.seq, one]));
  const all = client.got();
  const got = all.filter(({ resync }) => resync === undefined);
  const seqs = new Set(got.map(({ seq }) => seq));
  if (seqs.size < got.length) return "an event came twice";
  const foreign = got.find(({ seq }) => !bySeq.has(seq));
  if (foreign) return `event ${foreign.seq} is not for this client`;
  // One that was closed comes back from the newest number it has seen: up to there it must know of all.
  const { closed } = client.socket;
  const reach = closed ? Math.max(0, ...all.map(({ seq }) => seq)) : Number.POSITIVE_INFINITY;
  const reached = visible.filter(({ seq }) => seq <= reach);
  return (
    orderProblem(got, bySeq) ??
    (closed ? closeProblem(client, visible, seqs) : undefined) ??
    gapProblem(all, reached, { seqs, isCut: closed !== undefined })
  );
}

function orderProblem(got: readonly Got[], bySeq: ReadonlyMap<number, Published>): string | undefined {
  let last = 0;
  const lastOf = new Map<string, number>();
  for (const { seq, isAtDrain } of got) {
    const key = bySeq.get(seq)?.key;
    if (seq < last && (key === undefined || !isAtDrain)) return `event ${seq} came after ${last}`;
    if (key !== undefined && seq < (lastOf.get(key) ?? 0))
      return `event ${seq} of "${key}" came after ${lastOf.get(key)}`;
    if (key !== undefined) lastOf.set(key, seq);
    last = Math.max(last, seq);
  }
  return undefined;
}

/** Nothing is lost in silence, and no more is said to be lost than was. */
function gapProblem(
  all: readonly Got[],
  visible: readonly Published[],
  { seqs, isCut }: { readonly seqs: ReadonlySet<number>; readonly isCut: boolean },
): string | undefined {
  const resyncs = all.flatMap(({ resync }) => resync ?? []);
  const missed = visible.filter(({ seq }) => !seqs.has(seq));
  for (const { seq, isMust, key } of missed) {
    if (isMust) return `event ${seq} must arrive, and did not`;
    const isReplaced =
      key !== undefined &&
      visible.some((newer) => newer.seq > seq && newer.key === key && seqs.has(newer.seq));
    const isTold = resyncs.some(({ from, to }) => from <= seq && seq <= to);
    if (!isReplaced && !isTold) return `event ${seq} is missing, and nobody said so`;
  }
  // What waits under its key is told as well when something newer goes out first, and may come later.
  const isCovered = ({ seq }: Got, index: number): boolean =>
    all.slice(0, index).some(({ resync }) => resync && resync.from <= seq && seq <= resync.to);
  const late = all.filter((one, index) => one.resync === undefined && isCovered(one, index)).length;
  const told = resyncs.reduce((sum, { dropped }) => sum + dropped, 0);
  if (told > missed.length + late || (!isCut && told < missed.length)) {
    return `${missed.length} events are missing, ${late} came late, ${told} are said to be missing`;
  }
  const odd = resyncs.find(
    ({ from, to }) => ![from, to].every((end) => visible.some(({ seq }) => seq === end)),
  );
  return odd && `resync ${odd.from} to ${odd.to} begins or ends with what was not for this client`;
}

/** Closed for being slow, when it was; of what must arrive, all came until then. */
function closeProblem(
  { socket: { closed } }: Client,
  visible: readonly Published[],
  seqs: ReadonlySet<number>,
): string | undefined {
  if (closed?.code !== CLOSE.slow) return `closed with ${closed?.code}`;
  const isSlow =
    closed.hasDropped || closed.bufferedBytes > LIMITS.outboundBytesMax + LIMITS.outboundReserveBytes;
  if (!isSlow) return `closed as slow with ${closed.bufferedBytes} bytes waiting`;
  const musts = visible.filter(({ isMust }) => isMust).map(({ seq }) => seqs.has(seq));
  return musts.lastIndexOf(true) > musts.indexOf(false) && musts.includes(false)
    ? "an event that must arrive was left out, and a later one came"
    : undefined;
}

test(`in ${SCHEDULES.toLocaleString("en")} random schedules no gap is silent`, () => {
  const seen = { events: 0, missed: 0, resyncs: 0, closed: 0, late: 0 };
  for (let schedule = 0; schedule < SCHEDULES; schedule++) {
    const random = createRandom(SEED, schedule);
    const gateway = createLocalGateway({ features: [feature] });
    const clients = [openClient(gateway, random)];
    const published: Published[] = [];
    for (let n = 0; n < STEPS; n++) {
      if (random.chance(0.6)) published.push(publish(gateway, random));
      else if (clients.length < 3 && random.chance(0.1)) clients.push(openClient(gateway, random));
      else step(random.oneOf(clients) ?? openClient(gateway, random), random);
    }
    for (const [number, client] of clients.entries()) {
      client.readAll();
      const problem = problemOf(client, published);
      if (problem) throw new Error(`seed ${SEED}, schedule ${schedule}, client ${number}: ${problem}`);
      const all = client.got();
      const received = all.filter(({ resync }) => resync === undefined).length;
      seen.events += received;
      seen.resyncs += all.length - received;
      seen.missed += client.socket.closed ? 0 : published.filter(client.isVisible).length - received;
      seen.closed += client.socket.closed ? 1 : 0;
      seen.late += all.filter(({ seq }, n) => n > 0 && seq < (all[n - 1]?.seq ?? 0)).length;
    }
  }
  console.log(`${SCHEDULES} schedules: ${JSON.stringify(seen)}`);
  // Else the schedules do not come to what they are for.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(SCHEDULES / 100);
}, 120_000);
