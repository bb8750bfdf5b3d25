import { expect, test } from "bun:test";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { LIMITS } from "../../../../src/contract/limits.ts";
import type { SendStatus } from "../../../../src/features/runs/contract.ts";
import { QUEUE_MODES } from "../../../../src/features/sessions/environment.ts";
import type { ScriptedTurn } from "../../../support/agent.ts";
import { tempDir } from "../../../support/temp.ts";
import { type Kit, nextTurn, setupRuns } from "./kit.ts";

const KEYS = ["a", "b", "c"];
const ACTIVE_MAX = 2;
const STEPS = 45;

/** Mulberry32: the same numbers for the same seed. */
function createDice(seed: number) {
  let state = seed;
  const roll = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (bound: number): number => Math.floor(roll() * bound);
  const pick = <T>(list: readonly T[]): T | undefined => list[below(list.length)];
  return { below, pick };
}

interface Acknowledged {
  readonly text: string;
  readonly sessionKey: string;
  readonly runId: string;
  readonly status: SendStatus;
}

/** One random life of a gateway: what was acknowledged, and what its agents were given. */
class Schedule {
  readonly kit: Kit;
  readonly acknowledged: Acknowledged[] = [];
  readonly refused: string[] = [];
  readonly retried: string[] = [];
  /** What each turn was given after its start. */
  readonly steered = new Map<ScriptedTurn, string[]>();
  readonly #dice: ReturnType<typeof createDice>;
  readonly #pending = new Set<Promise<unknown>>();
  #count = 0;
  #isRefusing = false;
  #refusedMs = 0;

  constructor(seed: number, path: string) {
    this.#dice = createDice(seed);
    this.kit = setupRuns({ activeMax: ACTIVE_MAX, path });
    // Only kills of the process are played here.
    this.kit.db.exec("PRAGMA synchronous = OFF");
  }

  async play(): Promise<void> {
    for (const key of KEYS) await this.kit.settings(key, { queueMode: this.#dice.pick(QUEUE_MODES) });
    for (let step = 0; step < STEPS; step++) {
      this.#step();
      if (this.#dice.below(3) > 0) await nextTurn();
      this.#check();
    }
  }

  /** Everything is answered that still waits. */
  async finish(): Promise<void> {
    this.#refuse(false);
    const { runs, time } = this.kit;
    for (let round = 0; round < 500; round++) {
      await nextTurn();
      await nextTurn();
      this.#check();
      if (runs.counts().active + runs.counts().queued === 0 && this.#pending.size === 0) return;
      for (const turn of this.#live()) turn.end();
      time.advance(LIMITS.writeRetryMs / 2);
    }
    throw new Error(
      `a lane is stuck: ${JSON.stringify(runs.list().map(({ id, isEnded }) => ({ id, isEnded })))}`,
    );
  }

  #step(): void {
    const { below, pick } = this.#dice;
    const { kit } = this;
    const key = pick(KEYS) ?? "a";
    const turn = pick(this.#live());
    const what = below(100);
    if (what < 30) for (let n = below(3); n >= 0; n--) this.#send(key);
    else if (what < 34) this.#send(key, { origin: "agent" });
    else if (what < 38) this.#send(key, {}, "/new ");
    else if (what < 48) turn?.say({ type: "text", text: `w${below(9)}` });
    else if (what < 58) this.#boundary(turn);
    else if (what < 70) turn?.end();
    else if (what < 74) turn?.fail(new Error("broken"));
    else if (what < 78) kit.runs.abort({ sessionKey: key }, { reason: "request", by: "somebody" });
    else if (what < 82) this.#abortOne();
    else if (what < 86) this.#retry(key);
    else if (what < 90) this.#refuse(!this.#isRefusing);
    else this.#advance(pick([1, LIMITS.deltaMs, LIMITS.piecesMs]) ?? 1);
  }

  #send(sessionKey: string, more: { origin?: "agent" } = {}, word = ""): void {
    const text = `m${++this.#count}`;
    const { kit } = this;
    const sending = more.origin
      ? kit.begin(sessionKey, text, more).then(({ runId, status }) => ({ runId, status }))
      : kit.send(sessionKey, word + text);
    this.#follow(
      sending.then(
        ({ runId, status }) => void this.acknowledged.push({ text, sessionKey, runId, status }),
        () => void this.refused.push(text),
      ),
    );
  }

  #boundary(turn: ScriptedTurn | undefined): void {
    if (!turn) return;
    const given = this.steered.get(turn) ?? [];
    this.steered.set(turn, given);
    for (const { parts } of turn.turn.steered())
      for (const part of parts) if (part.type === "text") given.push(`user: ${part.text}`);
  }

  #abortOne(): void {
    const run = this.#dice.pick(this.kit.runs.list());
    if (run) this.kit.runs.abort({ runId: run.id }, { reason: "request", by: "somebody" });
  }

  #retry(key: string): void {
    const retrying = this.kit.runs.retry(key, undefined, "somebody");
    this.#follow(
      retrying.then(
        ({ runId }) => void this.retried.push(runId),
        () => {},
      ),
    );
  }

  /** No longer than an end is tried to be written. */
  #refuse(isRefusing: boolean): void {
    this.#isRefusing = isRefusing;
    this.#refusedMs = 0;
    this.kit.refuse(isRefusing ? "full" : undefined);
  }

  #advance(ms: number): void {
    if (this.#isRefusing) this.#refusedMs += ms;
    if (this.#refusedMs > LIMITS.endRetryMs / 2) this.#refuse(false);
    this.kit.time.advance(ms);
  }

  #follow(work: Promise<unknown>): void {
    this.#pending.add(work);
    void work.finally(() => this.#pending.delete(work));
  }

  #live(): ScriptedTurn[] {
    const running = new Set(this.kit.runs.list().map(({ id }) => id));
    return this.kit.agent.turns.filter(({ turn }) => running.has(turn.runId));
  }

  #check(): void {
    const { active, queued } = this.kit.runs.counts();
    expect(active).toBeLessThanOrEqual(ACTIVE_MAX);
    expect(queued).toBeGreaterThanOrEqual(0);
    const live = this.#live().map(({ environment }) => environment.sessionKey);
    expect(new Set(live).size).toBe(live.length);
  }

  /** What a turn was given, from first to last. */
  given(turn: ScriptedTurn): string[] {
    return [...turn.said, ...(this.steered.get(turn) ?? [])].filter((line) => line.startsWith("user: "));
  }
}

/** Each message that was acknowledged is in the history once, those that were refused are not. */
function checkHistory({ acknowledged, refused }: Schedule, kit: Kit): Map<string, string> {
  const runOf = new Map<string, string>();
  for (const key of KEYS) {
    const { messages } = kit.journal.page(kit.idOf(key), { limit: 1_000, start: 0 });
    for (const { role, content, runId } of messages) {
      const [part] = content;
      if (role !== "user" || part?.type !== "text") continue;
      expect(runOf.has(part.text)).toBe(false);
      runOf.set(part.text, runId ?? "");
      expect(refused).not.toContain(part.text);
    }
  }
  for (const { text } of acknowledged) expect(runOf.has(text)).toBe(true);
  return runOf;
}

function checkAnswers(schedule: Schedule, runOf: ReadonlyMap<string, string>): void {
  const { agent, journal, chat } = schedule.kit;
  const givenTo = new Map<string, string[]>();
  for (const turn of agent.turns) {
    const given = schedule.given(turn);
    // Nothing twice, and no turn for a run that had one.
    expect(new Set(given).size).toBe(given.length);
    expect(givenTo.has(turn.turn.runId)).toBe(false);
    givenTo.set(turn.turn.runId, given);
  }
  for (const { text } of schedule.acknowledged) {
    const run = journal.find(runOf.get(text) ?? "");
    expect(["ok", "error", "aborted"]).toContain(run?.status as string);
    if (givenTo.get(run?.id ?? "")?.includes(`user: ${text}`)) continue;
    // Nobody has read it: only because somebody wanted quiet, or said something else at once.
    expect([text, run?.status]).toEqual([text, "aborted"]);
    expect(["somebody", "interrupted"]).toContain(run?.stoppedBy as string);
  }
  const ends = chat()
    .filter(({ state }) => state !== "delta")
    .map(({ runId }) => String(runId));
  expect(new Set(ends).size).toBe(ends.length);
  const begun = [...new Set([...runOf.values(), ...schedule.retried])];
  for (const id of begun) expect(ends).toContain(id);
}

test("300 random schedules: nothing acknowledged is lost, doubled or left waiting", async () => {
  const directory = tempDir();
  const empty = join(directory, "empty.db");
  setupRuns({ path: empty }).db.close();
  let steered = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const path = join(directory, `${seed}.db`);
    copyFileSync(empty, path);
    const schedule = new Schedule(seed, path);
    const { kit } = schedule;
    try {
      await schedule.play();
      if (seed % 3 === 0) {
        // Killed: all that is left is the file.
        const after = setupRuns({ path: kit.path });
        after.recover();
        const runOf = checkHistory(schedule, after);
        for (const id of runOf.values())
          expect(["ok", "error", "aborted", "interrupted"]).toContain(
            after.journal.find(id)?.status as string,
          );
        after.db.close();
      } else {
        await schedule.finish();
        checkAnswers(schedule, checkHistory(schedule, kit));
        expect(kit.time.pending()).toBe(0);
        expect(kit.journal.openRuns()).toEqual([]);
      }
      expect(kit.misfits).toEqual([]);
      steered += schedule.acknowledged.filter(({ status }) => status === "steered").length;
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    kit.db.close();
  }
  // The dice have met what they are for.
  expect(steered).toBeGreaterThan(100);
}, 120_000);
