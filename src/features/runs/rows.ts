import { z } from "zod";
import { once } from "../../contract/define.ts";
import type { Crypto, SqlRow } from "../../ports.ts";
import { checksumOf, isIntact } from "../storage/checksum.ts";
import { Content, CutStatus, type Message, type Origin, RunFailure, type RunStatus } from "./contract.ts";
import type { RunOptions } from "./run.ts";

/** A run as it is stored. */
export interface StoredRun {
  readonly seq: number;
  readonly id: string;
  readonly sessionDbId: string;
  readonly origin: Origin;
  readonly owner: string;
  readonly options: RunOptions;
  readonly status: RunStatus;
  readonly acceptedAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly error?: RunFailure;
  readonly stoppedBy?: string;
  /** The first run that answered the same message. */
  readonly retryOf?: string;
}

/** Adding a sum of what may not change makes a damaged row tell itself from a whole one. */
type Digest = Pick<Crypto, "sha256">;

/** The fields of a message that its checksum covers. */
export interface MessageFields {
  readonly sessionDbId: string;
  readonly role: Message["role"];
  readonly content: string;
  readonly ts: number;
}

export function messageSum(crypto: Digest, { sessionDbId, role, content, ts }: MessageFields): string {
  return checksumOf(crypto, sessionDbId, role, content, ts);
}

/** @param fields what of a run never changes: `id`, `session_id`, `origin`, `owner`, `options`, `accepted_at`, `retry_of` */
export function runSum(crypto: Digest, fields: RunFields): string {
  return checksumOf(crypto, ...fields);
}

type RunFields = [string, string, Origin, string, string, number, string | null];
const RUN_FIELDS = ["id", "session_id", "origin", "owner", "options", "accepted_at", "retry_of"] as const;

const StoredContent = once(() => z.array(Content()));

/** Said in place of a message whose row is not what was written. */
const DAMAGED = "This message is damaged on the disk.";

/** @returns undefined for what is no content */
export function parseContent(text: SqlRow[string] | undefined): Content[] | undefined {
  return StoredContent().safeParse(parseJson(String(text))).data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Damaged on the disk: nobody writes anything else into these columns.
    return undefined;
  }
}

/** @returns the message as clients see it; one that is damaged says so instead of what it is not */
export function toMessage(row: SqlRow, crypto: Digest): Message {
  const content = intactContent(row, crypto);
  const status = content
    ? CutStatus().safeParse(row["status"])
    : { success: true as const, data: "damaged" as const };
  const runId = row["run_id"];
  return {
    id: String(row["id"]),
    role: row["role"] === "user" ? "user" : "assistant",
    content: content ?? [{ type: "text", text: DAMAGED }],
    ts: Number(row["ts"]),
    ...(typeof runId === "string" && { runId }),
    ...(status.success && { status: status.data }),
  };
}

/** The parts of a message; undefined when its row is damaged. */
export function intactContent(row: SqlRow, crypto: Digest): Content[] | undefined {
  return isIntactMessage(row, crypto) ? parseContent(row["content"]) : undefined;
}

/** @param row a message's, with every field of its checksum */
export function isIntactMessage(row: SqlRow, crypto: Digest): boolean {
  const fields = [row["session_id"] ?? null, row["role"] ?? null, row["content"] ?? null, row["ts"] ?? null];
  return isIntact(crypto, String(row["checksum"]), ...fields);
}

/** One whose row is damaged has no options: what it says they are may be anything. */
export function toRun(row: SqlRow, crypto: Digest): StoredRun {
  const fields = RUN_FIELDS.map((name) => row[name] ?? null);
  const isWhole = isIntact(crypto, String(row["checksum"]), ...fields);
  const { started_at: startedAt, ended_at: endedAt, error, stopped_by: stoppedBy, retry_of: retryOf } = row;
  return {
    seq: Number(row["seq"]),
    id: String(row["id"]),
    sessionDbId: String(row["session_id"]),
    // Only the journal writes these columns, and only such values.
    origin: String(row["origin"]) as Origin,
    owner: String(row["owner"]),
    options: isWhole ? (JSON.parse(String(row["options"])) as RunOptions) : {},
    status: String(row["status"]) as RunStatus,
    acceptedAt: Number(row["accepted_at"]),
    ...(typeof startedAt === "number" && { startedAt }),
    ...(typeof endedAt === "number" && { endedAt }),
    ...(typeof error === "string" && toFailure(error)),
    ...(typeof stoppedBy === "string" && { stoppedBy }),
    ...(typeof retryOf === "string" && { retryOf }),
  };
}

function toFailure(text: string): { error: RunFailure } | undefined {
  const { data } = RunFailure().safeParse(parseJson(text));
  return data && { error: data };
}
