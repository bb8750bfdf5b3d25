import { type FileWatch, watchFiles } from "../config/watch/watch.ts";
import type { Config } from "../config/schema.ts";
import { LIMITS } from "../contract/limits.ts";
import { once } from "../contract/define.ts";
import { errorText } from "../contract/errors.ts";
import type { Live, LiveParts } from "./live.ts";
import { UNCONFIRMED_FILE } from "./names.ts";
import type { ConfigStatus, LiveConfig } from "./runtime-state.ts";

/** The configuration as it is followed while the gateway runs. */
export interface FollowedConfig extends LiveConfig {
  /** Takes up what waited for a confirmation before the last stop; before anyone can connect and confirm. */
  prepare(): Promise<void>;
  /** The gateway has started: begins to look at the files. */
  follow(): Promise<void>;
  /** Reads the files now; never rejects. */
  reload(): Promise<void>;
  /** The gateway has restarted on what the files say; or, with the reason, it goes on as it was. */
  restarted(problem?: string): Promise<void>;
  /** What the files say, as far as it could be used. */
  latest(): Config;
  stop(): Promise<void>;
}

/**
 * What has to be there from the start: the watch and the status. Everything that changes a configuration is
 * loaded when one changes.
 */
export function followConfiguration(parts: Omit<LiveParts, "follow">): FollowedConfig {
  const { platform, loaded } = parts;
  const { store, snapshot, log } = loaded;
  let watch: FileWatch | undefined;
  let loadedLive: Live | undefined;
  const live = once(async () => {
    const { createLive } = await import("./live.ts");
    loadedLive = createLive({ ...parts, follow: (paths) => void watch?.follow(paths).catch(failed) });
    return loadedLive;
  });
  const failed = (error: unknown): void =>
    log.error("configuration not followed", { error: errorText(error) });

  async function takeUpUnconfirmed(): Promise<void> {
    const path = `${store.paths.stateDir}/${UNCONFIRMED_FILE}`;
    const text = await platform.files.readText(path, LIMITS.configKeyCharsMax);
    if (text === undefined) return;
    const { takeUp } = await live();
    await takeUp(text);
  }

  return {
    prepare: () => takeUpUnconfirmed().catch(failed),
    answers: async () => (await live()).answers,
    restart: (isNow) =>
      // What has just been saved counts, though the watch may not have told of it yet.
      void live()
        .then(({ reloader }) => reloader.reload())
        .then(() => parts.restart(isNow))
        .catch(failed),
    status: () => statusOf(loaded, loadedLive),
    latest: () => (loadedLive?.reloader.latest() ?? snapshot).config,
    async follow() {
      watch = watchFiles({
        ...platform,
        watcher: platform,
        log,
        pollMs: LIMITS.configPollMs,
        debounceMs: () => store.current().gateway.reload.debounceMs,
        changed: () =>
          void live()
            .then(({ reloader }) => reloader.reload())
            .catch(failed),
      });
      await watch.follow(snapshot.watched).catch(failed);
      loadedLive?.confirmation.inForce(true);
      // A file was read, so all that is loaded; and it works, which is worth a copy.
      if (snapshot.source) void live().then(({ started }) => started(), failed);
    },
    reload: () =>
      live()
        .then(({ reloader }) => reloader.reload())
        .then(() => undefined, failed),
    async restarted(problem) {
      const { reloader, confirmation } = await live();
      reloader.restarted(problem);
      // Not waited for: it reads the files again, which waits for the end of the restart that we are in.
      if (problem !== undefined) void confirmation.revert();
      else confirmation.inForce(true);
    },
    async stop() {
      watch?.stop();
      await loadedLive?.stop();
    },
  };
}

function statusOf({ snapshot, errors: atStart }: LiveParts["loaded"], live: Live | undefined): ConfigStatus {
  const latest = live?.reloader.latest() ?? snapshot;
  const { path, hash, exists, warnings } = latest;
  const errors = live?.reloader.errors() ?? atStart;
  const [first] = errors;
  const waiting = live?.confirmation.waiting;
  return {
    path,
    hash: exists ? hash : "",
    valid: first === undefined,
    ...(first && {
      error: {
        message: first.message,
        ...(first.file !== undefined && { file: first.file }),
        ...(first.line !== undefined && { line: first.line }),
        ...(first.column !== undefined && { column: first.column }),
      },
    }),
    restartOwed: [...(live?.reloader.restartOwed() ?? [])],
    safeMode: atStart.length > 0 && latest === snapshot,
    ...(waiting && { confirmWithinMs: waiting.confirmWithinMs }),
    warnings: [...undoneIn(live), ...warnings.map((warning) => warning.message)],
  };
}

function undoneIn(live: Live | undefined): readonly string[] {
  const backup = live?.undone();
  return backup === undefined ? [] : [`an unconfirmed change was undone; its text is in backup ${backup}`];
}
