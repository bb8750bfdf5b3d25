import { PORT_DEFAULT } from "../config/values.ts";
import { STATE_FILE } from "../gateway/names.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Platform } from "../ports.ts";
import { type Arguments, usage } from "./args.ts";
import { stateDirOf } from "./places.ts";

/** Where a client command connects. */
export type Target = {
  readonly url: string;
  /** Only programs of this machine can be behind it. */
  readonly isLoopback: boolean;
  /** The person typed it for this very call. */
  readonly isExplicit: boolean;
};

type Parts = { readonly platform: Platform; readonly args: Arguments };

const STATE_FILE_BYTES_MAX = 4_096;

/**
 * `--url`, else `CLAWDBOT_GATEWAY_URL`, else the gateway that runs here. @throws CliError usage for what is
 * no URL
 */
export async function findTarget({ platform, args }: Parts): Promise<Target> {
  const { env } = platform.process;
  const typed = args.text("url");
  if (typed !== undefined) return { ...toTarget(typed, "--url"), isExplicit: true };
  const fromEnv = env["CLAWDBOT_GATEWAY_URL"]?.trim();
  if (fromEnv) return { ...toTarget(fromEnv, "CLAWDBOT_GATEWAY_URL"), isExplicit: false };
  const port =
    (await runningPort(platform, args)) ?? toPort(Number(env["CLAWDBOT_GATEWAY_PORT"])) ?? PORT_DEFAULT;
  return { url: `ws://127.0.0.1:${port}/ws`, isLoopback: true, isExplicit: false };
}

/** The port the running gateway noted in its state directory. */
async function runningPort({ files, process }: Platform, args: Arguments): Promise<number | undefined> {
  const path = `${stateDirOf(process, args)}/${STATE_FILE}`;
  try {
    const note: unknown = JSON.parse((await files.readText(path, STATE_FILE_BYTES_MAX)) ?? "{}");
    return typeof note === "object" && note !== null && "port" in note ? toPort(note.port) : undefined;
  } catch {
    // Unreadable or half written: as good as absent, the usual port is tried.
    return undefined;
  }
}

function toPort(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value < 65_536
    ? value
    : undefined;
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
function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" || hostname === "[::1]" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)
  );
}
