import { authModeOf, contradictionsIn } from "../config/contradictions.ts";
import type { Config } from "../config/schema.ts";
import { toBind } from "../config/values.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Crypto, Files, Process } from "../ports.ts";
import { isIpv4, isLoopbackAddress } from "../rpc/address.ts";
import type { AuthPolicy } from "../rpc/auth.ts";
import { EXIT, orEnd, StartError } from "./errors.ts";
import { TOKEN_FILE } from "./names.ts";

/** The token clients present, and whether it has just been made. */
export interface GatewayToken {
  readonly value: string;
  readonly created: boolean;
}

/** What the configuration comes down to on this machine. */
export interface GatewayRuntimeConfig {
  readonly port: number;
  /** Exact addresses; the first must be had, the others are welcome. */
  readonly hostnames: readonly [string, ...string[]];
  readonly auth: AuthPolicy;
  readonly token: GatewayToken | undefined;
  /** Names this machine is reached by when it listens beyond loopback. */
  readonly ownHosts: readonly string[];
}

interface Machine {
  readonly files: Files;
  readonly crypto: Crypto;
  readonly stateDir: string;
  /** Asked for its addresses and name only where they matter. */
  readonly process: Pick<Process, "addresses" | "hostname">;
}

/**
 * Decides where to listen and how clients prove themselves. @throws StartError 78 rather than widen
 * anything
 */
export async function resolveGatewayRuntimeConfig(
  config: Config,
  machine: Machine,
): Promise<GatewayRuntimeConfig> {
  const { gateway } = config;
  const [contradiction] = contradictionsIn(config);
  if (contradiction) throw refused(contradiction.message);
  const hostnames = addressesOf(gateway.bind, machine.process);
  const isLoopback = hostnames.every(isLoopbackAddress);
  const token = await tokenOf(config, machine);
  const auth = policyOf(config, token);
  return {
    port: gateway.port,
    hostnames,
    auth,
    token,
    ownHosts: isLoopback ? [] : namesOf(machine.process),
  };
}

function addressesOf(bind: string, process: Machine["process"]): readonly [string, ...string[]] {
  const target = toBind(bind);
  if (target?.kind === "loopback") return ["127.0.0.1", "::1"];
  if (target?.kind === "lan") return ["0.0.0.0"];
  if (target?.kind === "address") return [target.address];
  const tailnet = process.addresses().find(isTailnetAddress);
  if (tailnet === undefined)
    throw refused(
      'Cannot listen on the tailnet: this machine has no address in 100.64.0.0/10 (gateway.bind is "tailnet")',
    );
  // Programs of this machine reach it too, without a way round by the tailnet.
  return [tailnet, "127.0.0.1"];
}

/** What people at home call this machine. */
function namesOf({ hostname }: Machine["process"]): string[] {
  return [hostname, `${hostname}.local`];
}

/** @source RFC 6598: 100.64.0.0/10, which Tailscale hands out */
function isTailnetAddress(address: string): boolean {
  const [first, second = 0] = address.split(".").map(Number);
  return isIpv4(address) && first === 100 && second >= 64 && second < 128;
}

function policyOf({ gateway: { auth } }: Config, token: GatewayToken | undefined): AuthPolicy {
  const mode = authModeOf(auth);
  if (mode === "none") return { mode };
  return { mode, secret: (mode === "token" ? token?.value : auth.password) ?? "" };
}

/** The configured token, or the one in the state directory, made there at the first start. */
async function tokenOf({ gateway: { auth } }: Config, machine: Machine): Promise<GatewayToken | undefined> {
  if (authModeOf(auth) !== "token") return undefined;
  if (auth.token !== undefined) return { value: auth.token, created: false };
  const { files, crypto, stateDir } = machine;
  const path = `${stateDir}/${TOKEN_FILE}`;
  const made = crypto.secret();
  if (await files.writeNew(path, `${made}\n`)) return { value: made, created: true };
  const text = await orEnd(EXIT.config, () => files.readPrivate(path, LIMITS.secretCharsMax));
  const value = text?.trim() ?? "";
  if (value.length >= LIMITS.secretCharsMin) return { value, created: false };
  throw refused(`Cannot use token file "${path}": it holds no token; remove it and a new one is made`);
}

function refused(line: string): StartError {
  return new StartError(EXIT.config, [line]);
}
