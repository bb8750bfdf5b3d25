import { LIMITS } from "../contract/limits.ts";
import { isLoopbackAddress } from "../rpc/address.ts";
import type { Finding } from "./check.ts";
import type { Config } from "./schema.ts";
import { toBind } from "./values.ts";

type Auth = Config["gateway"]["auth"];
type Mode = NonNullable<Auth["mode"]>;

/** What is written where a secret should be when a script's variable was empty. @source THREATS T31 */
const NO_SECRETS = ["undefined", "null", "none", "changeme"];

/** How clients prove themselves; a password that stands alone means it. */
export function authModeOf(auth: Auth): Mode {
  return auth.mode ?? (auth.password !== undefined && auth.token === undefined ? "password" : "token");
}

/**
 * Settings that are right one by one and that no gateway can start with together: fail closed rather than
 * widen anything.
 */
export function contradictionsIn({ gateway }: Config): readonly Finding[] {
  const { auth, bind } = gateway;
  const findings: Finding[] = [];
  const cannot = (path: Finding["path"], message: string): void => void findings.push({ path, message });
  if (gateway.mode === "remote") {
    cannot(
      ["gateway", "mode"],
      'Cannot start: gateway.mode is "remote", so this configuration is for clients of a gateway elsewhere',
    );
  }
  const mode = authModeOf(auth);
  if (mode === "none") {
    if (!isLoopback(bind)) {
      cannot(
        ["gateway", "auth", "mode"],
        `Cannot listen on ${bind} without authentication: set gateway.auth.mode to "token", or gateway.bind to "loopback"`,
      );
    }
    return findings;
  }
  const secret = auth[mode];
  const path = ["gateway", "auth", mode];
  // A token that is not written is made at the first start.
  if (secret === undefined && mode === "password") {
    cannot(
      ["gateway", "auth", "mode"],
      'Cannot start: gateway.auth.mode is "password" and gateway.auth.password is not set',
    );
  }
  if (secret === undefined) return findings;
  const trimmed = secret.trim();
  if (trimmed === "" || NO_SECRETS.includes(trimmed.toLowerCase())) {
    cannot(path, `Cannot start: gateway.auth.${mode} is empty or a placeholder`);
  } else if (secret.length < LIMITS.secretCharsMin && !isLoopback(bind)) {
    cannot(
      path,
      `Cannot listen beyond loopback: gateway.auth.${mode} is shorter than ${LIMITS.secretCharsMin} characters`,
    );
  }
  return findings;
}

function isLoopback(bind: string): boolean {
  const target = toBind(bind);
  return target?.kind === "loopback" || (target?.kind === "address" && isLoopbackAddress(target.address));
}
