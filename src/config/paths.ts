import type { Environment } from "./env.ts";
import { expandHome } from "./values.ts";

export interface PathsInput {
  readonly env: Environment;
  /** The user's home directory. */
  readonly home: string;
  /** `--config` */
  readonly configPath?: string | undefined;
  /** `--state-dir` */
  readonly stateDir?: string | undefined;
}

export interface Paths {
  /** Where everything but the configuration file lives. */
  readonly stateDir: string;
  /** The configuration file is the first of these that exists. */
  readonly configCandidates: readonly [string, ...string[]];
  /** Where a new file goes, and the name shown while there is none. */
  readonly configDefault: string;
  /** Somebody named the file: it has to be there. */
  readonly configNamed: boolean;
}

const FILE_NAMES = ["moltbot.json", "clawdbot.json"] as const;

/** The name the file had before; what is written has the newer one. */
export function isOlderName(path: string): boolean {
  return path.endsWith(`/${FILE_NAMES[1]}`);
}

/**
 * Where things are: flag, then environment, then the places of the system we replace. A state directory
 * that was named holds the configuration too, so that nothing of another installation is read.
 */
export function resolvePaths({ env, home, configPath, stateDir }: PathsInput): Paths {
  const from = (name: string): string | undefined =>
    env[`MOLTBOT_${name}`]?.trim() || env[`CLAWDBOT_${name}`]?.trim() || undefined;
  const namedState = (stateDir || from("STATE_DIR")) ?? undefined;
  const namedConfig = (configPath || from("CONFIG_PATH")) ?? undefined;
  const state = trimSlash(expandHome(namedState ?? "~/.clawdbot", home));
  const base = { stateDir: state };
  if (namedConfig !== undefined) {
    const file = expandHome(namedConfig, home);
    return { ...base, configCandidates: [file], configDefault: file, configNamed: true };
  }
  const directories = namedState === undefined ? [`${home}/.moltbot`, state] : [state];
  const [first = "", ...rest] = directories.flatMap((directory) =>
    FILE_NAMES.map((name) => `${directory}/${name}`),
  );
  return {
    ...base,
    configCandidates: [first, ...rest],
    configDefault: `${state}/${FILE_NAMES[0]}`,
    configNamed: false,
  };
}

function trimSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
