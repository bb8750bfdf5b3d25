// What the protocol says about a frame, read from its page and not from the code under test.
import { ERROR_CODES, ERRORS } from "../../src/contract/errors.ts";
import { LIMITS } from "../../src/contract/limits.ts";
import type { Dialect } from "./corpus.ts";
import type { FrameData } from "./mutate.ts";

type Json = Record<string, unknown>;

export interface Request {
  readonly method: string;
  readonly params: unknown;
}

/** What is owed for one frame of a client. */
export interface Debt {
  /** The ids to be answered, as JSON; those of a batch together in one answer. None for notifications. */
  readonly ids: readonly string[];
  readonly isBatch: boolean;
  /** False counts towards the end of the connection. */
  readonly isJson: boolean;
  /** The connection's dialect from here on. */
  readonly dialect: Dialect | undefined;
  /** The requests that were understood. */
  readonly requests: readonly Request[];
}

const RESERVED = ["__proto__", "constructor", "prototype"];

/** @param dialect of the connection, undefined before its first readable frame */
export function debtOf(text: string, dialect: Dialect | undefined): Debt {
  const none = { isBatch: false, isJson: true, dialect, requests: [] };
  const unread = dialect === "frames" ? '"invalid"' : "null";
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Not JSON, which is what was asked.
    return { ...none, isJson: false, ids: [unread] };
  }
  // No reserved key without one of these, and the walk takes long.
  const mayHaveReserved = /proto|constr|\\u/.test(text);
  if (depthOf(text) > LIMITS.jsonDepthMax || (mayHaveReserved && hasReservedKey(value)))
    return { ...none, ids: [unread] };
  const spoken = dialect ?? dialectOf(value);
  const isBatch =
    spoken === "jsonrpc" && Array.isArray(value) && value.length > 0 && value.length <= LIMITS.batchMax;
  const items = isBatch ? (value as unknown[]) : [value];
  const read = items.map((item) => readRequest(item, spoken));
  return {
    isBatch,
    isJson: true,
    dialect: spoken,
    ids: read.flatMap(({ id }) => (id === undefined ? [] : [JSON.stringify(id)])),
    requests: read.flatMap(({ request }) => request ?? []),
  };
}

/** The text of a frame as the server reads it. */
export function textOf(data: FrameData): string {
  return typeof data === "string" ? data : new TextDecoder().decode(data);
}

/** @source PROTOCOL §2 */
function dialectOf(first: unknown): Dialect {
  if (Array.isArray(first)) return "jsonrpc";
  if (!isObject(first)) return "plain";
  if (Object.hasOwn(first, "jsonrpc")) return "jsonrpc";
  return Object.hasOwn(first, "type") ? "frames" : "plain";
}

/** @returns the id to answer by, undefined for none; and the request, if it was understood */
function readRequest(value: unknown, dialect: Dialect): { id?: unknown; request?: Request } {
  const unread = { id: dialect === "frames" ? "invalid" : null };
  if (!isObject(value)) return unread;
  const { id, method, params } = value;
  const isId =
    typeof id === "string"
      ? id.length > 0 && id.length <= LIMITS.idCharsMax
      : typeof id === "number" && Number.isFinite(id);
  if (dialect === "frames") return isId ? { id } : unread;
  if (typeof method !== "string" || method === "") return isId ? { id } : unread;
  const request = { method, params };
  if (dialect === "plain") {
    if (!isId) return unread;
    const isWhole = Object.keys(value).every((key) => key === "id" || key === "method" || key === "params");
    const isRead = isWhole && (params === undefined || isObject(params));
    return isRead ? { id, request } : { id };
  }
  const isRead =
    value["jsonrpc"] === "2.0" && (params === undefined || (typeof params === "object" && params !== null));
  if (id === undefined) return isRead ? { request } : unread;
  if (!isId) return id === null && isRead ? { id: null, request } : unread;
  return isRead ? { id, request } : { id };
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const [BACKSLASH, QUOTE] = [0x5c, 0x22];
const OPENING: readonly number[] = [0x5b, 0x7b];
const CLOSING: readonly number[] = [0x5d, 0x7d];

function depthOf(text: string): number {
  if (text.length <= LIMITS.jsonDepthMax) return 0;
  let depth = 0;
  let deepest = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isQuoted && code === BACKSLASH) at++;
    else if (code === QUOTE) isQuoted = !isQuoted;
    else if (!isQuoted && OPENING.includes(code)) deepest = Math.max(deepest, ++depth);
    else if (!isQuoted && CLOSING.includes(code)) depth--;
  }
  return deepest;
}

function hasReservedKey(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, inner]) => {
    const isReserved = !Array.isArray(value) && RESERVED.includes(key);
    return isReserved || hasReservedKey(inner);
  });
}

// --- what comes back ---

/** One frame of the server. */
export interface Answer {
  readonly kind: "event" | "reply" | "batch";
  readonly dialect: Dialect | "challenge";
  /** Ids of what was answered, as JSON. */
  readonly ids: readonly string[];
  /** Codes of the errors in it. */
  readonly codes: readonly string[];
}

/** Errors quote what they are about; they do not send it back whole. */
const ERROR_CHARS_MAX = 6_000;

/** Reads a frame of the server. @throws Error naming what is wrong with it */
export function readAnswer(text: string): Answer {
  if (!text.isWellFormed()) throw new Error("a lone surrogate");
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) return readOne(value, text.length);
  if (value.length === 0) throw new Error("an empty batch");
  const answers = value.map((item) => readOne(item, JSON.stringify(item).length));
  if (answers.some(({ kind, dialect }) => kind !== "reply" || dialect !== "jsonrpc"))
    throw new Error("a batch of other things than replies");
  return {
    kind: "batch",
    dialect: "jsonrpc",
    ids: answers.flatMap(({ ids }) => ids),
    codes: answers.flatMap(({ codes }) => codes),
  };
}

function readOne(value: unknown, chars: number): Answer {
  if (!isObject(value)) throw new Error("not an object");
  const dialect = "jsonrpc" in value ? "jsonrpc" : "type" in value ? "frames" : "plain";
  const name = dialect === "jsonrpc" ? value["method"] : value["event"];
  if (name !== undefined) {
    if (typeof name !== "string") throw new Error("an event without a name");
    if (name === "connect.challenge") return { kind: "event", dialect: "challenge", ids: [], codes: [] };
    const { seq } = dialect === "jsonrpc" ? (value["params"] as Json) : value;
    if (typeof seq !== "number") throw new Error("an event without a number");
    return { kind: "event", dialect, ids: [], codes: [] };
  }
  const { id, error } = value;
  if (id === undefined) throw new Error("neither an event nor a reply");
  const keys = Object.keys(value).sort().join();
  if (!SHAPES[dialect].includes(keys)) throw new Error(`a reply with the keys ${keys}`);
  if (error === undefined) return { kind: "reply", dialect, ids: [JSON.stringify(id)], codes: [] };
  if (chars > ERROR_CHARS_MAX) throw new Error(`an error of ${chars} characters`);
  return { kind: "reply", dialect, ids: [JSON.stringify(id)], codes: [readError(error, dialect)] };
}

const SHAPES: Readonly<Record<Dialect, readonly string[]>> = {
  plain: ["id,result", "error,id"],
  jsonrpc: ["id,jsonrpc,result", "error,id,jsonrpc"],
  frames: ["id,ok,payload,type", "error,id,ok,type"],
};

function readError(error: unknown, dialect: Dialect): string {
  if (!isObject(error)) throw new Error("an error that is no object");
  const data = dialect === "frames" ? { code: error["code"] } : error["data"];
  if (!isObject(data)) throw new Error("an error without data");
  const code = ERROR_CODES.find((known) => known === data["code"]);
  if (code === undefined) throw new Error(`an error of the code ${JSON.stringify(data["code"])}`);
  const row = ERRORS[code];
  if (error["code"] !== (dialect === "jsonrpc" ? row.jsonrpc : code))
    throw new Error("two codes that differ");
  if (dialect !== "frames" && data["retry"] !== row.retry) throw new Error(`"retry" of ${code} differs`);
  const { message } = error;
  if (typeof message !== "string" || !message.startsWith("Cannot "))
    throw new Error("a message of another form");
  return code;
}
