import { LIMITS } from "../../contract/limits.ts";
import type { Log, Stop, Timers } from "../../ports.ts";
import type { Writer } from "../storage/writer.ts";
import type { Journal } from "./journal.ts";
import type { Run } from "./run.ts";

interface PiecesPorts {
  readonly journal: Journal;
  readonly writer: Writer;
  readonly timers: Timers;
  readonly log: Log;
}

/**
 * Writes down now and then what running agents have said so far: should the process be killed, that much of
 * the answer is there. All of them in one work, so that it costs one commit each `LIMITS.piecesMs`.
 */
export class Pieces {
  readonly #ports: PiecesPorts;
  readonly #running = new Set<Run>();
  #stopTimer: Stop | undefined;

  constructor(ports: PiecesPorts) {
    this.#ports = ports;
  }

  begin(run: Run): void {
    this.#running.add(run);
    this.#stopTimer ??= this.#ports.timers.every(LIMITS.piecesMs, () => this.#save());
  }

  end(run: Run): void {
    this.#running.delete(run);
    if (this.#running.size > 0) return;
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }

  #save(): void {
    const { journal, writer, log } = this.#ports;
    const found = [...this.#running].flatMap((run) => {
      const isAnew = run.transcript.takeAnew();
      const content = run.transcript.unsaved();
      return content.length === 0 ? [] : [{ run, place: run.pieces++, content, isAnew }];
    });
    if (found.length === 0) return;
    const work = (): void => {
      for (const { run, place, content, isAnew } of found) {
        if (run.isEnded) continue;
        if (isAnew) journal.dropPieces(run.seq);
        journal.addPiece(run.seq, place, content);
      }
    };
    writer.write(work).catch((error: unknown) => {
      log.debug("part of an answer not written down", { error: String(error) });
      for (const { run } of found) run.transcript.forgetSaved();
    });
  }
}
