import { type Copies, createCopies } from "../config/write/copies.ts";
import type { ReloadPlan } from "../config/plan.ts";
import { type ConfigReloader, startGatewayConfigReloader } from "../config/reloader.ts";
import type { Config } from "../config/schema.ts";
import { createConfigWriter } from "../config/write/writer.ts";
import { errorText } from "../contract/errors.ts";
import { createConfigAnswers } from "../features/config/answers.ts";
import { Confirmation, Waiting } from "../features/config/confirmation.ts";
import type { ConfigAnswers } from "../features/config/feature.ts";
import { problemOf } from "../features/config/problems.ts";
import { ConfigService } from "../features/config/service.ts";
import type { Platform } from "../ports.ts";
import { VERSION } from "../version.ts";
import type { Loaded } from "./configuration.ts";
import { writeNote } from "./unconfirmed-note.ts";

export interface LiveParts {
  readonly platform: Platform;
  readonly loaded: Loaded;
  /** Sends an event to the clients of now. */
  readonly broadcast: (event: string, payload: object) => void;
  /** Puts `config` in force, with the plan's features started anew; rejects with everything as it was. */
  readonly apply: (plan: ReloadPlan, config: Config) => Promise<void>;
  readonly restart: (isNow: boolean, isStillWanted?: () => boolean) => void;
  readonly follow: (paths: readonly string[]) => void;
  /** Resolves when no restart is going on; at once for who is a part of what is stopping. */
  readonly settled: () => Promise<void>;
}

/** All that is needed to change the configuration while the gateway runs. */
export interface Live {
  readonly reloader: ConfigReloader;
  readonly confirmation: Confirmation;
  readonly answers: ConfigAnswers;
  /** The backup with what nobody has confirmed, until something else has changed. */
  undone(): string | undefined;
  /** Goes on waiting for the confirmation that the note of an earlier start tells of. */
  takeUp(note: string): Promise<void>;
  /** The gateway runs on what was loaded, which is worth a copy. */
  started(): void;
  /** What waits goes on waiting after the next start; what is being kept for it is kept. */
  stop(): Promise<void>;
}

/** Secrets of configurations that were, the newest of them: lines about them may still come. */
const SECRETS_MAX = 1_000;

export function createLive(parts: LiveParts): Live {
  const { platform, loaded } = parts;
  const { store, log, secrets } = loaded;
  let undone: string | undefined;
  const copies = createCopies({
    ...platform,
    stateDir: store.paths.stateDir,
    isWanted: (backup) => confirmation.waiting?.backup === backup,
  });
  const writer = createConfigWriter({ ...platform, store, copies });
  const reloader = startGatewayConfigReloader({
    initialConfig: loaded.snapshot,
    initialErrors: loaded.errors,
    current: () => store.current(),
    settings: () => store.settings(),
    readSnapshot: () => writer.between(() => store.readConfigFileSnapshot()),
    paths: store.paths,
    onHotReload: parts.apply,
    onRestart: (isStillWanted) => parts.restart(false, isStillWanted),
    watchPath: parts.follow,
    onReloaded(reloaded) {
      parts.broadcast("config.changed", reloaded);
      // Told until there is something newer to tell.
      if (reloaded.changed.length > 0) undone = undefined;
      void remember();
    },
    onRejected: (hash, errors) => parts.broadcast("config.rejected", { hash, errors: errors.map(problemOf) }),
    onSecrets: hiding(secrets),
    log,
  });
  const confirmation = new Confirmation({
    ...platform,
    log,
    settled: parts.settled,
    keep: (waiting) => keepWaiting(parts, copies, waiting),
    async revert(waiting, isStillWanted) {
      undone = (await service.revert(waiting, isStillWanted)) ?? undone;
      // Nobody could get in: there is no waiting for runs.
      if (reloader.restartOwed().length > 0) parts.restart(true);
    },
  });
  const service = new ConfigService({ store, writer, copies, reloader, confirmation, log });

  /** What works is what the next start falls back to. */
  const remember = oneAtATime(async () => {
    const { source, hash } = reloader.latest();
    // What works because of an override may not work after a start, when there is none.
    if (!source || store.overrides.size > 0) return;
    await copies
      .remember(hash, source.texts)
      .catch((error: unknown) => log.warn("last good configuration not kept", { error: errorText(error) }));
  });

  const answers = createConfigAnswers({ service, store, copies, reloader, confirmation, version: VERSION });

  async function takeUp(note: string): Promise<void> {
    const waiting = Waiting.parse(JSON.parse(note));
    await confirmation.begin(waiting);
    log.warn("configuration waits for its confirmation", { confirmWithinMs: waiting.confirmWithinMs });
  }

  async function stop(): Promise<void> {
    confirmation.stop();
    await remember();
  }

  function started(): void {
    if (loaded.errors.length === 0) void remember();
  }

  return { reloader, confirmation, answers, undone: () => undone, takeUp, started, stop };
}

/** Adds to the texts the log hides; those of older configurations go when they are too many. */
function hiding(secrets: string[]): (found: readonly string[]) => void {
  // A token that was made at the start is in no configuration.
  const first = [...secrets];
  return (found) => {
    const needed = new Set([...first, ...found]);
    const older = secrets.filter((secret) => !needed.has(secret)).slice(-SECRETS_MAX);
    secrets.splice(0, Infinity, ...older, ...needed);
  };
}

/** On disk: a start that follows a crash goes on waiting. */
async function keepWaiting(
  { platform, loaded }: LiveParts,
  copies: Copies,
  waiting?: Waiting,
): Promise<void> {
  await writeNote(platform.files, loaded.store.paths.stateDir, waiting);
  // Too much of it harms nobody.
  if (!waiting) await copies.forgetChange().catch(() => {});
}

/**
 * Work that takes away what it finds begun by another; asked for meanwhile, it comes once more.
 *
 * @returns resolves when none is going on
 */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let isDue = false;
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    for (; isDue; await work()) isDue = false;
    running = undefined;
  };
  return () => {
    isDue = true;
    return (running ??= run());
  };
}
