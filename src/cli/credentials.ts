import { STATE_FILE, TOKEN_FILE } from "../gateway/names.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Platform } from "../ports.ts";
import { type Arguments, usage } from "./args.ts";
import { readNote } from "./note.ts";
import { stateDirOf } from "./places.ts";
import { isLoopback, type Target } from "./target.ts";

/** What a client presents, and where it had it from. */
export type Credential = {
  readonly token?: string;
  readonly password?: string;
  /** For people: `--token`, a variable, a file. */
  readonly source: string;
  /** What to do when it is refused. */
  readonly advice: string;
};

type Parts = {
  readonly platform: Platform;
  readonly args: Arguments;
  readonly target: Target;
  /** Told of a credential that is there and cannot be presented, as a sentence. */
  readonly onUnusable?: (problem: string) => void;
};

const ASK_THE_OTHER = "gateway token, run where the gateway runs, prints the right one";

/**
 * The credentials worth trying, the surest first, each read only when it is asked for. What was named
 * is tried alone; the files of this machine are for the gateway of this machine. What it runs on counts
 * there, and only then what its configuration says by now.
 *
 * @throws CliError usage when a credential would go to another machine that nobody named in this call
 */
export async function* findCredentials({
  platform,
  args,
  target,
  onUnusable,
}: Parts): AsyncGenerator<Credential> {
  const named = fromOptions(args) ?? fromEnvironment(platform.process.env);
  if (named) {
    if (!target.isLoopback && !target.isExplicit) {
      throw usage(`Cannot send a credential to "${target.url}": only to an address given with --url`);
    }
    yield named;
    return;
  }
  if (!target.isLoopback) return;
  const local = await fromNote(platform, args, target);
  if (local) yield local;
  const stored = await fromTokenFile(platform, args);
  if (stored) yield stored;
  // The configuration outranks the token file, but reading it costs more than the whole rest of a call.
  const { fromConfig } = await import("./config.ts");
  const configured = await fromConfig({ platform, args });
  if (configured && "problem" in configured) return onUnusable?.(configured.problem);
  const isNew = configured?.password !== undefined || configured?.token !== stored?.token;
  if (configured && isNew) yield configured;
}

/** Where `findCredentials` looks, for the message that it found nothing. */
export function placesSearched({ platform, args, target }: Parts): string {
  const named = "--token, --password, CLAWDBOT_GATEWAY_TOKEN, CLAWDBOT_GATEWAY_PASSWORD";
  if (!target.isLoopback) return named;
  const stateDir = stateDirOf(platform.process, args);
  return `${named}, ${stateDir}/${STATE_FILE}, ${stateDir}/${TOKEN_FILE}, the configuration`;
}

/**
 * What the gateway that runs here has made for clients of this machine. It takes it from loopback addresses
 * only, not from the machine's others.
 */
async function fromNote(
  platform: Platform,
  args: Arguments,
  { url }: Target,
): Promise<Credential | undefined> {
  const { hostname, port } = new URL(url);
  if (!isLoopback(hostname)) return undefined;
  const note = await readNote(platform, args);
  if (note?.localToken === undefined || String(note.port) !== port) return undefined;
  return {
    token: note.localToken,
    source: note.path,
    advice: "The gateway that answers is another one: give its token with --token, or its --state-dir",
  };
}

/** The token the gateway made at its first start. */
export async function fromTokenFile(platform: Platform, args: Arguments): Promise<Credential | undefined> {
  const path = `${stateDirOf(platform.process, args)}/${TOKEN_FILE}`;
  const token = (await platform.files.readText(path, LIMITS.secretCharsMax))?.trim();
  if (!token) return undefined;
  return {
    token,
    source: path,
    advice: "The gateway that answers uses another one: give it with --token, or its --state-dir",
  };
}

function fromOptions(args: Arguments): Credential | undefined {
  const [token, password] = [args.text("token"), args.text("password")];
  if (token !== undefined && password !== undefined)
    throw usage("Cannot use both --token and --password: give one");
  if (token !== undefined) return { token, source: "--token", advice: ASK_THE_OTHER };
  if (password !== undefined)
    return { password, source: "--password", advice: "It is what gateway.auth.password says" };
  return undefined;
}

function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Credential | undefined {
  const [token, password] = [env["CLAWDBOT_GATEWAY_TOKEN"], env["CLAWDBOT_GATEWAY_PASSWORD"]];
  const advice = "The variable outranks the token file: set it right, or unset it";
  if (token) return { token, source: "the variable CLAWDBOT_GATEWAY_TOKEN", advice };
  if (password) return { password, source: "the variable CLAWDBOT_GATEWAY_PASSWORD", advice };
  return undefined;
}
