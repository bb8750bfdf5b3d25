import { messageOf } from "../contract/errors.ts";
import type { Log } from "../ports.ts";
import { isEqual } from "./equal.ts";
import type { ConfigIssue } from "./issues.ts";
import { formatIssue } from "./issues.ts";
import type { Settings } from "./judge.ts";
import { valueAt } from "./layers.ts";
import { type Change, changesBetween, planReload, type ReloadPlan, withoutOwed } from "./plan.ts";
import type { Config } from "./schema.ts";
import type { Paths } from "./paths.ts";
import { isGone, type LoadedSnapshot, type Snapshot } from "./store.ts";

/** What a reload came to. */
export interface Reloaded {
  /** Settings that are not what the files said before. */
  readonly changed: readonly string[];
  readonly hash: string;
  /** Settings that wait for a restart. */
  readonly restartOwed: readonly string[];
}

export type ReloadOutcome =
  | ({ readonly ok: true } & Reloaded)
  | { readonly ok: false; readonly hash: string; readonly errors: readonly ConfigIssue[] };

export interface ReloaderOptions {
  /** What is in force, and what the files that made it say. */
  readonly initialConfig: Extract<LoadedSnapshot, { readonly valid: true }>;
  /** What is wrong with the files now, where the start had to do with a copy of older ones. */
  readonly initialErrors?: readonly ConfigIssue[];
  /** The configuration in force. */
  readonly current: () => Config;
  readonly settings: () => Promise<Settings>;
  readonly readSnapshot: () => Promise<Snapshot>;
  /** Where the file may be. */
  readonly paths: Pick<Paths, "configCandidates">;
  /** Puts `config` in force and starts the plan's features anew; rejects with everything as it was. */
  readonly onHotReload: (plan: ReloadPlan, config: Config) => Promise<void> | void;
  /** A restart is owed and may come by itself, if it is still wanted when its time has come. */
  readonly onRestart: (isStillWanted: () => boolean) => void;
  /** Follows these files from now on, and calls `reload` when one of them has changed. */
  readonly watchPath: (paths: readonly string[]) => void;
  readonly onReloaded: (reloaded: Reloaded) => void;
  readonly onRejected: (hash: string, errors: readonly ConfigIssue[]) => void;
  /** The log may not show these. */
  readonly onSecrets: (secrets: readonly string[]) => void;
  readonly log: Log;
}

/** Keeps the running configuration in step with its files. */
export interface ConfigReloader {
  /** Reads the files and does what they ask for; one reload at a time, never rejects. */
  reload(): Promise<ReloadOutcome>;
  /** What the files said last that could be used; in force but for what is owed. */
  latest(): ReloaderOptions["initialConfig"];
  errors(): readonly ConfigIssue[];
  restartOwed(): readonly string[];
  /** The gateway has restarted on `latest`; or, with the reason, it could not and runs on as before. */
  restarted(problem?: string): void;
}

/**
 * Begins to follow the configuration. What is invalid changes nothing; what is valid changes whole or not
 * at all; what has to wait for a restart is remembered.
 */
export function startGatewayConfigReloader(options: ReloaderOptions): ConfigReloader {
  const reloader = new Reloader(options);
  options.watchPath(options.initialConfig.watched);
  return reloader;
}

/** A restart that did not come through, until what was owed then is another. */
interface FailedRestart {
  readonly errors: readonly ConfigIssue[];
  readonly config: Config;
  readonly owed: readonly Change[];
}

class Reloader implements ConfigReloader {
  readonly #options: ReloaderOptions;
  #latest: ReloaderOptions["initialConfig"];
  #errors: readonly ConfigIssue[];
  #owed: readonly Change[] = [];
  #failed: FailedRestart | undefined;
  /** As of the last reload; without one nothing is owed. */
  #settings: Settings | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#latest = options.initialConfig;
    this.#errors = options.initialErrors ?? [];
  }

  reload(): Promise<ReloadOutcome> {
    const result = this.#last
      .then(() => this.#reload())
      .catch((error: unknown) => {
        const { hash, path } = this.#latest;
        return this.#reject(hash, [refused(path, error)]);
      });
    this.#last = result;
    return result;
  }

  latest(): ReloaderOptions["initialConfig"] {
    return this.#latest;
  }

  errors(): readonly ConfigIssue[] {
    return this.#errors;
  }

  restartOwed(): readonly string[] {
    // A restart puts in force what was owed before it tells so.
    const [now, then] = [this.#options.current(), this.#latest.config];
    const isOwed = ({ path }: Change): boolean => !isEqual(valueAt(now, path), valueAt(then, path));
    return this.#owed.filter(isOwed).map(({ key }) => key);
  }

  restarted(problem?: string): void {
    const { hash, path, config } = this.#latest;
    const before = this.#failed;
    this.#failed = undefined;
    this.#owed = this.#owedNow();
    if (problem === undefined) {
      if (this.#errors === before?.errors) this.#errors = [];
      return;
    }
    const errors = [refused(path, problem)];
    this.#reject(hash, errors);
    this.#failed = { errors, config, owed: this.#owed };
  }

  /** A reload may have come while the restart went on, and have compared with what that tried. */
  #owedNow(): readonly Change[] {
    if (!this.#settings) return [];
    const { config } = this.#latest;
    const changes = changesBetween(this.#settings, this.#options.current(), config);
    return planReload(changes, config.gateway.reload.mode).owed;
  }

  async #reload(): Promise<ReloadOutcome> {
    const { readSnapshot, settings: load, current, watchPath, onRestart, onSecrets } = this.#options;
    const snapshot = await readSnapshot();
    watchPath(snapshot.watched);
    const { hash, path } = snapshot;
    if (isGone(this.#options.paths, this.#latest, snapshot)) {
      return this.#reject(hash, [gone(this.#latest.path)]);
    }
    if (!snapshot.valid) return this.#reject(hash, snapshot.errors);
    const settings = (this.#settings = await load());
    const { config } = snapshot;
    const changed = changesBetween(settings, this.#latest.config, config).map(({ key }) => key);
    const plan = planReload(changesBetween(settings, current(), config), config.gateway.reload.mode);
    onSecrets(snapshot.secrets);
    try {
      await this.#apply(plan, config);
    } catch (error) {
      return this.#reject(hash, [refused(path, error)]);
    }
    if (!this.#isHopeless(plan, config)) this.#failed = undefined;
    const errors = this.#failed?.errors ?? [];
    const before = this.#latest;
    const isNews = changed.length > 0 || hash !== before.hash || !sameText(errors, this.#errors);
    this.#latest = snapshot;
    this.#errors = errors;
    this.#owed = plan.owed;
    const reloaded = { changed, hash, restartOwed: this.restartOwed() };
    this.#warn(before.warnings);
    if (isNews) this.#tell(reloaded, plan);
    // One that goes on may yet fail with the very same.
    if (plan.restarts && !this.#failed) onRestart(() => !this.#failed && this.restartOwed().length > 0);
    return { ok: true, ...reloaded };
  }

  /** What is owed is what a restart has just failed with: another would only cut off everybody again. */
  #isHopeless({ owed }: ReloadPlan, config: Config): boolean {
    const failed = this.#failed;
    return (
      failed !== undefined &&
      failed.owed.length === owed.length &&
      owed.every(({ path }) => isEqual(valueAt(config, path), valueAt(failed.config, path)))
    );
  }

  async #apply(plan: ReloadPlan, config: Config): Promise<void> {
    if (plan.applied.length === 0) return;
    const { onHotReload, current } = this.#options;
    await onHotReload(plan, withoutOwed(config, current(), plan.owed));
  }

  /** Told once, wherever it stands by now. */
  #warn(known: readonly ConfigIssue[]): void {
    const told = new Set(known.map(({ message }) => message));
    const fresh = this.#latest.warnings.filter(({ message }) => !told.has(message));
    for (const warning of fresh) this.#options.log.warn(formatIssue(warning));
  }

  #tell(reloaded: Reloaded, plan: ReloadPlan): void {
    const { log, onReloaded } = this.#options;
    const names = (keys: readonly string[]): string | undefined => keys.join(", ") || undefined;
    log.info("configuration reloaded", {
      changed: names(reloaded.changed) ?? "nothing",
      startedAnew: names(plan.features),
      restartOwed: names(reloaded.restartOwed),
    });
    onReloaded(reloaded);
  }

  /** Told once, however often it is read. */
  #reject(hash: string, found: readonly ConfigIssue[]): ReloadOutcome {
    const { log, onRejected } = this.#options;
    const isKnown = sameText(found, this.#errors);
    this.#errors = found;
    if (!isKnown) {
      for (const issue of found) log.error("configuration not used", { reason: formatIssue(issue) });
      onRejected(hash, found);
    }
    return { ok: false, hash, errors: found };
  }
}

/** A file that vanishes is more often an editor at work, or a mistake, than the wish for the defaults. */
function gone(file: string): ConfigIssue {
  return { layer: "file", file, key: "", message: "Cannot read configuration: the file is gone" };
}

function refused(file: string, error: unknown): ConfigIssue {
  const reason = messageOf(error);
  return { layer: "file", file, key: "", message: `Cannot apply configuration: ${reason}` };
}

function sameText(a: readonly ConfigIssue[], b: readonly ConfigIssue[]): boolean {
  return a.map(formatIssue).join("\n") === b.map(formatIssue).join("\n");
}
