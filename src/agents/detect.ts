import type { Timers } from "../ports.ts";
import { isObject } from "../rpc/json.ts";
import { ECHO_MODEL } from "./echo.ts";
import { type FetchLike, readStart } from "./exchange.ts";

/** What the gateway answers with when nobody configured a model, and the sentence that says so at start. */
export type DetectedModel = { readonly model: string; readonly line: string };

export type DetectOptions = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fetch: FetchLike;
  readonly timers: Timers;
  /** Ollama's address; without it what `OLLAMA_HOST` says, or Ollama's usual place. */
  readonly ollamaUrl?: string;
};

/** A running Ollama answers its list in a few ms; nobody should wait long for one that is not there. */
const DEADLINE_MS = 500;

/** A list of some thousand models; more is no Ollama. */
const LIST_BYTES_MAX = 4 * 1024 * 1024;

/** As long as references may be. */
const NAME_CHARS_MAX = 180;

/** Small, cheap and able: what a key alone gets. */
const OPENAI_MODEL = "openai/gpt-5-mini";
const ANTHROPIC_MODEL = "anthropic/claude-haiku-5-5";

const OLLAMA_PORT = "11434";

/** Looks once, at the first call: Ollama on this machine, a key of OpenAI or Anthropic, then the echo. */
export function createDetector(options: DetectOptions): () => Promise<DetectedModel> {
  let found: Promise<DetectedModel> | undefined;
  return () => (found ??= detectModel(options));
}

async function detectModel(options: DetectOptions): Promise<DetectedModel> {
  const url = options.ollamaUrl ?? ollamaUrl(options.env);
  const { host } = new URL(url);
  const models = await listOllamaModels(url, options);
  const [newest] = models ?? [];
  if (models !== undefined && newest !== undefined) {
    const count = models.length === 1 ? "1 model" : `${models.length} models`;
    return {
      model: `ollama/${newest}`,
      line: `Found Ollama with ${count} at ${host}: using ollama/${newest}`,
    };
  }
  const ollama = models === undefined ? `no Ollama at ${host}` : `no chat model in Ollama at ${host}`;
  if (openaiKey(options.env) !== undefined) {
    return { model: OPENAI_MODEL, line: `Found OPENAI_API_KEY and ${ollama}: using ${OPENAI_MODEL}` };
  }
  if (anthropicKey(options.env) !== undefined) {
    return {
      model: ANTHROPIC_MODEL,
      line: `Found ANTHROPIC_API_KEY and ${ollama}: using ${ANTHROPIC_MODEL}`,
    };
  }
  const hint = "set agents.defaults.model, or start Ollama or set one of the keys before the next start";
  return {
    model: ECHO_MODEL,
    line:
      `No model configured, no OPENAI_API_KEY, no ANTHROPIC_API_KEY and ${ollama}: ` +
      `answering with the built-in echo; ${hint}`,
  };
}

/** The key of OpenAI in the environment; a blank one is none. */
export function openaiKey(env: DetectOptions["env"]): string | undefined {
  return env["OPENAI_API_KEY"]?.trim() || undefined;
}

/** The key of Anthropic in the environment; a blank one is none. */
export function anthropicKey(env: DetectOptions["env"]): string | undefined {
  return env["ANTHROPIC_API_KEY"]?.trim() || undefined;
}

/**
 * Where Ollama listens. `OLLAMA_HOST` is read as Ollama's own client reads it: scheme and port may be
 * missing, and an address to listen on everywhere means this machine.
 */
export function ollamaUrl(env: DetectOptions["env"]): string {
  const said = env["OLLAMA_HOST"]?.trim() ?? "";
  const [, scheme = "http", rest = ""] = /^(?:(https?):\/\/)?([^/\s@?#]*)(?=[/?#]|$)/i.exec(said) ?? [];
  const [, name = "", port] = /^(.*?)(?::(\d{1,5}))?$/.exec(rest) ?? [];
  const host = name === "" || name === "0.0.0.0" || name === "[::]" ? "127.0.0.1" : name;
  const usual = !said.includes("://") ? OLLAMA_PORT : scheme === "https" ? "443" : "80";
  const url = `${scheme}://${host}:${port ?? usual}`;
  return URL.canParse(url) ? new URL(url).origin : `http://127.0.0.1:${OLLAMA_PORT}`;
}

/** Names of the models that can chat, the last changed first; undefined when no Ollama answers in time. */
async function listOllamaModels(
  url: string,
  { fetch, timers }: DetectOptions,
): Promise<string[] | undefined> {
  const late = new AbortController();
  const stop = timers.after(DEADLINE_MS, () => late.abort());
  try {
    const response = await fetch(`${url}/api/tags`, { signal: late.signal, redirect: "manual" });
    const list = await readStart(response.body, LIST_BYTES_MAX);
    return response.ok ? chatModels(JSON.parse(list)) : undefined;
  } catch {
    // Refused, late or not JSON: each is "no Ollama here", and the line printed says so.
    return undefined;
  } finally {
    stop();
    late.abort();
  }
}

type Listed = { readonly name: string; readonly changedAtMs: number };

function chatModels(answer: unknown): string[] | undefined {
  if (!isObject(answer) || !Array.isArray(answer["models"])) return undefined;
  const models = answer["models"].map(toListed).filter((model) => model !== undefined);
  models.sort((a, b) => b.changedAtMs - a.changedAtMs || (a.name < b.name ? -1 : 1));
  return models.map((model) => model.name);
}

function toListed(entry: unknown): Listed | undefined {
  if (!isObject(entry)) return undefined;
  const { name, modified_at: modifiedAt, details } = entry;
  if (typeof name !== "string" || name === "" || name.length > NAME_CHARS_MAX) return undefined;
  if (/[\s\p{C}]/u.test(name)) return undefined;
  // Models that only make embeddings refuse to chat, and nothing else in the list tells them apart.
  const family = isObject(details) ? details["family"] : undefined;
  if (/embed/i.test(name) || (typeof family === "string" && /bert/i.test(family))) return undefined;
  const changedAtMs = typeof modifiedAt === "string" ? Date.parse(modifiedAt) : 0;
  return { name: name.replace(/:latest$/, ""), changedAtMs: Number.isNaN(changedAtMs) ? 0 : changedAtMs };
}
