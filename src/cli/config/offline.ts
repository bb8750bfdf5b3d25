import { formatIssue } from "../../config/issues.ts";
import { keyOf } from "../../config/leaves.ts";
import type { ConfigReloader, ReloadOutcome } from "../../config/reloader.ts";
import { changesBetween } from "../../config/plan.ts";
import type { Snapshot, ValidSnapshot } from "../../config/store.ts";
import { createCopies } from "../../config/write/copies.ts";
import { createConfigWriter, type QuietWriter } from "../../config/write/writer.ts";
import { RpcError } from "../../contract/errors.ts";
import type { Call } from "../../feature.ts";
import { createConfigAnswers } from "../../features/config/answers.ts";
import { Confirmation } from "../../features/config/confirmation.ts";
import type { ConfigAnswers } from "../../features/config/feature.ts";
import { problemOf } from "../../features/config/problems.ts";
import { ConfigService } from "../../features/config/service.ts";
import { createPlainLog } from "../../platform/log.ts";
import { readNote, writeNote } from "../../gateway/unconfirmed-note.ts";
import type { Log, Platform } from "../../ports.ts";
import { VERSION } from "../../version.ts";
import type { CommandInput } from "../command.ts";
import { differences } from "./differences.ts";
import { type ConfigFiles, isUnset, openConfigFiles, writtenOf } from "./files.ts";

/** The gateway's own answers, without a gateway: nothing is in force, and what is written is all there is. */
export interface Offline {
  readonly files: ConfigFiles;
  readonly answers: ConfigAnswers;
  /** What the answers are called with. */
  readonly call: Call;
}

export async function openOffline(input: CommandInput): Promise<Offline> {
  const { platform } = input;
  const opened = openConfigFiles(input);
  const { store } = opened;
  const { stateDir } = store.paths;
  const confirmation: Confirmation = await openConfirmation(platform, stateDir);
  const isWanted = (backup: string): boolean => confirmation.waiting?.backup === backup;
  const copies = createCopies({ ...platform, stateDir, isWanted });
  const files = { ...opened, copies };
  const first = await store.readConfigFileSnapshot();
  const base = first.valid ? first : await emptyOf(files, first);
  store.use(base.config);
  const reloader = createReloader(files, { first, base });
  const writer = tolerant(createConfigWriter({ ...platform, store, copies }));
  const parts = { store, copies, reloader, confirmation, version: VERSION };
  const service = new ConfigService({ ...parts, writer, log: logOf(platform) });
  const answers = createConfigAnswers({ ...parts, service });
  return { files, answers, call: CALL };
}

/** Whoever may write the files may do everything. */
const CALL: Call = {
  caller: {
    connId: "",
    subject: "cli",
    name: "cli",
    scopes: ["admin"],
    connectedMs: 0,
    onGone: () => () => {},
  },
  fail: (code, message, extra) => {
    throw new RpcError(code, message, extra);
  },
};

/** A reference to a variable that is not set here is no reason to refuse a write. */
function tolerant(writer: QuietWriter): QuietWriter {
  return {
    between: (read) => writer.between(read),
    preview: (intent) => writer.preview(intent),
    write: (intent, options) => writer.write(intent, { ...options, tolerates: isUnset }),
    restore: (backup, options) => writer.restore(backup, { ...options, tolerates: isUnset }),
  };
}

/** What an empty file in the place of this one would mean. @throws RpcError when not even that can be used */
async function emptyOf({ store }: ConfigFiles, { path }: Snapshot): Promise<ValidSnapshot> {
  const empty = await store.readConfigFileSnapshot(new Map([[path, "{\n}\n"]]));
  if (empty.valid) return empty;
  const errors = empty.errors.map(problemOf);
  const message = empty.errors.map(formatIssue)[0] ?? "Cannot use configuration";
  throw new RpcError("invalid_params", message, { details: { errors } });
}

interface Read {
  readonly first: Snapshot;
  /** What counts as in force: the same, if it can be used. */
  readonly base: ValidSnapshot;
}

/** Nothing is put in force: what the files say now counts as it is. */
function createReloader({ store }: ConfigFiles, { first, base }: Read): ConfigReloader {
  let last = first;
  let latest = base;

  async function reload(): Promise<ReloadOutcome> {
    const before = last;
    last = await store.readConfigFileSnapshot();
    const { hash } = last;
    if (!last.valid && !last.errors.every(isUnset)) return { ok: false, hash, errors: last.errors };
    // Without a judgement of both, what is written has to do for what it means.
    const changed =
      before.valid && last.valid
        ? changesBetween(await store.settings(), before.config, last.config).map(({ key }) => key)
        : differences(writtenOf(before), writtenOf(last)).map(({ path }) => keyOf(path));
    if (last.valid) {
      latest = last;
      store.use(last.config);
    }
    return { ok: true, changed, hash, restartOwed: [] };
  }

  return {
    reload,
    latest: () => latest,
    errors: () => (last.valid ? [] : last.errors),
    restartOwed: () => [],
    restarted: () => {},
  };
}

/**
 * Nobody can be locked out of what does not run; but a change may wait for the next start, which undoes it,
 * and what is written meanwhile with it.
 */
async function openConfirmation(platform: Platform, stateDir: string): Promise<Confirmation> {
  const { files } = platform;
  const nothing = async (): Promise<void> => {};
  const confirmation = new Confirmation({
    ...platform,
    log: logOf(platform),
    revert: nothing,
    settled: nothing,
    async keep(waiting) {
      if (!waiting) await writeNote(files, stateDir, undefined);
    },
  });
  // A half note says nothing, and the next start tells of it.
  const waiting = await readNote(files, stateDir).catch(() => undefined);
  if (waiting) await confirmation.begin(waiting);
  return confirmation;
}

function logOf({ clock, process }: Platform): Log {
  return createPlainLog({ sink: process.stderr, clock });
}
