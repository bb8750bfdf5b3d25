import type { Log } from "../ports.ts";
import type { ConfigIssue } from "./issues.ts";
import { formatIssue } from "./issues.ts";
import type { Settings } from "./judge.ts";
import { type Change, changesBetween, planReload, type ReloadPlan, withoutOwed } from "./plan.ts";
import type { Config } from "./schema.ts";
import type { LoadedSnapshot, Snapshot } from "./store.ts";

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
  /** Puts `config` in force and starts the plan's features anew; rejects with everything as it was. */
  readonly onHotReload: (plan: ReloadPlan, config: Config) => Promise<void> | void;
  /** A restart is owed and may come by itself. */
  readonly onRestart: () => void;
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
  const { log, current } = options;
  let latest = options.initialConfig;
  let errors = options.initialErrors ?? [];
  let owed: readonly Change[] = [];
  let last: Promise<unknown> = Promise.resolve();

  function reject(hash: string, found: readonly ConfigIssue[]): ReloadOutcome {
    const isKnown = sameText(found, errors);
    errors = found;
    if (!isKnown) {
      for (const issue of found) log.error("configuration not used", { reason: formatIssue(issue) });
      options.onRejected(hash, found);
    }
    return { ok: false, hash, errors: found };
  }

  async function reload(): Promise<ReloadOutcome> {
    const snapshot = await options.readSnapshot();
    options.watchPath(snapshot.watched);
    if (!snapshot.valid) return reject(snapshot.hash, snapshot.errors);
    if (!snapshot.exists && latest.exists) return reject(snapshot.hash, [gone(latest.path)]);
    const settings = await options.settings();
    const { config } = snapshot;
    const changed = changesBetween(settings, latest.config, config).map(({ key }) => key);
    const plan = planReload(changesBetween(settings, current(), config), config.gateway.reload.mode);
    options.onSecrets(snapshot.secrets);
    try {
      if (plan.applied.length > 0) await options.onHotReload(plan, withoutOwed(config, current(), plan.owed));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return reject(snapshot.hash, [refused(snapshot.path, reason)]);
    }
    const isNews = changed.length > 0 || snapshot.hash !== latest.hash || errors.length > 0;
    latest = snapshot;
    errors = [];
    owed = plan.owed;
    const reloaded = { changed, hash: snapshot.hash, restartOwed: owed.map(({ key }) => key) };
    if (isNews) tell(reloaded, plan);
    if (plan.restarts) options.onRestart();
    return { ok: true, ...reloaded };
  }

  function tell(reloaded: Reloaded, plan: ReloadPlan): void {
    for (const warning of latest.warnings) log.warn(formatIssue(warning));
    const names = (keys: readonly string[]): string | undefined => keys.join(", ") || undefined;
    log.info("configuration reloaded", {
      changed: names(reloaded.changed) ?? "nothing",
      startedAnew: names(plan.features),
      restartOwed: names(reloaded.restartOwed),
    });
    options.onReloaded(reloaded);
  }

  options.watchPath(latest.watched);
  return {
    reload() {
      const result = last.then(reload).catch((error: unknown): ReloadOutcome => {
        const reason = error instanceof Error ? error.message : String(error);
        return reject(latest.hash, [refused(latest.path, reason)]);
      });
      last = result;
      return result;
    },
    latest: () => latest,
    errors: () => errors,
    restartOwed: () => owed.map(({ key }) => key),
    restarted(problem) {
      if (problem === undefined) owed = [];
      else reject(latest.hash, [refused(latest.path, problem)]);
    },
  };
}

/** A file that vanishes is more often an editor at work, or a mistake, than the wish for the defaults. */
function gone(file: string): ConfigIssue {
  return { layer: "file", file, key: "", message: "Cannot read configuration: the file is gone" };
}

function refused(file: string, reason: string): ConfigIssue {
  return { layer: "file", file, key: "", message: `Cannot apply configuration: ${reason}` };
}

function sameText(a: readonly ConfigIssue[], b: readonly ConfigIssue[]): boolean {
  return a.map(formatIssue).join("\n") === b.map(formatIssue).join("\n");
}
