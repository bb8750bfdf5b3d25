import { nearest } from "../config/nearest.ts";
import { RpcError } from "../contract/errors.ts";
import { ollamaUrl, openaiKey } from "./detect.ts";
import { ECHO_MODEL } from "./echo.ts";
import type { OpenAiEndpoint } from "./openai.ts";

/** One entry of `models.providers`. */
export type ProviderConfig = {
  readonly baseUrl?: string | undefined;
  readonly apiKey?: string | undefined;
  readonly api?: string | undefined;
};

/** What the agents read of the configuration. */
export type AgentsConfigView = {
  readonly models?: { readonly providers?: Readonly<Record<string, ProviderConfig>> };
};

export type Env = Readonly<Record<string, string | undefined>>;

const BUILT_IN = ["echo", "ollama", "openai"] as const;
const OPENAI_URL = "https://api.openai.com/v1";
const API = "openai-completions";

/** Names in the error about an unknown provider. */
const NAMES_SHOWN_MAX = 8;

/** Only the first slash separates: model names have slashes of their own. */
export function splitModel(ref: string): { readonly provider: string; readonly model: string } {
  const slash = ref.indexOf("/");
  if (slash > 0 && slash < ref.length - 1)
    return { provider: ref.slice(0, slash), model: ref.slice(slash + 1) };
  throw new RpcError(
    "not_found",
    `Cannot open model "${ref}": not of the form provider/model, such as ${ECHO_MODEL}`,
  );
}

/**
 * The server behind a model reference, by the configuration and what the built-in providers know.
 *
 * @throws RpcError `not_found` for an unknown provider, `invalid_request` for one that cannot work so
 */
export function toEndpoint(ref: string, config: AgentsConfigView, env: Env): OpenAiEndpoint {
  const { provider } = splitModel(ref);
  const providers = config.models?.providers ?? {};
  const configured = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  const fail = failure(ref);
  if (!configured && provider !== "ollama" && provider !== "openai") {
    throw fail("not_found", `no provider "${provider}"; ${suggestion(provider, Object.keys(providers))}`);
  }
  const key = `models.providers.${provider}`;
  const { baseUrl, apiKey, api = API } = withDefaults(provider, configured ?? {}, env);
  if (api !== API) throw fail("invalid_request", `${key}.api is "${api}", supported is "${API}"`);
  if (!baseUrl) throw fail("invalid_request", `${key}.baseUrl is not set`);
  if (!isHttpUrl(baseUrl)) {
    throw fail(
      "invalid_request",
      `${key}.baseUrl is not an http or https address without user name and password`,
    );
  }
  if (!apiKey) {
    // OpenAI's own server answers nobody without a key: say so before asking it.
    if (baseUrl === OPENAI_URL) throw fail("not_found", `no API key; set OPENAI_API_KEY or ${key}.apiKey`);
    return { provider, baseUrl };
  }
  // The library's error for such a header would hold the key.
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    throw fail("invalid_request", "its API key has characters that no key has");
  return { provider, baseUrl, apiKey };
}

/** Blank is unset. The environment's key goes to OpenAI or the environment's address, to no other. */
function withDefaults(provider: string, configured: ProviderConfig, env: Env): ProviderConfig {
  const { api } = configured;
  const baseUrl = configured.baseUrl?.trim() || undefined;
  const apiKey = configured.apiKey?.trim() || undefined;
  if (provider === "ollama") return { api, apiKey, baseUrl: baseUrl ?? `${ollamaUrl(env)}/v1` };
  if (provider !== "openai") return { api, apiKey, baseUrl };
  const usual = env["OPENAI_BASE_URL"]?.trim() || OPENAI_URL;
  const isOurs = baseUrl === undefined || baseUrl === usual || baseUrl === OPENAI_URL;
  return { api, apiKey: apiKey ?? (isOurs ? openaiKey(env) : undefined), baseUrl: baseUrl ?? usual };
}

function suggestion(provider: string, configured: readonly string[]): string {
  const names = [...new Set([...configured, ...BUILT_IN])];
  const near = nearest(provider, names);
  if (near !== undefined) return `did you mean "${near}"?`;
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(", ");
  return `there is ${shown}${names.length > NAMES_SHOWN_MAX ? " and more" : ""}`;
}

function failure(ref: string): (code: "not_found" | "invalid_request", state: string) => RpcError {
  return (code, state) => new RpcError(code, `Cannot open model "${ref}": ${state}`);
}

function isHttpUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return /^https?:$/.test(url?.protocol ?? "") && url?.username === "" && url.password === "";
}
