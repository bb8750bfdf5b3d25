import {
  type ClientCredential,
  createGatewayClient,
  type GatewayClient,
  GatewayError,
  type ReconnectOptions,
} from "../client/mod.ts";
import { EXIT } from "../gateway/errors.ts";
import { VERSION } from "../version.ts";
import type { CommandInput } from "./command.ts";
import { type Credential, findCredentials, placesSearched } from "./credentials.ts";
import { CliError } from "./errors.ts";
import { findTarget, type Target } from "./target.ts";

const TIMEOUT_MS = 30_000;
const TIMEOUT_MS_MAX = 24 * 60 * 60_000;

/** A connection and the options that came with it. */
export type Connection = {
  readonly client: GatewayClient;
  readonly target: Target;
  readonly timeoutMs: number;
};

/**
 * Connects as the command's options say.
 *
 * @param mode shown to others who look at the gateway's clients
 * @throws CliError 69 nothing answers, 77 the credential is refused, 2 options that make no sense
 */
export async function connect(
  { platform, args }: CommandInput,
  mode: string,
  reconnect: ReconnectOptions | false = false,
): Promise<Connection> {
  const timeoutMs = args.whole("timeout-ms", 1, TIMEOUT_MS_MAX) ?? TIMEOUT_MS;
  const target = await findTarget({ platform, args });
  let unusable = "";
  const onUnusable = (problem: string): void => void (unusable = problem);
  const parts = { platform, args, target, onUnusable };
  const client = { id: "cli", version: VERSION, platform: platform.runtime, mode };
  const open = async (credential: Credential | undefined): Promise<Connection> => {
    const { token, password } = credential ?? {};
    const gateway = createGatewayClient({
      url: target.url,
      token,
      password,
      otherCredentials: (before) => otherCredentials(parts, before),
      client,
      reconnect,
      connectTimeoutMs: Math.min(timeoutMs, 10_000),
    });
    await gateway.connect();
    return { client: gateway, target, timeoutMs };
  };
  let refused: { error: GatewayError; credential: Credential } | undefined;
  for await (const credential of findCredentials(parts)) {
    try {
      return await open(credential);
    } catch (error) {
      if (!isRefusal(error)) throw toCliError(error, target);
      refused ??= { error, credential };
    }
  }
  if (refused) {
    const { source, advice } = refused.credential;
    throw refusal(refused.error, target, `The credential is from ${source}. ${unusable || advice}`);
  }
  try {
    return await open(undefined);
  } catch (error) {
    if (!isRefusal(error)) throw toCliError(error, target);
    throw refusal(error, target, unusable || `No credential was found. Looked at ${placesSearched(parts)}`);
  }
}

/** What is there by now; the one that was refused would only count as another wrong try. */
async function* otherCredentials(
  parts: Parameters<typeof findCredentials>[0],
  refused: ClientCredential,
): AsyncGenerator<Credential> {
  for await (const found of findCredentials(parts)) {
    if (found.token !== refused.token || found.password !== refused.password) yield found;
  }
}

/** What the program says and answers when the gateway did not do what was asked. */
export function toCliError(error: unknown, target: Target): CliError {
  if (error instanceof CliError) return error;
  if (!(error instanceof GatewayError)) throw error;
  const { code, message, retryAfterMs, ref } = error;
  if (code === "unauthorized") return new CliError(EXIT.refused, message, { code });
  if (isUnreached(error)) {
    return new CliError(EXIT.unreachable, message, { hint: target.advice, code });
  }
  const wait = retryAfterMs === undefined ? undefined : `Try again in ${Math.ceil(retryAfterMs / 1000)} s`;
  const log = ref === undefined ? undefined : `The gateway's log says more under ${ref}`;
  return new CliError(EXIT.failed, message, { hint: wait ?? log, code });
}

/** No gateway was there, or it went away: nothing it said itself. */
function isUnreached({ code, from, closeCode }: GatewayError): boolean {
  return code === "unavailable" && (from === "client" || closeCode !== undefined);
}

function isRefusal(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.code === "unauthorized";
}

function refusal(error: GatewayError, target: Target, hint: string): CliError {
  return new CliError(EXIT.refused, `Cannot connect to "${target.url}": ${stateOf(error)}`, {
    hint,
    code: error.code,
  });
}

/** What is wrong, without the sentence it was said in. */
function stateOf({ message }: GatewayError): string {
  const at = message.indexOf(": ");
  return at < 0 ? message : message.slice(at + 2);
}
