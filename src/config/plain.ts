import { LIMITS } from "../contract/limits.ts";
import type { Environment, Flag } from "./env.ts";
import type { Config } from "./schema.ts";
import { deepFreeze } from "./values.ts";

/** Where things are is settled before; these set nothing. */
const PLACES = /^(?:CLAWDBOT|MOLTBOT)_(?:CONFIG_PATH|STATE_DIR)$/;
const OURS = /^(?:CLAWDBOT|MOLTBOT)_/;

interface Outside {
  readonly env: Environment;
  readonly flags: readonly Flag[];
}

/**
 * The configuration where nobody has set anything but a port or a token on the command line: the
 * defaults, which need no validation.
 *
 * @param defaults what the schema makes of an empty file
 * @returns undefined where there is something to judge
 */
export function plainConfig(defaults: Config, { env, flags }: Outside): Config | undefined {
  if (Object.keys(env).some((name) => OURS.test(name) && !PLACES.test(name))) return undefined;
  const gateway = { ...defaults.gateway };
  for (const { key, value } of flags) {
    if (key === "gateway.port" && isPort(value)) gateway.port = value;
    else if (key === "gateway.auth.token" && isToken(value)) gateway.auth = { ...gateway.auth, token: value };
    else return undefined;
  }
  return deepFreeze({ ...defaults, gateway });
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 65_535;
}

function isToken(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= LIMITS.secretCharsMax;
}
