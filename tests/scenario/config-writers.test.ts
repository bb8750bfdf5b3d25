/** Several writers at once, and writers that are killed. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRandom } from "../fuzz/random.ts";
import { createHome, type Home, type Program, spawn, startGateway } from "../support/binary.ts";
import { hashOfText, pairedText, pairOf, startConfigured } from "../support/configured.ts";
import { listen, type Listener } from "../support/sdk.ts";

setDefaultTimeout(600_000);

/** With it, all of what the defaults show a part of. */
const isFull = process.env["CONFIG_FULL"] !== undefined;

const WRITER = [
  process.execPath,
  "run",
  "--no-install",
  join(import.meta.dir, "../support/config-writer.ts"),
];

/** A process that writes the files by itself: a line for each write, answered by one with its outcome. */
interface Offline extends Program {
  /** @returns `ok HASH`, or the kind of the refusal */
  write(baseHash: string, pair: number): Promise<string>;
}

async function startOffline(home: Home): Promise<Offline> {
  const program = spawn(home, WRITER);
  await program.shown(/^ready\n/);
  let writes = 0;
  return {
    ...program,
    async write(baseHash, pair) {
      writes += 1;
      program.type(`${writes} ${baseHash} ${pair}\n`);
      const [, outcome = ""] = await program.shown(new RegExp(`^${writes} (.*)$`, "m"));
      return outcome;
    },
  };
}

type Writer = (baseHash: string, pair: number) => Promise<string>;

/** The outcome of a write through the gateway, in the words of the one without. */
function through({ client }: Listener): Writer {
  return async (baseHash, pair) => {
    const raw = JSON.stringify({
      agents: { defaults: { timeoutSeconds: 1_000 + pair } },
      sessions: { keepMax: 1_000 + pair },
    });
    try {
      return `ok ${(await client.call("config.patch", { raw, baseHash })).hash}`;
    } catch (error) {
      return error instanceof Error && "code" in error ? String(error.code) : String(error);
    }
  };
}

/** All write at once what they have all read, round after round; one a round comes through. */
async function race(path: string, writers: readonly Writer[], rounds: number): Promise<number[]> {
  const wins = writers.map(() => 0);
  let pair = 0;
  for (let round = 0; round < rounds; round += 1) {
    const base = hashOfText(readFileSync(path, "utf8"));
    const first = pair;
    const outcomes = await Promise.all(writers.map((write) => write(base, (pair += 1))));
    const winner = outcomes.findIndex((outcome) => outcome.startsWith("ok "));
    expect(outcomes.filter((_, at) => at !== winner)).toEqual(Array(writers.length - 1).fill("conflict"));
    const text = readFileSync(path, "utf8");
    expect(outcomes[winner]).toBe(`ok ${hashOfText(text)}`);
    // The winner's, whole, and nothing of the loser's.
    expect(
      [...text.matchAll(/"(?:timeoutSeconds|keepMax)": (\d+)/g)].map(([, value]) => Number(value)),
    ).toEqual([1_001 + first + winner, 1_001 + first + winner]);
    wins[winner] = (wins[winner] ?? 0) + 1;
  }
  return wins;
}

describe("writers that have read the same: one wins, the others are told", () => {
  test("two clients of one gateway", async () => {
    await using live = await startConfigured(pairedText(0));
    const other = await live.enter();
    await race(live.path, [through(live.person), through(other)], isFull ? 500 : 60);
    expect(pairOf((await other.client.call("config.get")).config)).toBeGreaterThan(0);
  });

  test("two processes without a gateway", async () => {
    const home = createHome(pairedText(0));
    const [one, other] = [await startOffline(home), await startOffline(home)];
    const wins = await race(home.configPath, [one.write, other.write], isFull ? 500 : 40);
    expect(Math.min(...wins)).toBeGreaterThan(0);
  });

  test("a gateway and two processes beside it", async () => {
    const home = createHome(pairedText(0));
    const gateway = await startGateway(home);
    const person = await listen(gateway, { token: gateway.token() });
    const [one, other] = [await startOffline(home), await startOffline(home)];
    await race(home.configPath, [through(person), one.write, other.write], isFull ? 300 : 30);
  });
});

/** What is on the disk of a writer that is no more. */
interface Found {
  readonly text: string;
  /** Half of something, left behind: beside the file or in a backup. */
  readonly strays: readonly string[];
  readonly backups: readonly string[];
}

function look({ configPath, stateDir }: Home): Found {
  const names = readdirSync(stateDir, { recursive: true, encoding: "utf8" });
  return {
    text: readFileSync(configPath, "utf8"),
    strays: names.filter((name) => name.endsWith(".tmp")),
    backups: names.filter((name) => /^config-backups\/[^/]+$/.test(name)),
  };
}

/** The two texts that the killed ones write in turn; far apart in size, so that a mixture would show. */
const TEXTS: readonly [string, string] = [
  pairedText(1),
  pairedText(2).replace("// end\n", "// long\n".repeat(500)),
];

/** Beside the file, in the copy of the last good one, and in each backup, one at most. */
const STRAYS_MAX = 13;

/** About as long as one write takes. */
const MOMENT_MS = 15;

/** Ends it that much later. */
async function killAfter(program: Program, ms: number): Promise<void> {
  await Bun.sleep(ms);
  program.signal("SIGKILL");
  expect(await program.exited()).toBe(137);
}

describe("kill -9 in the middle of writing: the file is one or the other, whole", () => {
  const kills = isFull ? 100 : 12;

  test("a process without a gateway", async () => {
    const home = createHome(TEXTS[0]);
    const random = createRandom(3);
    const seen = { texts: new Set<string>(), strays: 0, straysMax: 0 };
    for (let kill = 0; kill < kills; kill += 1) {
      const program = spawn(home, [...WRITER, "loop"], { TEXTS: JSON.stringify(TEXTS) });
      await program.shown(/^ready\n/);
      program.type("go\n");
      await program.shown(new RegExp(`(?:written\n){${random.below(4)}}$`));
      await killAfter(program, random.below(MOMENT_MS));
      const { text, strays } = look(home);
      expect(TEXTS).toContain(text);
      seen.texts.add(text);
      seen.strays += strays.length > 0 ? 1 : 0;
      seen.straysMax = Math.max(seen.straysMax, strays.length);
    }
    if (isFull) console.log(JSON.stringify({ kills, ...seen, texts: seen.texts.size }));
    expect(seen.texts.size).toBe(2);
    // Each write takes away what killed ones have left beside it; ten backups may have one each.
    expect(seen.straysMax).toBeLessThanOrEqual(STRAYS_MAX);
    await expectSound(home);
  });

  test("a gateway that is asked to write", async () => {
    const home = createHome(TEXTS[0]);
    const random = createRandom(5);
    const seen = { texts: new Set<string>(), straysMax: 0 };
    for (let kill = 0; kill < kills; kill += 1) {
      const gateway = await startGateway(home);
      const person = await listen(gateway, { token: gateway.token(), reconnect: false });
      const writes = random.below(4);
      const { promise: reached, resolve } = Promise.withResolvers<void>();
      const writing = keepWriting(person, (count) => void (count >= writes && resolve()));
      await reached;
      await killAfter(gateway, random.below(MOMENT_MS));
      await writing;
      const { text, strays } = look(home);
      expect(TEXTS).toContain(text);
      seen.texts.add(text);
      seen.straysMax = Math.max(seen.straysMax, strays.length);
    }
    if (isFull) console.log(JSON.stringify({ kills, ...seen, texts: seen.texts.size }));
    expect(seen.texts.size).toBe(2);
    expect(seen.straysMax).toBeLessThanOrEqual(STRAYS_MAX);
    await expectSound(home);
  });
});

/** Writes one text after the other until the gateway is gone. */
async function keepWriting({ client }: Listener, written: (count: number) => void): Promise<void> {
  try {
    for (let turn = 0; ; turn += 1) {
      written(turn);
      const { hash } = await client.call("config.get");
      await client.call("config.set", { raw: TEXTS[turn % 2] ?? "", baseHash: hash });
    }
  } catch (error) {
    expect(error).toMatchObject({ code: "unavailable" });
  }
}

/** It starts on what is there, every backup can be put back, and the next write leaves nothing half. */
async function expectSound(home: Home): Promise<void> {
  // As if it had been killed between writing and renaming: never a configuration of anybody's.
  const stray = `${home.configPath}.01234567-89ab-cdef-0123-456789abcdef.tmp`;
  writeFileSync(stray, '{ "gateway": { "port": 1');
  const { text } = look(home);
  const gateway = await startGateway(home);
  const person = await listen(gateway, { token: gateway.token() });
  const inForce = await person.client.call("config.get");
  expect([inForce.valid, inForce.hash]).toEqual([true, hashOfText(text)]);
  expect(pairOf(inForce.config)).toBe(TEXTS.indexOf(text) + 1);
  const { backups } = await person.client.call("config.backups");
  expect(backups.length).toBeGreaterThan(0);
  // The oldest first: each makes a new one, and the oldest past the bound goes.
  for (const backup of backups.toReversed()) {
    const { hash } = await person.client.call("config.rollback", { backup }).catch((error: unknown) => {
      throw new Error(`backup ${backup}`, { cause: error });
    });
    expect(TEXTS.map(hashOfText)).toContain(hash);
    expect(TEXTS).toContain(look(home).text);
  }
  await person.client.call("config.rollback");
  expect(look(home).strays.filter((name) => !name.includes("/"))).toEqual([]);
  expect(look(home).backups.length).toBe(10);
}
