import type { AgentEnvironment } from "../../ports.ts";
import type { Env } from "../providers.ts";

/** What any program needs to find itself on a machine. The gateway's own secrets are in none of them. */
const PASSED_ON = /^(?:PATH|HOME|USER|LANG|LC_[A-Z]+|TERM|TMPDIR|XDG_[A-Z_]+)$/;

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
