import type { AgentEnvironment } from "../../ports.ts";
import type { Env } from "../providers.ts";

/**
 * What any program needs to find itself on a machine, and its way out of it: the same as servers of tools
 * get. The gateway's own secrets are in none of them.
 */
const PASSED_ON = new RegExp(
  [
    "^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TERM|TMPDIR|XDG_[A-Z_]+",
    "HTTPS?_PROXY|NO_PROXY|https?_proxy|no_proxy|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS)$",
  ].join("|"),
);

const SECRET_NAME = /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|AUTH/i;

/** Shorter ones are words that stand in any text. */
const SECRET_CHARS_MIN = 6;

/** The whole environment of an agent's program. */
export function programEnv(
  ours: Env,
  provider: Readonly<Record<string, string>>,
  environment: Pick<AgentEnvironment, "env">,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(ours)) {
    if (value !== undefined && PASSED_ON.test(name)) env[name] = value;
  }
  return { ...env, ...provider, ...environment.env };
}

/** Takes the secrets that a program was given out of what it says. */
export function createHider(...envs: Readonly<Record<string, string>>[]) {
  const secrets = envs
    .flatMap((env) => Object.entries(env))
    .filter(([name, value]) => SECRET_NAME.test(name) && value.length >= SECRET_CHARS_MIN)
    .map(([, value]) => value)
    // One may be a part of another.
    .toSorted((a, b) => b.length - a.length);
  return (text: string): string => secrets.reduce((said, secret) => said.replaceAll(secret, "***"), text);
}
