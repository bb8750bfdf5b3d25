import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Files, Process, Timers } from "../../ports.ts";

export interface PackagePorts {
  readonly files: Pick<Files, "list" | "tree" | "readBytes" | "writeBytes" | "readText">;
  readonly timers: Timers;
  readonly env: (name: string) => string | undefined;
  readonly startProgram: Process["startProgram"];
}

/** A package, and which of its versions. */
export interface PackageName {
  readonly name: string;
  /** Absent: the latest one. */
  readonly version: string | undefined;
}

export function packageOf(source: string): PackageName | undefined {
  const read = /^npm:((?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*)(?:@([a-z0-9][a-z0-9._+-]*))?$/i.exec(
    source,
  );
  return read?.[1] === undefined ? undefined : { name: read[1], version: read[2] };
}

/** What such a program needs to find itself, the network and its own settings: the registry is in those. */
const VARIABLES = [
  ..."PATH HOME USER LANG TMPDIR SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS".split(" "),
  ..."http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY".split(" "),
  ..."npm_config_registry NPM_CONFIG_REGISTRY npm_config_userconfig NPM_CONFIG_USERCONFIG".split(" "),
  ..."npm_config_cafile npm_config_cache NPM_CONFIG_CAFILE NPM_CONFIG_CACHE".split(" "),
];

const OUTPUT_CHARS_MAX = 1024 * 1024;
const LINES_TOLD = 3;

/**
 * Fetches a package without running anything of it, by `npm`, or `bun` where that is not there.
 *
 * @param scratch an empty directory of ours
 * @returns the archive; or the folder where `bun` has put it, and the sum that `bun` has checked
 * @throws RpcError `unavailable`
 */
export async function fetchPackage(
  ports: PackagePorts,
  { name, version = "latest" }: PackageName,
  scratch: string,
): Promise<
  { readonly archive: string } | { readonly folder: string; readonly integrity: string | undefined }
> {
  const spec = `${name}@${version}`;
  const npm = ["npm", "pack", spec, "--ignore-scripts", "--pack-destination", scratch, "--loglevel=error"];
  if (await runs(ports, npm, scratch)) {
    const archive = (await ports.files.list(scratch)).find((file) => file.endsWith(".tgz"));
    if (archive !== undefined) return { archive: `${scratch}/${archive}` };
    throw new RpcError("unavailable", "npm has fetched nothing");
  }
  await ports.files.writeBytes(`${scratch}/package.json`, new TextEncoder().encode('{"private":true}'));
  const bun = ["bun", "add", "--ignore-scripts", "--exact", "--omit=peer", "--linker=hoisted", spec];
  if (!(await runs(ports, bun, scratch))) throw nothingThere();
  const lock = (await ports.files.readText(`${scratch}/bun.lock`, OUTPUT_CHARS_MAX)) ?? "";
  const line = lock.split("\n").find((one) => one.trimStart().startsWith(`"${name}": [`)) ?? "";
  return { folder: `${scratch}/node_modules/${name}`, integrity: /"(sha512-[^"]+)"/.exec(line)?.[1] };
}

/**
 * Fetches what the plugin in this folder is built on, where that is not there, and runs nothing of it.
 *
 * @throws RpcError `unavailable`
 */
export async function fetchDependencies(ports: PackagePorts, folder: string): Promise<void> {
  const text = await ports.files.readText(`${folder}/package.json`, OUTPUT_CHARS_MAX);
  if (text === undefined || !hasDependencies(text)) return;
  if ((await ports.files.list(folder)).includes("node_modules")) return;
  const npm =
    "npm install --omit=dev --legacy-peer-deps --ignore-scripts --no-bin-links --install-strategy=hoisted";
  const quiet = "--no-audit --no-fund --loglevel=error";
  if (await runs(ports, [...npm.split(" "), ...quiet.split(" ")], folder)) return;
  const bun = "bun install --production --omit=peer --ignore-scripts --linker=hoisted";
  if (!(await runs(ports, bun.split(" "), folder))) throw nothingThere();
}

function hasDependencies(text: string): boolean {
  try {
    const { dependencies } = JSON.parse(text) as { readonly dependencies?: object | null };
    return typeof dependencies === "object" && dependencies !== null && Object.keys(dependencies).length > 0;
  } catch (error) {
    throw new RpcError("forbidden", `its package.json cannot be read: ${messageOf(error)}`);
  }
}

/** @returns false when there is no such program. @throws RpcError `unavailable` with its last words */
async function runs(ports: PackagePorts, command: readonly string[], directory: string): Promise<boolean> {
  const [name = "", ...args] = command;
  const env = VARIABLES.flatMap((variable) => {
    const value = ports.env(variable);
    return value === undefined ? [] : [[variable, value] as const];
  });
  let program;
  try {
    program = await ports.startProgram({ command: [name, ...args], directory, env: Object.fromEntries(env) });
  } catch {
    // It is not there, or may not be run: for us that is the same.
    return false;
  }
  program.closeInput();
  const { stderr, stdout } = program;
  const words: string[] = [];
  const reading = Promise.all([lastOf(stderr, words), drop(stdout)]).catch(() => undefined);
  const stopTimer = ports.timers.after(LIMITS.pluginFetchMs, () => void program.stop(1_000));
  const ended = await program.ended.finally(stopTimer);
  await reading;
  if (ended === "exit code 0") return true;
  const said = words.length > 0 ? `: ${words.join("; ")}` : "";
  throw new RpcError("unavailable", `${name} ended with ${ended}${said}`);
}

/** Its first words say what is wrong, the rest where its own log is. */
async function lastOf(lines: AsyncIterable<string>, words: string[]): Promise<void> {
  for await (const line of lines) {
    if (words.length < LINES_TOLD && line.trim() !== "") words.push(line.slice(0, 200));
  }
}

async function drop(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of chunks);
}

function nothingThere(): RpcError {
  return new RpcError("unavailable", "neither npm nor bun is there to fetch it");
}
