import type { Timers } from "../ports.ts";
import { anthropicHeaders, anthropicRoot } from "./anthropic.ts";
import type { Endpoint } from "./endpoint.ts";
import { type FetchLike, readStart } from "./exchange.ts";
import { connectionState } from "./failures.ts";
import { isCount, record, text } from "./values.ts";

/** A model as its own server lists it. */
export type ListedModel = {
  readonly id: string;
  readonly name?: string;
  readonly contextWindow?: number;
};

export type ListOptions = {
  readonly fetch: FetchLike;
  readonly timers: Timers;
  readonly modelsMax: number;
};

/** A person waits for the list. */
const DEADLINE_MS = 5_000;

/** Some thousand models with all that is told of them; a longer list is cut, and then it is none. */
const LIST_BYTES_MAX = 4 * 1024 * 1024;

/** References are at most 200 characters, and shown to people. */
const NAME_CHARS_MAX = 200;

/** What chats with nobody; nothing else in most lists tells them apart. */
const NO_CHAT = /embed|whisper|\btts\b|dall-e|gpt-image|moderation|transcribe|rerank|\bsora\b/i;

/**
 * The models a server lists, in its order.
 *
 * @throws Error with words for people
 */
export async function listAt(
  { api, endpoint }: { readonly api: string; readonly endpoint: Endpoint },
  options: ListOptions,
): Promise<readonly ListedModel[]> {
  const { baseUrl, apiKey } = endpoint;
  const isAnthropic = api === "anthropic-messages";
  const url = isAnthropic
    ? `${anthropicRoot(baseUrl)}/v1/models?limit=1000`
    : `${baseUrl.replace(/\/+$/, "")}/models`;
  const headers = isAnthropic
    ? anthropicHeaders(apiKey)
    : { ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }) };
  const { data } = record(parse(await get(url, headers, options)));
  if (!Array.isArray(data)) throw new ListError(url, "it sent no list");
  return data.flatMap((entry) => toListed(record(entry))).slice(0, options.modelsMax);
}

class ListError extends Error {
  override readonly name = "ListError";

  constructor(url: string, state: string) {
    super(`Cannot list models of ${new URL(url).host}: ${state}`);
  }
}

function toListed(entry: Record<string, unknown>): ListedModel[] {
  const id = text(entry["id"]);
  if (id === "" || id.length > NAME_CHARS_MAX || /[\s\p{C}]/u.test(id) || NO_CHAT.test(id)) return [];
  const name = (text(entry["display_name"]) || text(entry["name"])).replace(/[\s\p{C}]+/gu, " ").trim();
  // OpenRouter, Groq, vLLM and Anthropic each have their own name for it.
  const contextWindow = ["context_length", "context_window", "max_model_len", "max_input_tokens"]
    .map((field) => entry[field])
    .find((value) => isCount(value) && value > 0);
  return [
    {
      id,
      ...(name !== "" && name.length <= NAME_CHARS_MAX && { name }),
      ...(isCount(contextWindow) && { contextWindow }),
    },
  ];
}

async function get(
  url: string,
  headers: Readonly<Record<string, string>>,
  { fetch, timers }: ListOptions,
): Promise<string> {
  const late = new AbortController();
  const stop = timers.after(DEADLINE_MS, () => late.abort());
  try {
    // Redirects are not followed: a key goes to the host it was configured for and to no other.
    const init = { headers: { ...headers, accept: "application/json" }, signal: late.signal };
    const response = await fetch(url, { ...init, redirect: "manual" });
    const { status, ok } = response;
    if (status === 401 || status === 403) throw new ListError(url, "it refused the API key");
    if (!ok) throw new ListError(url, `it answered ${status}`);
    return await readStart(response.body, LIST_BYTES_MAX);
  } catch (error) {
    if (late.signal.aborted) throw new ListError(url, `no answer within ${DEADLINE_MS / 1_000} s`);
    if (error instanceof ListError) throw error;
    throw new ListError(url, connectionState(error, new URL(url).host));
  } finally {
    stop();
    late.abort();
  }
}

function parse(said: string): unknown {
  try {
    return JSON.parse(said);
  } catch {
    // Then it is no list, which is what the caller says.
    return undefined;
  }
}
