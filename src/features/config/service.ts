import { convertJson5 } from "../../config/json5.ts";
import type { Copies } from "../../config/copies.ts";
import { readDocument } from "../../config/document.ts";
import { withoutEcho } from "../../config/echo.ts";
import type { ConfigIssue } from "../../config/issues.ts";
import { parseKey } from "../../config/key.ts";
import { isObject } from "../../config/leaves.ts";
import type { Path } from "../../config/leaves.ts";
import { changesBetween, planReload, type ReloadPlan } from "../../config/plan.ts";
import { redactValue } from "../../config/redact.ts";
import type { ConfigReloader, Reloaded } from "../../config/reloader.ts";
import type { Intent } from "../../config/rewrite.ts";
import type { ConfigStore, Snapshot, ValidSnapshot } from "../../config/store.ts";
import { valueOf } from "../../config/tree.ts";
import { type ConfigWriter, WriteRefused, type Written } from "../../config/writer.ts";
import { RpcError } from "../../contract/errors.ts";
import type { Confirmation } from "./confirmation.ts";
import type { ConfigOutcome, ConfigProblem } from "./contract.ts";

interface ServiceParts {
  readonly store: ConfigStore;
  readonly writer: ConfigWriter;
  readonly copies: Copies;
  readonly reloader: ConfigReloader;
  readonly confirmation: Confirmation;
}

export interface WriteRequest {
  readonly baseHash?: string | undefined;
  readonly confirmWithinMs?: number | undefined;
}

/** What the configuration's methods do: each change is written, applied, and undone if it cannot be. */
export class ConfigService {
  readonly #parts: ServiceParts;

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  /** The configuration's files as they are now, whether they can be used or not. */
  snapshot(): Promise<Snapshot> {
    return this.#parts.store.readConfigFileSnapshot();
  }

  /** What is in force but for what is owed, with the origin of each value. */
  async latest(): Promise<ValidSnapshot> {
    const latest = this.#parts.reloader.latest();
    const { provenance } = latest;
    if (provenance) return { ...latest, provenance };
    // Nothing was set when it was loaded, so nothing was told about it.
    const again = await this.snapshot();
    if (again.valid) return again;
    throw unusable(again.errors);
  }

  async write(intent: Intent, { baseHash, confirmWithinMs }: WriteRequest): Promise<ConfigOutcome> {
    const written = await this.#written(() => this.#parts.writer.write(intent, { baseHash }));
    if (confirmWithinMs !== undefined) {
      await this.#parts.confirmation.begin({ backup: written.backup ?? "", confirmWithinMs });
    }
    const reloaded = await this.#apply(written);
    if (reloaded.restartOwed.length === 0) this.#parts.confirmation.inForce();
    return outcomeOf(written, reloaded);
  }

  async rollback(backup: string | undefined, baseHash: string | undefined): Promise<ConfigOutcome> {
    const { copies, reloader } = this.#parts;
    const name = backup ?? (await copies.backups(reloader.latest().path))[0];
    if (name === undefined)
      throw new RpcError("not_found", "Cannot roll back the configuration: there is no backup");
    const written = await this.#written(() => this.#parts.writer.restore(name, { baseHash }));
    return outcomeOf(written, await this.#apply(written));
  }

  /** Puts back what was there before an unconfirmed change. */
  async revert(backup: string): Promise<void> {
    const { writer, reloader } = this.#parts;
    // There was no file before: an empty one says the same.
    const empty: Intent = { kind: "replace", text: "{\n}\n", isVerbatim: true, drop: [[]] };
    await (backup === "" ? writer.write(empty) : writer.restore(backup));
    await reloader.reload();
  }

  async setOverride(key: string, value: unknown): Promise<ConfigOutcome> {
    const leaf = await this.#leafOf(key);
    return this.#override(leaf, () => this.#parts.store.overrides.set(leaf, value));
  }

  async unsetOverride(key: string): Promise<ConfigOutcome> {
    const leaf = await this.#leafOf(key);
    if (!this.#parts.store.overrides.has(leaf)) {
      throw new RpcError("not_found", `Cannot unset override "${leaf}": it is not set`);
    }
    return this.#override(leaf, () => this.#parts.store.overrides.delete(leaf));
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
  async replacement(raw: string, drop: readonly string[] = []): Promise<Intent> {
    const latest = await this.latest();
    const settings = await this.#parts.store.settings();
    const written = latest.source?.tree && valueOf(latest.source.tree);
    const shown = redactValue(settings.schema, latest.config);
    const input = { settings, provenance: latest.provenance, shown, written };
    return {
      kind: "replace",
      text: await jsonc(raw),
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
    throw new RpcError("not_found", `Cannot override "${key}": ${hint}`);
  }

  async #override(leaf: string, change: () => unknown): Promise<ConfigOutcome> {
    const { overrides } = this.#parts.store;
    const had = overrides.has(leaf);
    const before = overrides.get(leaf);
    const { hash } = this.#parts.reloader.latest();
    change();
    const outcome = await this.#parts.reloader.reload();
    const { path } = this.#parts.reloader.latest();
    if (outcome.ok) {
      const { changed, restartOwed } = outcome;
      return { ok: true, path, hash, changed: [...changed], restartOwed: [...restartOwed], notes: [] };
    }
    if (had) overrides.set(leaf, before);
    else overrides.delete(leaf);
    await this.#parts.reloader.reload();
    throw unusable(outcome.errors);
  }

  /** Puts what was written in force; what cannot be is taken back, file included. */
  async #apply(written: Written): Promise<Reloaded> {
    const outcome = await this.#parts.reloader.reload();
    if (outcome.ok) return outcome;
    await written.undo();
    await this.#parts.reloader.reload();
    throw new RpcError("unavailable", outcome.errors[0]?.message ?? "Cannot apply configuration");
  }

  async #written(write: () => Promise<Written>): Promise<Written> {
    try {
      return await write();
    } catch (error) {
      throw error instanceof WriteRefused ? toRpcError(error) : error;
    }
  }
}

export interface Validation {
  readonly valid: boolean;
  readonly errors: ConfigProblem[];
  readonly warnings: ConfigProblem[];
  readonly changed: string[];
  readonly plan?: ReloadPlan;
}

const CODES = {
  stale: "conflict",
  invalid: "invalid_params",
  locked: "busy",
  failed: "unavailable",
} as const;

function toRpcError({ kind, message, issues }: WriteRefused): RpcError {
  const details = issues.length > 0 ? { details: { errors: issues.map(problemOf) } } : {};
  return new RpcError(CODES[kind], message, details);
}

function unusable(errors: readonly ConfigIssue[]): RpcError {
  const message = errors[0]?.message ?? "Cannot use configuration";
  return new RpcError("invalid_params", message, { details: { errors: errors.map(problemOf) } });
}

function outcomeOf(written: Written, { hash, changed, restartOwed }: Reloaded): ConfigOutcome {
  return {
    ok: true,
    path: written.after.path,
    hash,
    changed: [...changed],
    restartOwed: [...restartOwed],
    ...(written.backup !== undefined && { backup: written.backup }),
    notes: [...written.changes],
  };
}

/** An issue as clients see it. */
export function problemOf({ file, line, column, key, message }: ConfigIssue): ConfigProblem {
  return {
    ...(file !== undefined && { file }),
    ...(line !== undefined && { line }),
    ...(column !== undefined && { column }),
    key,
    message,
  };
}

/** @throws RpcError `invalid_params` */
export function pathOf(key: string): Path {
  const path = parseKey(key);
  if (path) return path;
  throw new RpcError(
    "invalid_params",
    `Cannot use key ${JSON.stringify(key)}: it is not written like gateway.port`,
  );
}

/** JSON with comments as it is; JSON5, which older clients send, converted. */
async function jsonc(raw: string): Promise<string> {
  if (readDocument(raw).ok) return raw;
  const converted = await convertJson5(raw);
  return converted.ok ? converted.text : raw;
}
