import { z } from "zod";
import { once } from "../../contract/define.ts";
import { isTooDeep } from "../../rpc/json.ts";
import { Content, type Message } from "../runs/contract.ts";
import type { TreePlace } from "./branches.ts";
import { isOriginalEntry, MOMENT_MAX_MS, toOriginalMessage, toTreePlace } from "./original-transcript.ts";
import { Label, ModelRef } from "./shapes.ts";
import type { StoredSession } from "./stored.ts";

/** A transcript's first line, as far as it is of use. */
export interface TranscriptHeader {
  readonly agentId?: string | undefined;
  readonly label?: string | undefined;
  readonly model?: string | undefined;
  readonly createdAtMs?: number | undefined;
  readonly isOriginal: boolean;
}

/** A message of a transcript. */
export interface TranscriptMessage {
  readonly role: Message["role"];
  readonly content: Content[];
  readonly ts: number;
  readonly status?: "aborted" | "error" | "interrupted" | undefined;
}

/** What a tool answered to a call of an earlier message. */
export interface ToolResult {
  readonly id: string;
  readonly text: string;
  readonly isError: boolean;
}

/** What a line is. `nothing`: true, and not for us. */
export type LineContent =
  | { readonly kind: "message"; readonly message: TranscriptMessage }
  | ({ readonly kind: "result" } & ToolResult)
  | { readonly kind: "nothing" }
  | { readonly kind: "bad"; readonly state: string };

export type TranscriptLine = LineContent & {
  /** It may be the beginning of one that was cut off. */
  readonly isTorn?: boolean;
  readonly place?: TreePlace | undefined;
};

const VERSION = 1;

/** A line that was begun, or what a power cut leaves in its place. */
const TORN = /^(?:\{|\0+$)/;

const Header = once(() =>
  z.object({
    type: z.literal("session"),
    version: z.int().optional(),
    agentId: z.string().optional().catch(undefined),
    label: Label().optional().catch(undefined),
    model: ModelRef().optional().catch(undefined),
    createdAtMs: z.int().min(0).optional().catch(undefined),
    timestamp: z.string().optional().catch(undefined),
    key: z.string().optional(),
  }),
);

const Line = once(() =>
  z.object({
    type: z.literal("message"),
    role: z.enum(["user", "assistant"]),
    ts: z.int().min(0).max(MOMENT_MAX_MS),
    content: z.array(Content()),
    status: z.enum(["aborted", "error", "interrupted"]).optional().catch(undefined),
  }),
);

export function headerLine(session: StoredSession): string {
  const { key, agentId, label, model, title, createdAtMs } = session;
  return JSON.stringify({
    type: "session",
    version: VERSION,
    key,
    agentId,
    label,
    model,
    title,
    createdAtMs,
  });
}

export function messageLine({ id, role, ts, status, content }: Message): string {
  return JSON.stringify({ type: "message", id, role, ts, status, content });
}

/** @returns what is wrong, in words, when the line is no header */
export function readHeader(line: string): TranscriptHeader | string {
  const value = parseJson(line);
  const parsed = Header().safeParse(value);
  if (!parsed.success) return "it is no transcript's header";
  const { version, key, timestamp, createdAtMs, agentId, label, model } = parsed.data;
  // The original's headers have no key, and versions of their own.
  if (key !== undefined && version !== VERSION) return `its version is ${version}, and not ${VERSION}`;
  const began = timestamp === undefined ? Number.NaN : Date.parse(timestamp);
  const beganMs = createdAtMs ?? (began >= 0 ? began : undefined);
  return { agentId, label, model, createdAtMs: beganMs, isOriginal: key === undefined };
}

export function readLine(line: string): TranscriptLine {
  if (isTooDeep(line)) return { kind: "bad", state: "it is nested too deep" };
  const value = parseJson(line);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { kind: "bad", state: "it is no JSON object", isTorn: value === undefined && TORN.test(line) };
  }
  return { ...toContent(value), place: toTreePlace(value) };
}

function toContent(value: object): LineContent {
  if (!("type" in value) || typeof value.type !== "string") return { kind: "bad", state: 'it has no "type"' };
  if (value.type !== "message") return { kind: "nothing" };
  if (isOriginalEntry(value)) return toOriginalMessage(value);
  const parsed = Line().safeParse(value);
  if (!parsed.success) return { kind: "bad", state: sentenceOf(parsed.error) };
  const { role, ts, content, status } = parsed.data;
  const parts = content.map(withoutImage);
  return parts.length === 0
    ? { kind: "nothing" }
    : { kind: "message", message: { role, ts, content: parts, status } };
}

/** A transcript has no pictures: only that there was one. */
function withoutImage(part: Content): Content {
  return part.type === "image" ? { type: "text", text: "[a picture]" } : part;
}

function sentenceOf({ issues: [issue] }: z.ZodError): string {
  const where = issue?.path.join(".") ?? "";
  return `its "${where}" is not a message's`;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // The caller says what it wanted instead.
    return undefined;
  }
}
