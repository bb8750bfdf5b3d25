import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Database, Log, SqlRow } from "../../ports.ts";
import { databaseUnavailable, isDamage, isOutage } from "../../rpc/database-failures.ts";
import { Traces, writeTraced } from "../runs/traces.ts";
import type { Writer } from "../storage/writer.ts";
import { jsonOf } from "./json-value.ts";

/** One plugin's own space in the database. Each fails with an `RpcError`. */
export interface Values {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<void>;
  setMany(values: Readonly<Record<string, unknown>>): Promise<void>;
  delete(key: string): Promise<void>;
  /** What is damaged has no value here: the others can be had all the same. */
  list(options?: ListOptions): Promise<readonly { readonly key: string; readonly value: unknown }[]>;
}

interface ListOptions {
  readonly prefix?: string;
  readonly after?: string;
  readonly limit?: number;
}

/** JSON by key; without it the key goes. */
type Changes = readonly (readonly [key: string, json: string | undefined])[];

/** What plugins keep, on disk. */
export class PluginValues {
  readonly #sql: ReturnType<typeof prepare>;
  readonly #writer: Writer;
  readonly #log: Log;
  /** Damaged ones that have been told of. */
  readonly #damaged = new Set<string>();
  /** Characters of all that a plugin keeps, once it has been counted. */
  readonly #chars = new Map<string, number>();

  constructor({ db, writer, log }: { readonly db: Database; readonly writer: Writer; readonly log: Log }) {
    this.#sql = prepare(db);
    this.#writer = writer;
    this.#log = log;
  }

  /** The space of the plugin `id`. */
  of(id: string): Values {
    const set = (values: readonly (readonly [string, unknown])[]): Promise<void> =>
      this.#write(
        id,
        values.map(([key, value]) => [keyOf(key, "set"), jsonOf(key, value)]),
      );
    return {
      get: async (key) => this.#get(id, keyOf(key, "read")),
      set: async (key, value) => set([[key, value]]),
      async setMany(values) {
        const entries = Object.entries(values);
        const bound = LIMITS.pluginStoreKeysMax;
        if (entries.length > bound)
          throw new RpcError("too_large", `Cannot set ${entries.length} keys: more than ${bound}`, {
            details: { bound },
          });
        await set(entries);
      },
      delete: async (key) => this.#write(id, [[keyOf(key, "delete"), undefined]]),
      list: async (options = {}) => this.#list(id, options),
    };
  }

  /** Takes away all that the plugin keeps. @throws RpcError as the writer */
  async drop(id: string): Promise<void> {
    await writeTraced(this.#writer, (traces) => {
      this.#sql.drop.run(id);
      this.#count(id, 0, traces);
    });
  }

  async #write(id: string, changes: Changes): Promise<void> {
    const bytes = changes.reduce((sum, [key, json = ""]) => sum + key.length + json.length, 1_024);
    // Before it waits for its turn: it never fits.
    if (bytes > LIMITS.pluginStoreCharsMax) throw tooMuch(id);
    await writeTraced(this.#writer, (traces) => this.#writeIn(id, changes, traces), bytes);
  }

  #writeIn(id: string, changes: Changes, traces: Traces): void {
    const before = this.#chars.get(id) ?? Number(this.#sql.chars.get(id)?.["chars"] ?? 0);
    let chars = before;
    for (const [key, json] of changes) {
      chars -= charsOf(this.#sql.charsOfOne.get(id, key));
      if (json === undefined) this.#sql.remove.run(id, key);
      else {
        this.#sql.put.run(id, key, json);
        chars += charsOf(this.#sql.charsOfOne.get(id, key));
      }
    }
    // What makes it smaller is taken even above the bound, or nobody could get below it again.
    if (chars > LIMITS.pluginStoreCharsMax && chars > before) throw tooMuch(id);
    this.#count(id, chars, traces);
  }

  #count(id: string, chars: number, traces: Traces): void {
    this.#chars.set(id, chars);
    traces.add(
      () => {},
      // Others may have counted since: it is counted anew.
      () => void this.#chars.delete(id),
    );
  }

  #get(id: string, key: string): unknown {
    return reading(() => {
      const row = this.#sql.get.get(id, key);
      return row && valueOf(key, row);
    });
  }

  #list(id: string, { prefix = "", after, limit = LIMITS.pluginStoreKeysMax }: ListOptions) {
    if (!Number.isInteger(limit) || limit < 1)
      throw new RpcError(
        "invalid_params",
        `Cannot list keys: limit "${String(limit)}" is no positive integer`,
      );
    if (prefix !== "") keyOf(prefix, "list");
    if (after !== undefined && after !== "") keyOf(after, "list");
    const end = endOf(prefix) ?? null;
    const rowsMax = Math.min(limit, LIMITS.pluginStoreKeysMax);
    return reading(() => {
      const rows = this.#sql.list.all(id, prefix, end, end, after ?? "", rowsMax);
      return rows.map((row) => {
        const key = String(row["key"]);
        try {
          return { key, value: valueOf(key, row) };
        } catch (error) {
          this.#tellDamaged(id, key, error);
          return { key, value: undefined };
        }
      });
    });
  }

  #tellDamaged(id: string, key: string, error: unknown): void {
    const name = JSON.stringify([id, key]);
    if (this.#damaged.has(name)) return;
    this.#damaged.add(name);
    this.#log.error("stored value left out", { plugin: id, key, reason: messageOf(error) });
  }
}

function prepare(db: Database) {
  const one = "plugin = ? AND key = ?";
  return {
    get: db.prepare(`SELECT value FROM plugin_values WHERE ${one}`),
    put: db.prepare(
      `INSERT INTO plugin_values (plugin, key, value) VALUES (?, ?, ?)
         ON CONFLICT (plugin, key) DO UPDATE SET value = excluded.value`,
    ),
    remove: db.prepare(`DELETE FROM plugin_values WHERE ${one}`),
    drop: db.prepare("DELETE FROM plugin_values WHERE plugin = ?"),
    chars: db.prepare("SELECT sum(length(key) + length(value)) AS chars FROM plugin_values WHERE plugin = ?"),
    charsOfOne: db.prepare(`SELECT length(key) + length(value) AS chars FROM plugin_values WHERE ${one}`),
    // A range and no pattern: in a prefix every character means itself.
    list: db.prepare(
      `SELECT key, value FROM plugin_values
         WHERE plugin = ? AND key >= ? AND (? IS NULL OR key < ?) AND key > ? ORDER BY key LIMIT ?`,
    ),
  };
}

function charsOf(row: SqlRow | undefined): number {
  return Number(row?.["chars"] ?? 0);
}

function tooMuch(id: string): RpcError {
  const bound = LIMITS.pluginStoreCharsMax;
  return new RpcError("too_large", `Cannot store for plugin "${id}": more than ${bound} characters`, {
    details: { bound },
  });
}

/** NUL would end it, and half a pair come back as another key. */
function keyOf(key: unknown, verb: string): string {
  const bound = LIMITS.pluginStoreKeyCharsMax;
  if (typeof key !== "string") throw new RpcError("invalid_params", `Cannot ${verb} key: it is no string`);
  if (key === "") throw new RpcError("invalid_params", `Cannot ${verb} key "": it is empty`);
  if (key.length > bound)
    throw new RpcError(
      "too_large",
      `Cannot ${verb} key "${key.slice(0, 40).toWellFormed()}…": longer than ${bound} characters`,
      { details: { bound } },
    );
  if (key.includes("\0") || !key.isWellFormed())
    throw new RpcError(
      "invalid_params",
      `Cannot ${verb} key ${JSON.stringify(key.toWellFormed())}: broken text`,
    );
  return key;
}

function valueOf(key: string, row: SqlRow): unknown {
  try {
    return JSON.parse(String(row["value"]));
  } catch (cause) {
    throw new RpcError("unavailable", `Cannot read key "${key}": what is stored there is damaged`, { cause });
  }
}

/** Where the keys that begin so end, in SQLite's order of code points; undefined: nowhere. */
function endOf(prefix: string): string | undefined {
  const points = Array.from(prefix);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    const point = last.codePointAt(0) ?? 0;
    if (point === 0x10ffff) continue;
    // Between the two there are only halves of pairs.
    const next = point === 0xd7ff ? 0xe000 : point + 1;
    return points.join("") + String.fromCodePoint(next);
  }
  return undefined;
}

function reading<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (isOutage(error) || isDamage(error)) throw databaseUnavailable("read", error);
    throw error;
  }
}
