import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Clock, Database, Log, Stop, Timers } from "../../ports.ts";
import { isOutage } from "../../rpc/database-failures.ts";
import type { Writer } from "../storage/writer.ts";
import type { Journal } from "./journal.ts";

interface CutPorts {
  readonly db: Database;
  readonly journal: Journal;
  readonly writer: Writer;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Closes what was open when the gateway before ended without notice: nobody works on it any more. A disk that
 * takes nothing is no reason not to start: it is asked again until it does.
 *
 * @returns ends the asking
 */
export function closeCutRuns({ db, journal, writer, timers, clock, log }: CutPorts): Stop {
  const cut = new Set(journal.openRuns().map(({ id }) => id));
  if (cut.size === 0) return () => {};
  log.warn("runs were cut by the last stop", { runs: cut.size });
  // Not those that have begun since, nor those that somebody has tried again.
  const close = (): void => journal.interruptOpen(clock.now(), cut);
  try {
    db.transaction(close);
    return () => {};
  } catch (error) {
    if (!isOutage(error)) throw error;
    log.warn("runs that were cut are not marked yet", { reason: messageOf(error) });
  }
  let stop: Stop = () => {};
  const tryAgain = (): void => {
    stop = timers.after(LIMITS.writeRetryMs, () => {
      writer.write(close).then(
        () => log.info("runs that were cut are marked", { runs: cut.size }),
        () => (isStopped ? undefined : tryAgain()),
      );
    });
  };
  let isStopped = false;
  tryAgain();
  return () => {
    isStopped = true;
    stop();
  };
}
