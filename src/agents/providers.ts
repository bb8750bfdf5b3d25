import { nearest } from "../config/nearest.ts";
import { RpcError } from "../contract/errors.ts";
import { anthropicKey, ollamaUrl, openaiKey } from "./detect.ts";
import { ECHO_MODEL } from "./echo.ts";
import type { Endpoint } from "./endpoint.ts";

/** One entry of `models.providers.NAME.models`. */
export type ModelConfig = {
  readonly id: string;
  readonly name?: string | undefined;
  readonly contextWindow?: number | undefined;
  readonly maxTokens?: number | undefined;
  readonly reasoning?: boolean | undefined;
  readonly input?: readonly string[] | undefined;
  readonly cost?: ModelCost | undefined;
};

/** USD per million tokens. */
export type ModelCost = {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
};

/** One entry of `models.providers`. */
export type ProviderConfig = {
  readonly baseUrl?: string | undefined;
  readonly apiKey?: string | undefined;
  readonly api?: string | undefined;
  readonly command?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly models?: readonly ModelConfig[] | undefined;
};

/** What the agents read of the configuration. */
export type AgentsConfigView = {
  readonly models?: { readonly providers?: Readonly<Record<string, ProviderConfig>> };
};

export type Env = Readonly<Record<string, string | undefined>>;

/** A program that speaks ACP. */
export type AcpProvider = {
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
};

/** What is behind a model reference. */
export type Backend =
  | { readonly api: "openai-completions" | "anthropic-messages"; readonly endpoint: Endpoint }
  | { readonly api: "acp"; readonly program: AcpProvider };

/** Providers that need no configuration. */
export const BUILT_IN = ["anthropic", "echo", "ollama", "openai"] as const;

/** Of an agent that is a program, the model that it takes itself. */
export const PROGRAM_MODEL = "default";

const APIS = ["openai-completions", "anthropic-messages", "acp"];
const OPENAI_URL = "https://api.openai.com/v1";
const ANTHROPIC_URL = "https://api.anthropic.com";

/** Names in the error about an unknown provider. */
const NAMES_SHOWN_MAX = 8;

/** Only the first slash separates: model names have slashes of their own. */
export function partsOf(ref: string): { readonly provider: string; readonly model: string } | undefined {
  const slash = ref.indexOf("/");
  if (slash < 1 || slash === ref.length - 1) return undefined;
  return { provider: ref.slice(0, slash), model: ref.slice(slash + 1) };
}

/** @throws RpcError `not_found` for what is no model reference */
export function splitModel(ref: string): { readonly provider: string; readonly model: string } {
  const parts = partsOf(ref);
  if (parts !== undefined) return parts;
  throw new RpcError(
    "not_found",
    `Cannot open model "${ref}": not of the form provider/model, such as ${ECHO_MODEL}`,
  );
}

export function providerConfig(name: string, config: AgentsConfigView): ProviderConfig | undefined {
  const providers = config.models?.providers ?? {};
  return Object.hasOwn(providers, name) ? providers[name] : undefined;
}

/** Is there a provider by this name, configured or built in? */
export function isProvider(name: string, config: AgentsConfigView): boolean {
  return providerConfig(name, config) !== undefined || BUILT_IN.some((known) => known === name);
}

/** What the configuration says of one model, if anything. */
export function modelConfig(ref: string, config: AgentsConfigView): ModelConfig | undefined {
  const parts = partsOf(ref);
  if (parts === undefined) return undefined;
  return providerConfig(parts.provider, config)?.models?.find(({ id }) => id === parts.model);
}

/**
 * What is behind a model reference, by the configuration and what the built-in providers know.
 *
 * @throws RpcError `not_found` for an unknown provider, `invalid_request` for one that cannot work so
 */
export function toBackend(ref: string, config: AgentsConfigView, env: Env): Backend {
  return toProvider(splitModel(ref).provider, { config, env, doing: `open model "${ref}"` });
}

/** The same for all models of a provider; errors say what could not be done. */
export function toProvider(
  provider: string,
  { config, env, doing }: { readonly config: AgentsConfigView; readonly env: Env; readonly doing: string },
): Backend {
  const configured = providerConfig(provider, config);
  const fail: Fail = (code, state) => new RpcError(code, `Cannot ${doing}: ${state}`);
  if (!configured && !BUILT_IN.some((name) => name === provider)) {
    const names = Object.keys(config.models?.providers ?? {});
    throw fail("not_found", `no provider "${provider}"; ${suggestion(provider, names)}`);
  }
  const key = `models.providers.${provider}`;
  const given = withDefaults(provider, configured ?? {}, env);
  const { api } = given;
  if (api === "acp") return { api, program: toProgram(given, key, fail) };
  if (api !== "openai-completions" && api !== "anthropic-messages") {
    const supported = APIS.map((name) => `"${name}"`).join(", ");
    throw fail("invalid_request", `${key}.api is "${api}", supported is ${supported}`);
  }
  return { api, endpoint: { provider, ...toAddress(given, key, fail) } };
}

type Given = ProviderConfig & { readonly api: string; readonly keyVariable?: string };
type Fail = (code: "not_found" | "invalid_request", state: string) => RpcError;

function toProgram({ command = [], env = {} }: Given, key: string, fail: Fail): AcpProvider {
  const [program, ...args] = command;
  if (!program) throw fail("invalid_request", `${key}.command is not set`);
  return { command: [program, ...args], env };
}

function toAddress(given: Given, key: string, fail: Fail): Omit<Endpoint, "provider"> {
  const { baseUrl, apiKey, keyVariable } = given;
  if (!baseUrl) throw fail("invalid_request", `${key}.baseUrl is not set`);
  if (!isHttpUrl(baseUrl)) {
    throw fail(
      "invalid_request",
      `${key}.baseUrl is not an http or https address without user name and password`,
    );
  }
  if (!apiKey) {
    // The vendors' own servers answer nobody without a key: say so before asking them.
    if (baseUrl === OPENAI_URL || baseUrl === ANTHROPIC_URL) {
      const variable = keyVariable === undefined ? "" : `${keyVariable} or `;
      throw fail("not_found", `no API key; set ${variable}${key}.apiKey`);
    }
    return { baseUrl };
  }
  // The library's error for such a header would hold the key.
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    throw fail("invalid_request", "its API key has characters that no key has");
  return { baseUrl, apiKey };
}

/** Blank is unset. The environment's key goes to its vendor or the environment's address, to no other. */
function withDefaults(provider: string, configured: ProviderConfig, env: Env): Given {
  const baseUrl = configured.baseUrl?.trim() || undefined;
  const apiKey = configured.apiKey?.trim() || undefined;
  const api = apiOf(provider, configured.api, baseUrl);
  const given: Given = { ...configured, api, baseUrl, apiKey };
  if (api === "acp") return given;
  if (provider === "ollama") return { ...given, baseUrl: baseUrl ?? `${ollamaUrl(env)}/v1` };
  if (provider === "openai") {
    return withVendor(given, {
      keyVariable: "OPENAI_API_KEY",
      key: openaiKey(env),
      usual: env["OPENAI_BASE_URL"]?.trim() || OPENAI_URL,
      own: OPENAI_URL,
    });
  }
  if (api !== "anthropic-messages" || (provider !== "anthropic" && baseUrl !== undefined)) return given;
  return withVendor(given, {
    keyVariable: "ANTHROPIC_API_KEY",
    key: anthropicKey(env),
    usual: env["ANTHROPIC_BASE_URL"]?.trim() || ANTHROPIC_URL,
    own: ANTHROPIC_URL,
  });
}

/** The usual interface is no one's at Anthropic's own address. */
function apiOf(provider: string, api = "openai-completions", baseUrl?: string): string {
  const isAnthropic = provider === "anthropic" && api === "openai-completions" && baseUrl === undefined;
  return isAnthropic ? "anthropic-messages" : api;
}

type Vendor = {
  readonly keyVariable: string;
  readonly key: string | undefined;
  /** Where it is by the environment. */
  readonly usual: string;
  readonly own: string;
};

function withVendor(given: Given, { keyVariable, key, usual, own }: Vendor): Given {
  const isOurs = given.baseUrl === undefined || given.baseUrl === usual || given.baseUrl === own;
  return {
    ...given,
    keyVariable,
    apiKey: given.apiKey ?? (isOurs ? key : undefined),
    baseUrl: given.baseUrl ?? usual,
  };
}

function suggestion(provider: string, configured: readonly string[]): string {
  const names = [...new Set([...configured, ...BUILT_IN])];
  const near = nearest(provider, names);
  if (near !== undefined) return `did you mean "${near}"?`;
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(", ");
  return `there is ${shown}${names.length > NAMES_SHOWN_MAX ? " and more" : ""}`;
}

function isHttpUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return /^https?:$/.test(url?.protocol ?? "") && url?.username === "" && url.password === "";
}
