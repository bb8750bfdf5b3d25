import { PORT_DEFAULT } from "../config/values.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Platform } from "../ports.ts";
import { type Arguments, usage } from "./args.ts";
import { readNote, toPort } from "./note.ts";
import { programName } from "./program.ts";

/** Where a client command connects. */
export type Target = {
  readonly url: string;
  /** Only programs of this machine can be behind it. */
  readonly isLoopback: boolean;
  /** The person typed it for this very call. */
  readonly isExplicit: boolean;
  /** Nobody named it, and no gateway has noted that it runs there. */
  readonly isGuess: boolean;
  /** What to do when nothing answers there. */
  readonly advice: string | undefined;
};

type Parts = { readonly platform: Platform; readonly args: Arguments };

/**
 * `--url`, else `CLAWDBOT_GATEWAY_URL`, else the gateway that runs here. @throws CliError usage for what is
 * no URL
 */
export async function findTarget({ platform, args }: Parts): Promise<Target> {
  const { env } = platform.process;
  const typed = args.text("url");
  const advice = `Is it running? Start it with: ${programName(platform)}`;
  const toNamed = (text: string, source: string): Omit<Target, "isExplicit"> => {
    const named = toTarget(text, source);
    return { ...named, isGuess: false, advice: named.isLoopback ? advice : undefined };
  };
  if (typed !== undefined) return { ...toNamed(typed, "--url"), isExplicit: true };
  const fromEnv = env["CLAWDBOT_GATEWAY_URL"]?.trim();
  if (fromEnv) return { ...toNamed(fromEnv, "CLAWDBOT_GATEWAY_URL"), isExplicit: false };
  const running = await readNote(platform, args);
  const port = running?.port ?? toPort(Number(env["CLAWDBOT_GATEWAY_PORT"])) ?? PORT_DEFAULT;
  return {
    url: `ws://${toOwnHost(running?.url, platform.process)}:${port}/ws`,
    isLoopback: true,
    isExplicit: false,
    isGuess: running === undefined,
    advice,
  };
}

/**
 * The address it is bound to, if that is this machine's now. A note may outlive its gateway and the address
 * be another machine's by then, which would be handed the token.
 */
function toOwnHost(url: string | undefined, { addresses }: Pick<Platform["process"], "addresses">): string {
  const host = url !== undefined && URL.canParse(url) ? new URL(url).hostname : "";
  const isOwn = isLoopback(host) || addresses().includes(host.replace(/^\[(.*)\]$/, "$1"));
  return host !== "" && isOwn ? host : "127.0.0.1";
}

/** Accepts what people have at hand: an address of the page, or just host and port. */
function toTarget(text: string, source: string): Pick<Target, "url" | "isLoopback"> {
  const withScheme = /^[a-z]+:\/\//i.test(text) ? text : `ws://${text}`;
  const socket = withScheme.replace(/^http(s?):/i, "ws$1:");
  const url = text.length <= LIMITS.logFieldCharsMax && URL.canParse(socket) ? new URL(socket) : undefined;
  if (!url || !/^wss?:$/.test(url.protocol)) {
    throw usage(`Cannot use ${source} "${text}": wanted a URL such as ws://127.0.0.1:${PORT_DEFAULT}/ws`);
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw usage(
      `Cannot use ${source}: credentials and parameters do not belong in it, a token goes into --token`,
    );
  }
  if (url.pathname === "/") url.pathname = "/ws";
  return { url: url.href, isLoopback: isLoopback(url.hostname) };
}

/** By address, never by how a name begins: `127.evil.example` is anywhere. */
export function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" || hostname === "[::1]" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)
  );
}
