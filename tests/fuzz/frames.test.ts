// Mutated frames into the whole gateway but its sockets: each request is answered once, in its dialect, and
// nothing breaks.
import { describe, expect, test } from "bun:test";
import { CLOSE, type ErrorCode, ERROR_CODES } from "../../src/contract/errors.ts";
import { SCOPES } from "../../src/contract/define.ts";
import { LIMITS } from "../../src/contract/limits.ts";
import type { Caller } from "../../src/feature.ts";
import { createCore, TOKEN } from "./core.ts";
import { ASK, createSamples, type Dialect, Places, type Sample, toRequest } from "./corpus.ts";
import { createFrames, type FrameData } from "./mutate.ts";
import { type Answer, debtOf, readAnswer, textOf } from "./oracle.ts";
import { createRandom } from "./random.ts";

const SEED = 20_260_101;
const FRAMES = 200_000;
/** Frames between two moments at which everything has to be answered. */
const SETTLE_EVERY = 2_000;
const CLIENTS = 10;
const HEAP_GROWTH_MAX = 16 * 1024 * 1024;

/**
 * What mutated frames must have been answered with, or they do not reach far. `timeout` and the like need
 * time or an agent.
 */
const CODES_MET: readonly ErrorCode[] = [
  "parse_error",
  "invalid_request",
  "unknown_method",
  "invalid_params",
  "unauthorized",
  "forbidden",
  "not_found",
  "conflict",
  "too_large",
  "busy",
  "unavailable",
];

/** Why the gateway may end a client that misbehaves. */
const CLOSES: readonly number[] = [
  CLOSE.protocol,
  CLOSE.unauthorized,
  CLOSE.rateLimited,
  CLOSE.version,
  CLOSE.idle,
  1009,
];

type Core = Awaited<ReturnType<typeof createCore>>;

/** What is owed less what has come: zero for each id when all is answered. */
class Account {
  readonly #open = new Map<string, number>();
  /** Answers nobody asked for. */
  excess = 0;

  owe(ids: readonly string[], isBatch: boolean): void {
    for (const name of names(ids, isBatch)) this.#open.set(name, (this.#open.get(name) ?? 0) + 1);
  }

  pay({ ids, kind }: Answer): void {
    for (const name of names(ids, kind === "batch")) {
      const left = (this.#open.get(name) ?? 0) - 1;
      if (left < 0) throw new Error(`an answer to ${name} that nobody waits for`);
      if (left === 0) this.#open.delete(name);
      else this.#open.set(name, left);
    }
  }

  unpaid(): string[] {
    return [...this.#open.keys()];
  }
}

/** A batch is one answer, whatever the order in it. */
function names(ids: readonly string[], isBatch: boolean): readonly string[] {
  if (!isBatch) return ids;
  return ids.length === 0 ? [] : [`[${[...ids].sort().join()}]`];
}

/** One client, what it is owed, and what it got. */
function openClient(core: Core, number: number) {
  const random = createRandom(SEED, number, 7);
  const isJsonRpc = random.chance(0.2);
  const usual: Dialect = isJsonRpc
    ? "jsonrpc"
    : random.pick(["plain", "plain", "jsonrpc", "jsonrpc", "frames"]);
  let isStranger = random.chance(0.5);
  const address = `10.0.${(number >> 8) & 255}.${number & 255}`;
  const { connection, socket } = core.open({ address, isKnown: !isStranger, isJsonRpc });
  const account = new Account();
  let dialect: Dialect | undefined = isJsonRpc ? "jsonrpc" : undefined;

  return {
    dialect: () => dialect ?? usual,
    socket,
    account,
    isStranger: () => isStranger,
    send(data: FrameData, places: Places): void {
      const text = places.fill(textOf(data));
      const debt = debtOf(text, dialect);
      dialect = debt.dialect;
      account.owe(debt.ids, debt.isBatch);
      connection.message(text);
    },
    /** Reads what came. @throws Error for anything that is not right about it */
    read(met: Map<string, number>, places: Places): void {
      for (const text of socket.frames.splice(0)) {
        const answer = readAnswer(text);
        if (dialect && answer.dialect !== dialect && answer.kind !== "event")
          throw new Error(`a ${answer.dialect} frame for a ${dialect} client: ${text.slice(0, 200)}`);
        if (answer.kind === "event") continue;
        account.pay(answer);
        for (const code of answer.codes) met.set(code, (met.get(code) ?? 0) + 1);
        if (answer.codes.length === 0) met.set("ok", (met.get("ok") ?? 0) + 1);
        if (answer.codes.includes("internal")) throw new Error(`an internal error: ${text}`);
        places.learn(text);
        if (text.includes('"hello-ok"')) isStranger = false;
      }
    },
    /** What the platform does once the socket is closed. */
    gone(code: number): void {
      connection.close(code, "");
    },
  };
}

/** Lets time pass until no run goes on and every request is answered. */
async function settle(core: Core): Promise<void> {
  for (let n = 0; n < 20_000; n++) {
    const { active, queued } = core.runs.counts();
    if (core.dispatcher.active() + active + queued === 0) return;
    core.time.advance(100);
    // What waits for the disk, and not for our time, gets some of the real one.
    if (n % 32 === 31) await Bun.sleep(1);
    else await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`not quiet: ${JSON.stringify(core.runs.counts())}, ${core.dispatcher.active()} requests`);
}

function heapBytes(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}

function prototypes(): string {
  const all = [Object, Array, Function, String, Number, Map, Promise].map(
    ({ prototype }) => prototype as object,
  );
  return JSON.stringify(all.map((prototype) => Reflect.ownKeys(prototype).map(String)));
}

test("a frame is made again from seed and number alone, whatever was made before it", async () => {
  const core = await createCore();
  const options = { methods: core.methods, auth: { token: TOKEN } };
  const make = (indices: readonly number[]): Map<number, string> => {
    const frame = createFrames(SEED, options);
    const data = (index: number): FrameData =>
      frame(index, index % 2 === 0 ? "plain" : "jsonrpc", index % 3 > 0);
    return new Map(indices.map((index) => [index, Buffer.from(data(index)).toString("hex")]));
  };
  const indices = Array.from({ length: 3_000 }, (_, index) => index);
  const forwards = make(indices);
  const backwards = make(indices.toReversed());
  expect(indices.filter((index) => forwards.get(index) !== backwards.get(index))).toEqual([]);
  expect(new Set(forwards.values()).size).toBeGreaterThan(2_500);
  await core.stop();
});

/** Asks on behalf of an agent, and tells what a client with this connection hears of it. */
async function untilAsked(core: Core, { connection, socket }: ReturnType<Core["open"]>): Promise<void> {
  const sample: Sample = {
    method: "chat.send",
    params: { sessionKey: `asked ${core.time.clock.now()}`, message: ASK, idempotencyKey: "ask" },
  };
  connection.message(JSON.stringify(toRequest("jsonrpc", "ask", sample)));
  while (!socket.frames.some((text) => text.includes("approval.requested"))) {
    core.time.advance(1);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("unchanged", () => {
  test("requests of every method are answered with a result", async () => {
    const core = await createCore();
    const answered = new Set<string>();
    const places = new Places();
    // Backwards: `agent.wait` is the first by name, and needs what the others have begun.
    const samples = Object.entries(Object.groupBy(createSamples(SEED, core.methods), ({ method }) => method));
    for (const dialect of ["plain", "jsonrpc"] as const) {
      for (const [method, ofMethod = []] of samples.toReversed()) {
        // One for each: some confirm what came before their connection.
        const { connection, socket } = core.open({
          address: "::1",
          isKnown: true,
          isJsonRpc: dialect === "jsonrpc",
        });
        for (const sample of ofMethod) {
          connection.message(places.fill(JSON.stringify(toRequest(dialect, method, sample))));
          await settle(core);
          for (const text of socket.frames.splice(0)) {
            const { kind, ids, codes } = readAnswer(text);
            expect(codes, text).not.toContainAnyValues(["internal", "invalid_request", "unknown_method"]);
            if (kind === "reply" && codes.length === 0) answered.add(String(JSON.parse(ids[0] ?? "")));
            places.learn(text);
          }
        }
        connection.close(1000, "");
        // A change that was not confirmed is undone, keys of requests are forgotten.
        core.time.advance(600_000);
      }
    }
    const person = core.open({ address: "::1", isKnown: true, isJsonRpc: true });
    await untilAsked(core, person);
    for (const text of person.socket.frames.splice(0)) places.learn(text);
    const yes: Sample = {
      method: "approvals.resolve",
      params: { id: "@approval", decision: "allow_once" },
    };
    person.connection.message(places.fill(JSON.stringify(toRequest("jsonrpc", yes.method, yes))));
    await settle(core);
    expect(person.socket.frames.join()).toContain("You said: may I?");
    expect(person.socket.frames.join()).toContain('"decision":"allow_once"');
    answered.add(yes.method);
    // A code holds for an hour, which goes by above; and so it has to before more are tried.
    core.time.advance(LIMITS.pairingCodeMs);
    const stranger = [
      { method: "pigeon.write", params: { sender: "somebody", text: "hello" } },
      { method: "channels.pairing.approve", params: { code: "@code" } },
    ];
    for (const sample of stranger) {
      person.connection.message(places.fill(JSON.stringify(toRequest("jsonrpc", sample.method, sample))));
      await settle(core);
      const said = person.socket.frames.splice(0);
      for (const text of said) places.learn(text);
      expect(said.join()).toContain(`"id":"${sample.method}"`);
      expect(said.join()).not.toContain('"error"');
      answered.add(sample.method);
    }
    expect([...answered].sort()).toEqual(Object.keys(core.methods).sort());
    await core.stop();
  });
});

const OWNER: Caller = {
  connId: "owner",
  subject: "owner",
  name: "owner",
  scopes: SCOPES,
  connectedMs: 0,
  onGone: () => () => {},
};

describe("mutated", () => {
  test(`of ${FRAMES.toLocaleString("en")} frames each request is answered once, and nothing else happens`, async () => {
    const before = prototypes();
    const core = await createCore();
    const frame = createFrames(SEED, { methods: core.methods, auth: { token: TOKEN } });
    const random = createRandom(SEED);
    const met = new Map<string, number>();
    const closes = new Map<number, number>();
    let opened = 0;
    const places = new Places();
    openClient(core, opened++).gone(1000);
    // Plugins have shown by then that they are well, and everybody was told of that client.
    core.time.advance(LIMITS.restartQuietMs);
    const timersAtRest = core.time.pending();
    let heapThen = 0;
    const clients = Array.from({ length: CLIENTS }, () => openClient(core, opened++));

    function replaceClosed(): void {
      for (const [slot, client] of clients.entries()) {
        const { closed } = client.socket;
        if (!closed) continue;
        client.read(met, places);
        const isLate = closed.code === CLOSE.idle && !client.isStranger();
        if (isLate || !CLOSES.includes(closed.code))
          throw new Error(`closed with ${closed.code} ${closed.reason}`);
        closes.set(closed.code, (closes.get(closed.code) ?? 0) + 1);
        client.gone(closed.code);
        clients[slot] = openClient(core, opened++);
      }
    }

    async function settleAll(): Promise<void> {
      await settle(core);
      for (const client of clients) {
        client.read(met, places);
        const unpaid = client.account.unpaid();
        if (unpaid.length > 0 && !client.socket.closed) throw new Error(`not answered: ${unpaid.join(" ")}`);
      }
      const bad = core.log.lines.filter(({ level }) => level === "error");
      if (bad.length > 0) throw new Error(`errors in the log: ${JSON.stringify(bad)}`);
      core.log.lines.length = 0;
      replaceClosed();
    }

    for (let index = 0; index < FRAMES; index++) {
      const client = random.oneOf(clients);
      if (!client) continue;
      const data = frame(index, client.dialect(), client.isStranger());
      try {
        client.send(data, places);
        client.read(met, places);
        replaceClosed();
        // Some answers come later: with this many frames between, requests meet each other.
        if (index % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (index % SETTLE_EVERY === 0) await settleAll();
      } catch (error) {
        const text = JSON.stringify(textOf(data).slice(0, 2_000));
        throw new Error(`seed ${SEED}, frame ${index} ${client.dialect()} ${text}`, { cause: error });
      }
      if (index === FRAMES / 4) heapThen = heapBytes();
    }
    await settleAll();
    const growth = heapBytes() - heapThen;
    const answers = JSON.stringify(Object.fromEntries([...met].sort(([, a], [, b]) => b - a)));
    const mib = (growth / 1024 / 1024).toFixed(1);
    console.log(`${FRAMES} frames, ${opened} sockets, heap ${mib} MiB more, answers ${answers}`);
    console.log(`closes ${JSON.stringify(Object.fromEntries(closes))}`);

    expect(
      [...met.keys()].filter((code) => code !== "ok" && !(ERROR_CODES as string[]).includes(code)),
    ).toEqual([]);
    expect(CODES_MET.filter((code) => !met.has(code))).toEqual([]);
    expect(met.get("ok")).toBeGreaterThan(FRAMES / 10);
    expect(growth).toBeLessThan(HEAP_GROWTH_MAX);
    expect(prototypes()).toBe(before);

    for (const client of clients) client.gone(1000);
    await core.admission.empty();
    expect(core.hub.size).toBe(0);
    // Some were switched on meanwhile, or into a process of their own.
    for (const id of ["hello", "pigeon", "other", "cron", "telegram", "webhook"])
      await core.dispatcher.dispatch("plugins.disable", { id }, OWNER);
    // Presence and health are told once more; then only what ticks for ever is left.
    core.time.advance(LIMITS.restartQuietMs);
    expect(core.time.pending()).toBe(timersAtRest);
    await core.stop();
  }, 180_000);
});
