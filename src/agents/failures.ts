import { type ErrorCode, RpcError } from "../contract/errors.ts";
import type { Clock } from "../ports.ts";
import { AnswerTooLarge } from "./answer.ts";
import { type Exchange, type ExchangeFault, retryAfterMs } from "./exchange.ts";

/** Characters of a server's own words in our message: its point comes first. */
const WORDS_CHARS_MAX = 300;

/** What to wait after a 429 that does not say: limits are counted by the second or the minute. */
const BUSY_MS = 5_000;

/** No server may send us away for longer than a day. */
const BUSY_MS_MAX = 24 * 60 * 60_000;

/** Who was asked, as error messages name it. */
export type Target = {
  /** `provider/model` */
  readonly model: string;
  /** Host and port of the base URL; never its user part, path or query. */
  readonly host: string;
  /** Never shown, wherever the server repeats it. */
  readonly apiKey: string | undefined;
};

/** The error of an exchange that we ended, or that ended without an answer. */
export function toFault(
  fault: ExchangeFault | "cut_off" | "not_a_stream",
  to: Target,
  contentType = "",
): RpcError {
  const state = {
    silent: `${to.host} went silent`,
    endless_event: `${to.host} sent an event without an end`,
    wordless: `${to.host} goes on sending without saying anything`,
    cut_off: "the stream was cut off",
    not_a_stream: `${to.host} sent ${readable(hideSecrets(contentType, to.apiKey)) || "no type"}, not an event stream; check baseUrl`,
  }[fault];
  return fail(to, "unavailable", { state });
}

/** The libraries end a stream without a word when its request is aborted or its connection closed. */
export function toEarlyEnd(exchange: Exchange, isEmpty: boolean, target: Target): RpcError {
  if (exchange.fault !== undefined) return toFault(exchange.fault, target);
  const isStream = exchange.contentType === "text/event-stream" || !isEmpty;
  return toFault(isStream ? "cut_off" : "not_a_stream", target, exchange.contentType);
}

/** Says in our words why no stream was opened. */
export function toRpcError(error: unknown, to: Target, clock: Clock): RpcError {
  const { status, headers } = fields(error);
  if (typeof status === "number") return fromStatus(error, to, { status, waitMs: waitOf(headers, clock) });
  return fail(to, "unavailable", { state: connectionState(error, to.host) });
}

/** Says in our words what ended an open stream: an error event, our bounds, or a lost connection. */
export function toStreamError(error: unknown, to: Target): RpcError {
  if (error instanceof AnswerTooLarge) return fail(to, "unavailable", { state: error.message });
  const said = serverError(error);
  if (said === undefined) return toFault("cut_off", to);
  // Such an error has no status; OpenRouter puts one into its code, Anthropic names its type.
  const status = Number(said["code"]) || STATUS_OF_TYPE[String(said["type"])];
  if (status !== undefined && status >= 400 && status < 600) return fromStatus(error, to, { status });
  if (OVERFLOW.test(rawWords(error))) return tooLarge(error, to, {});
  return fail(to, "unavailable", { state: `${to.host} broke off${wordsOf(error, to)}` });
}

/** How servers word a conversation that is longer than the model's window. */
const OVERFLOW = new RegExp(
  [
    "context_length_exceeded|exceed_context_size|model_context_window_exceeded|string_above_max_length",
    "maximum (?:context|prompt|model) length|max(?:imum)? context|context (?:length|window|size|limit)",
    "too many (?:input )?tokens|prompt (?:is )?too long|input is too long|input token count",
    "reduce the length of the (?:messages|prompt|input)|too large for model|request_too_large",
  ].join("|"),
  "i",
);

/** How servers say that a model, or they themselves as they were started, can use no tools. */
const NO_TOOLS = new RegExp(
  [
    "does not support (?:tools|tool use|tool calling|function calling)|no endpoints found that support tool use",
    "tool[ _`-]*(?:use|call(?:ing|s)?)[`]? (?:is|are) not supported|tools? (?:is|are) not supported",
    "requires --enable-auto-tool-choice|tools? param requires --jinja",
  ].join("|"),
  "i",
);

/** The model cannot be offered tools. */
export function refusesTools(error: unknown): boolean {
  const { status } = fields(error);
  const isRefused = status === 400 || status === 404 || status === 422 || status === 500 || status === 501;
  return isRefused && NO_TOOLS.test(rawWords(error));
}

/** The server takes no `stream_options`: an old one, or a strict one. */
export function refusesStreamOptions(error: unknown): boolean {
  const { status, message } = fields(error);
  return (
    (status === 400 || status === 422) && typeof message === "string" && message.includes("stream_options")
  );
}

/** @source Anthropic's API: the statuses of its error types */
const STATUS_OF_TYPE: Readonly<Record<string, number | undefined>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

type Reply = { readonly status: number; readonly waitMs?: number | undefined };

function fromStatus(error: unknown, to: Target, reply: Reply): RpcError {
  const { status, waitMs } = reply;
  const words = wordsOf(error, to);
  if (status === 401) return fail(to, "forbidden", { ...reply, state: `${to.host} refused the API key` });
  if (status === 402 || status === 403) {
    return fail(to, "forbidden", { ...reply, state: `${to.host} refused access${words}` });
  }
  if (status === 404) {
    const isJson = serverError(error) !== undefined;
    const state = isJson ? `${to.host} does not have it${words}` : `${to.host} answered 404; check baseUrl`;
    return fail(to, "not_found", { ...reply, state });
  }
  if (status === 429 || status === 529) {
    const state = `${to.host} asks to wait${words}`;
    return fail(to, "busy", { status, waitMs: waitMs ?? BUSY_MS, state });
  }
  if (status >= 300 && status < 400) {
    const state = `${to.host} answered ${status}, a redirect; set baseUrl to its target`;
    return fail(to, "unavailable", { ...reply, state });
  }
  if (status === 413) return tooLarge(error, to, reply);
  if ((status === 400 || status === 422) && OVERFLOW.test(rawWords(error))) return tooLarge(error, to, reply);
  const isRefused = status < 500 && status !== 408 && status !== 409;
  const state = `${to.host} answered ${status}${words}`;
  return fail(to, isRefused ? "invalid_request" : "unavailable", { ...reply, state });
}

function tooLarge(error: unknown, to: Target, reply: Partial<Reply>): RpcError {
  const state = `the conversation is longer than it can read${wordsOf(error, to)}`;
  return fail(to, "too_large", { ...reply, state });
}

function fail(
  to: Target,
  code: ErrorCode,
  { state, status, waitMs }: Partial<Reply> & { state: string },
): RpcError {
  return new RpcError(code, `Cannot use model "${to.model}": ${state}`, {
    details: { model: to.model, ...(status !== undefined && { status }) },
    ...(waitMs !== undefined && { retryAfterMs: waitMs }),
  });
}

function waitOf(headers: unknown, clock: Clock): number | undefined {
  if (!(headers instanceof Headers)) return undefined;
  const waitMs = retryAfterMs(headers, clock);
  return waitMs === undefined ? undefined : Math.min(waitMs, BUSY_MS_MAX);
}

/** Runtimes word a failed connection each in their own way; the cause holds the code, if any. */
export function connectionState(error: unknown, host: string): string {
  let said = "";
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    const { code } = fields(at);
    said += ` ${at.message} ${typeof code === "string" ? code : ""}`;
  }
  if (/refused/i.test(said)) return `${host} refused the connection; is it running?`;
  if (/ENOTFOUND|EAI_AGAIN|dns error|lookup/i.test(said))
    return `${host} is not a host this machine can find`;
  if (/certificate|self.signed/i.test(said)) return `the certificate of ${host} cannot be verified`;
  if (/timed? ?out/i.test(said)) return `${host} did not answer in time`;
  return `${host} cannot be reached`;
}

/** `: MESSAGE` as the server put it, or nothing. */
function wordsOf(error: unknown, to: Target): string {
  const said = serverError(error)?.["message"];
  const words = typeof said === "string" ? readable(hideSecrets(said, to.apiKey)) : "";
  if (words === "") return "";
  if (words.length <= WORDS_CHARS_MAX) return `: ${words}`;
  return `: ${words.slice(0, WORDS_CHARS_MAX - 1).toWellFormed()}…`;
}

/** The `error` object of the server's answer, which one library keeps as it is and the other with its frame. */
function serverError(error: unknown): Record<string, unknown> | undefined {
  const said = fields(error)["error"];
  if (typeof said === "string") return { message: said };
  if (typeof said !== "object" || said === null) return undefined;
  const inner = fields(said)["error"];
  return typeof inner === "object" && inner !== null ? fields(inner) : fields(said);
}

/** All that the server said about itself, to look for known words; never shown. */
function rawWords(error: unknown): string {
  const said = serverError(error) ?? {};
  return [fields(error)["message"], said["message"], said["code"], said["type"]]
    .filter((word) => typeof word === "string")
    .join(" ");
}

/** Our key, and whatever looks like one: servers repeat credentials, whole or starred out. */
function hideSecrets(words: string, apiKey: string | undefined): string {
  const ours = apiKey === undefined ? words : words.replaceAll(apiKey, "***");
  return ours
    .replace(/\bBearer\s+\S+/gi, "Bearer ***")
    .replace(/\b(?:sk|pk|rk|gsk|xai|or)-[\w*-]{6,}/gi, "***");
}

/** One line without control or direction characters. */
function readable(words: string): string {
  return words
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim()
    .replace(/\.$/, "");
}

function fields(error: unknown): Record<string, unknown> {
  return typeof error === "object" && error !== null ? (error as Record<string, unknown>) : {};
}
