import type { Attachment, Content, Origin, RunFailure, RunStatus, SendStatus, Usage } from "./contract.ts";
import type { RunOptions } from "./run.ts";

export interface NewRun {
  readonly id: string;
  readonly sessionDbId: string;
  readonly origin: Origin;
  readonly owner: string;
  readonly options: RunOptions;
  readonly ts: number;
  readonly retryOf?: string | undefined;
  /** It runs as soon as it is on disk, which saves writing that down once more. */
  readonly isStarted: boolean;
}

export interface NewMessage {
  readonly sessionDbId: string;
  /** The run that is to answer; none for one that was put in. */
  readonly runSeq: number | undefined;
  readonly text: string;
  readonly images: readonly Image[];
  readonly idempotencyKey?: string;
  readonly reply?: SendStatus;
  readonly ts: number;
}

export interface Image {
  readonly id: string;
  readonly mimeType: Attachment["mimeType"];
  /** base64 */
  readonly data: string;
}

/** How a run ended, and what its agent had said. */
export interface RunEnd {
  readonly status: Exclude<RunStatus, "queued" | "running">;
  readonly content: readonly Content[];
  readonly ts: number;
  readonly error?: RunFailure | undefined;
  readonly stoppedBy?: string | undefined;
  readonly model?: string | undefined;
  readonly usage?: Usage | undefined;
  readonly toolCalls?: number;
  /** What its last model call read and wrote. */
  readonly contextTokens?: number;
}
