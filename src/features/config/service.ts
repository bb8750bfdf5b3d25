import type { Copies } from "../../config/write/copies.ts";
import { withoutEcho } from "../../config/show/echo.ts";
import { isObject, quote } from "../../config/leaves.ts";
import { changesBetween, planReload, type ReloadPlan } from "../../config/plan.ts";
import { redactValue, restoreRedacted } from "../../config/show/redact.ts";
import type { ConfigReloader, Reloaded } from "../../config/reloader.ts";
import type { Intent } from "../../config/write/rewrite.ts";
import type { Config } from "../../config/schema.ts";
import { type ConfigStore, isGone, type Snapshot, type ValidSnapshot } from "../../config/store.ts";
import { valueOf } from "../../config/tree/tree.ts";
import { EMPTY_TEXT, undoChange } from "../../config/write/undo-change.ts";
import { type QuietWriter, WriteRefused, type Written } from "../../config/write/writer.ts";
import { RpcError } from "../../contract/errors.ts";
import type { Log } from "../../ports.ts";
import type { Confirmation, Waiting } from "./confirmation.ts";
import type { ConfigOutcome, ConfigProblem } from "./contract.ts";
import { jsonc } from "./raw.ts";
import { refuseEdited, refuseWaiting } from "./refuse-waiting.ts";
import { outcomeOf, pathOf, problemOf, toRpcError, unusable } from "./problems.ts";

interface ServiceParts {
  readonly store: ConfigStore;
  readonly writer: QuietWriter;
  readonly copies: Copies;
  readonly reloader: ConfigReloader;
  readonly confirmation: Confirmation;
  readonly log: Pick<Log, "warn">;
}

export interface WriteRequest {
  readonly baseHash?: string | undefined;
  readonly confirmWithinMs?: number | undefined;
}

/** What the configuration's methods do: each change is written, applied, and undone if it cannot be. */
export class ConfigService {
  readonly #parts: ServiceParts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  /** The configuration's files as they are now, whether they can be used or not. */
  snapshot(): Promise<Snapshot> {
    const { store, writer } = this.#parts;
    return writer.between(() => store.readConfigFileSnapshot());
  }

  /** What is in force but for what is owed, with the origin of each value. */
  async latest(): Promise<ValidSnapshot> {
    const latest = this.#parts.reloader.latest();
    const { provenance } = latest;
    if (provenance) return { ...latest, provenance };
    // Nothing was set when it was loaded, so nothing was told about it.
    const again = await this.snapshot();
    if (again.valid) return again;
    // A file has come since that cannot be used: what is in force is what an empty one would say.
    const empty = await this.#parts.store.readConfigFileSnapshot(new Map([[latest.path, EMPTY_TEXT]]));
    if (empty.valid) return empty;
    throw unusable(again.errors);
  }

  write(intent: Intent, { baseHash, confirmWithinMs }: WriteRequest): Promise<ConfigOutcome> {
    const { writer, confirmation, reloader } = this.#parts;
    return this.#alone(async () => {
      if (confirmWithinMs === undefined) refuseWaiting(confirmation);
      else refuseEdited(confirmation, (await this.snapshot()).hash);
      if (intent.kind !== "replace") await this.#refuseGone();
      const base = reloader.latest().config;
      const seen = baseHash ?? confirmation.waiting?.hash;
      const written = await this.#written(() => writer.write(intent, { baseHash: seen }));
      const takeBack = await this.#begin(written, confirmWithinMs);
      const reloaded = await this.#apply(written, base, takeBack);
      if (reloaded.restartOwed.length === 0) confirmation.inForce();
      // The watch may have been quicker, and the restart that it asked for have failed before anybody waited.
      else if (reloader.errors().length > 0) void confirmation.revert();
      return outcomeOf(written, reloaded);
    });
  }

  rollback(backup: string | undefined, baseHash: string | undefined): Promise<ConfigOutcome> {
    const { copies, reloader, writer, confirmation } = this.#parts;
    return this.#alone(async () => {
      const { waiting } = confirmation;
      const name = backup ?? (waiting?.backup || (await copies.backups(reloader.latest().path))[0]);
      if (name === undefined)
        throw new RpcError("not_found", "Cannot roll back the configuration: there is no backup");
      // To before what waits: somebody undoes it, and it waits no more.
      if (waiting?.backup !== name) refuseWaiting(confirmation);
      const base = reloader.latest().config;
      const written = await this.#written(() => writer.restore(name, { baseHash }));
      const outcome = outcomeOf(written, await this.#apply(written, base));
      // Where the note of it cannot go, undoing it later finds nothing left to undo.
      if (waiting) await confirmation.end().catch(() => {});
      return outcome;
    });
  }

  /**
   * Puts back what was there before an unconfirmed change.
   *
   * @returns the backup of what it was; undefined where that needed no writing. @throws WriteRefused
   */
  revert(waiting: Waiting, isStillWanted: () => boolean): Promise<string | undefined> {
    return this.#alone(async () => {
      if (!isStillWanted()) return undefined;
      const { backup } = await undoChange(this.#parts, waiting);
      await this.#parts.reloader.reload();
      return backup;
    });
  }

  async setOverride(key: string, value: unknown): Promise<ConfigOutcome> {
    const { overrides } = this.#parts.store;
    const leaf = await this.#leafOf(key);
    const cannot = `Cannot override ${quote(key)}`;
    return this.#alone(() => {
      const { value: meant, missing } = restoreRedacted(value, overrides.get(leaf));
      if (missing.length > 0) {
        const state = "*** stands for a hidden secret, and there is none to keep";
        throw new RpcError("invalid_params", `${cannot}: ${state}`);
      }
      return this.#override(leaf, () => overrides.set(leaf, meant));
    });
  }

  async unsetOverride(key: string): Promise<ConfigOutcome> {
    const leaf = await this.#leafOf(key);
    const { overrides } = this.#parts.store;
    return this.#alone(() => {
      if (overrides.has(leaf)) return this.#override(leaf, () => overrides.delete(leaf));
      throw new RpcError("not_found", `Cannot unset override "${leaf}": it is not set`);
    });
  }

  /** What a change would lead to. */
  async validate(intent: Intent | undefined): Promise<Validation> {
    const { store, writer, reloader } = this.#parts;
    try {
      const after = intent ? (await writer.preview(intent)).after : await this.snapshot();
      const warnings = after.warnings.map(problemOf);
      if (!after.valid) return { valid: false, errors: after.errors.map(problemOf), warnings, changed: [] };
      const settings = await store.settings();
      const changed = changesBetween(settings, reloader.latest().config, after.config).map(({ key }) => key);
      const changes = changesBetween(settings, store.current(), after.config);
      const plan = planReload(changes, after.config.gateway.reload.mode);
      return { valid: true, errors: [], warnings, changed, plan };
    } catch (error) {
      if (!(error instanceof WriteRefused)) throw error;
      const errors =
        error.issues.length > 0 ? error.issues.map(problemOf) : [{ key: "", message: error.message }];
      return { valid: false, errors, warnings: [], changed: [] };
    }
  }

  /** A whole configuration as somebody sent it. */
  async replacement(raw: string, { drop = [], verbatim = false }: Replacement = {}): Promise<Intent> {
    const latest = await this.latest();
    const settings = await this.#parts.store.settings();
    const written = latest.source?.tree && valueOf(latest.source.tree);
    const shown = redactValue(settings.schema, latest.config);
    const input = { settings, provenance: latest.provenance, shown, written };
    return {
      kind: "replace",
      text: await jsonc(raw),
      isVerbatim: verbatim,
      drop: drop.map(pathOf),
      strip: (value) => withoutEcho(value, input),
    };
  }

  /** Taking the place of a setting is naming all that is in it; of a section it is not. */
  async assignment(key: string, value: unknown, drop: readonly string[] = []): Promise<Intent> {
    const path = pathOf(key);
    const { leaves } = await this.#parts.store.settings();
    const isSetting =
      !isObject(value) || leaves.some((leaf) => leaf.path.every((name, at) => name === path[at]));
    return { kind: "set", path, value, drop: isSetting ? [path] : drop.map(pathOf) };
  }

  async #leafOf(key: string): Promise<string> {
    const { leaves, names } = await this.#parts.store.settings();
    const leaf = names.get(key) ?? leaves.find((one) => one.key === key);
    if (leaf) return leaf.key;
    const whole = leaves.find((one) => key.startsWith(`${one.key}.`));
    const hint = whole ? `only all of "${whole.key}" can be set this way` : "there is no such setting";
    throw new RpcError("not_found", `Cannot override ${quote(key)}: ${hint}`);
  }

  async #override(leaf: string, change: () => unknown): Promise<ConfigOutcome> {
    const { store, reloader } = this.#parts;
    const { overrides } = store;
    const had = overrides.has(leaf);
    const before = overrides.get(leaf);
    change();
    const putBack = (): unknown => (had ? overrides.set(leaf, before) : overrides.delete(leaf));
    // Looked at first: what nobody has written into a file is no reason to tell everybody.
    const seen = await this.snapshot();
    if (!seen.valid) {
      putBack();
      throw unusable(seen.errors);
    }
    const outcome = await reloader.reload();
    if (!outcome.ok) {
      putBack();
      await reloader.reload();
      throw new RpcError("unavailable", outcome.errors[0]?.message ?? "Cannot apply configuration");
    }
    const { path } = reloader.latest();
    const { changed, hash, restartOwed } = outcome;
    return { ok: true, path, hash, changed: [...changed], restartOwed: [...restartOwed], notes: [] };
  }

  /** Each change is written and in force, or undone, before the next: none is undone with another. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result.catch(() => {});
    return result;
  }

  /** @returns takes it back */
  async #begin(written: Written, confirmWithinMs: number | undefined): Promise<() => Promise<void>> {
    const { confirmation, copies } = this.#parts;
    const { before, after, backup = "" } = written;
    // What has changed nothing has nothing to be undone.
    if (confirmWithinMs === undefined || (backup === "" && before.exists)) return async () => {};
    const { hash, source } = after;
    try {
      await copies.keepChange(hash, source?.texts ?? new Map());
      return await confirmation.begin({ backup, hash, confirmWithinMs });
    } catch (error) {
      return this.#undone(written, error);
    }
  }

  /** A key written where the file was would be all that is left of it. */
  async #refuseGone(): Promise<void> {
    const { store, reloader } = this.#parts;
    const now = await this.snapshot();
    if (!isGone(store.paths, reloader.latest(), now)) return;
    throw new RpcError(
      "unavailable",
      `Cannot write configuration: the file ${quote(reloader.latest().path)} is gone; put it back first`,
    );
  }

  /** Puts what was written in force; what cannot be is taken back, file included. */
  async #apply(written: Written, base: Config, takeBack = async () => {}): Promise<Reloaded> {
    const { reloader, store } = this.#parts;
    const outcome = await reloader.reload();
    if (outcome.ok) {
      // The watch may have been quicker, and have found all of it.
      const changes = changesBetween(await store.settings(), base, reloader.latest().config);
      return { ...outcome, changed: changes.map(({ key }) => key) };
    }
    await takeBack();
    return this.#undone(written, outcome.errors[0]?.message);
  }

  async #undone(written: Written, reason: unknown): Promise<never> {
    try {
      await written.undo();
    } catch (error) {
      throw error instanceof WriteRefused ? toRpcError(error) : error;
    } finally {
      await this.#parts.reloader.reload();
    }
    const message = reason instanceof Error ? `Cannot apply configuration: ${reason.message}` : reason;
    throw new RpcError("unavailable", typeof message === "string" ? message : "Cannot apply configuration");
  }

  async #written(write: () => Promise<Written>): Promise<Written> {
    try {
      return await write();
    } catch (error) {
      throw error instanceof WriteRefused ? toRpcError(error) : error;
    }
  }
}

interface Replacement {
  /** Keys that may go. */
  readonly drop?: readonly string[] | undefined;
  /** Written as it is, though it has no comments. */
  readonly verbatim?: boolean | undefined;
}

export interface Validation {
  readonly valid: boolean;
  readonly errors: ConfigProblem[];
  readonly warnings: ConfigProblem[];
  readonly changed: string[];
  readonly plan?: ReloadPlan;
}
