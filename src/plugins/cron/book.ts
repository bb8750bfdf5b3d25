import type { Log, PluginStore } from "../api.ts";
import { Entry, Job, RUNS_KEPT } from "./job.ts";

const jobKey = (id: string): string => `job/${id}`;
const runKey = (id: string, number: number): string => `run/${id}/${String(number).padStart(10, "0")}`;

/** What a job becomes; the same one is not written, without one it is removed with its history. */
interface Change {
  readonly job: Job | undefined;
  /** Goes into its history. */
  readonly entry?: Entry;
}

/** Jobs and their history on disk. One change comes after the other; readers wait for none of them. */
export class Book {
  readonly #store: PluginStore;
  readonly #log: Log;
  readonly #damaged = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: PluginStore, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  /** The next one first. */
  async jobs(): Promise<Job[]> {
    const stored = await this.#store.list({ prefix: jobKey("") });
    const order = ({ state }: Job): number => state.runningDueMs ?? state.nextRunAtMs ?? Infinity;
    const jobs = stored.flatMap(({ key, value }) => this.#read(key, value) ?? []);
    return jobs.toSorted((a, b) => (order(a) < order(b) ? -1 : Number(order(a) > order(b))));
  }

  /** The newest runs of a job, the oldest of them first. */
  async runs(id: string, limit: number): Promise<Entry[]> {
    const stored = await this.#store.list({ prefix: `run/${id}/` });
    return stored.slice(-limit).flatMap(({ value }) => Entry().safeParse(value).data ?? []);
  }

  /** What `edit` makes of a job is on disk when this resolves: all of it, or nothing where it throws. */
  change<C extends Change>(
    id: string,
    edit: (job: Job | undefined) => C | undefined,
  ): Promise<C | undefined> {
    return this.#after(async () => {
      const old = this.#read(jobKey(id), await this.#store.get(jobKey(id)));
      const change = edit(old);
      if (!change || change.job === old) return change;
      if (change.job) await this.#store.setMany(valuesOf(change.job, change.entry, old?.state.runs ?? 0));
      else await this.#removeNow(id);
      return change;
    });
  }

  /** Also one that is damaged. @returns whether it was there */
  remove(id: string): Promise<boolean> {
    return this.#after(() => this.#removeNow(id));
  }

  async #removeNow(id: string): Promise<boolean> {
    const runs = await this.#store.list({ prefix: `run/${id}/` });
    const isThere = (await this.#store.get(jobKey(id))) !== undefined;
    const keys = [jobKey(id), ...runs.map(({ key }) => key)];
    if (isThere) await this.#store.setMany(Object.fromEntries(keys.map((key) => [key, undefined])));
    return isThere;
  }

  #after<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done;
    return done;
  }

  /** What is no job any more is told once, left as it is, and not run. */
  #read(key: string, value: unknown): Job | undefined {
    const read = Job().safeParse(value);
    if (value === undefined || read.success || this.#damaged.has(key)) return read.data;
    this.#damaged.add(key);
    this.#log.error("job is damaged, and left out", { key });
    return undefined;
  }
}

function valuesOf(job: Job, entry: Entry | undefined, number: number): Record<string, unknown> {
  const key = jobKey(job.id);
  if (!entry) return { [key]: job };
  return { [key]: job, [runKey(job.id, number - RUNS_KEPT)]: undefined, [runKey(job.id, number)]: entry };
}
