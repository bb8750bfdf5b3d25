// What the project needs around it: its packages and its second runtime. Nothing here may import a package,
// because this file runs before there are any.
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };

/** The top folder of the project. */
export const TOP = join(import.meta.dir, "..");

/** Working files of the scripts, never under version control. */
const TOOLS = join(TOP, ".tools");

/** Pinned here and not in the manifest: a manifest that lists it makes Deno fetch it for every platform. */
const DENO_VERSION = "2.9.6";
const OPENCODE_VERSION = "1.18.33";

/** How a command ended, and all it printed. */
export interface Outcome {
  readonly code: number;
  readonly output: string;
}

interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string | undefined>;
}

/** Runs a command to its end with no input. */
export async function run(command: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const child = Bun.spawn([...command], {
    cwd: options.cwd ?? TOP,
    env: { ...(options.env ?? process.env), NO_COLOR: "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, output: stdout + stderr };
}

/** The command of one of our scripts, run by this very Bun. */
export function script(name: string, ...args: string[]): string[] {
  return [process.execPath, "run", "--no-install", join("scripts", `${name}.ts`), ...args];
}

/** Refuses a Bun older than the one the project is pinned to, whose failures would be harder to read. */
export function requireBun(): void {
  const pinned = manifest.packageManager.replace("bun@", "");
  if (Bun.semver.satisfies(Bun.version, `>=${pinned}`)) return;
  throw new Error(
    `Cannot run on Bun "${Bun.version}": ${pinned} or newer is needed (npx --yes bun@${pinned})`,
  );
}

/**
 * Installs the packages of the lockfile unless each is there in its version, and says whether it had to. With
 * `dev: false` those that only the work on the project needs are left out.
 */
export async function ensurePackages({ dev }: { dev: boolean }): Promise<boolean> {
  const wanted = { ...manifest.dependencies, ...(dev ? manifest.devDependencies : {}) };
  const present = await Promise.all(Object.entries(wanted).map(isInstalled));
  if (!present.includes(false)) return false;
  console.error("Installing packages (first run, or the lockfile has changed)");
  const scope = dev ? [] : ["--production"];
  const install = await run([process.execPath, "install", "--frozen-lockfile", ...scope]);
  if (install.code !== 0) throw new Error(`Cannot install the packages: ${install.output.trim()}`);
  return true;
}

async function isInstalled([name, version]: readonly [string, string]): Promise<boolean> {
  const file = Bun.file(join(TOP, "node_modules", name, "package.json"));
  if (!(await file.exists())) return false;
  const found: unknown = await file.json();
  return typeof found === "object" && found !== null && "version" in found && found.version === version;
}

let denoPath: Promise<string> | undefined;

/**
 * Path of the Deno that the project is tested with, installed beside the project when first asked for.
 * Rejects when it cannot be had: a suite that needs it fails and is not skipped.
 */
export function deno(): Promise<string> {
  denoPath ??= installed(DENO);
  return denoPath;
}

let opencodePath: Promise<string> | undefined;

/** Path of an agent that speaks the Agent Client Protocol, installed in the same way. */
export function opencode(): Promise<string> {
  opencodePath ??= installed(OPENCODE);
  return opencodePath;
}

/** A program of the registry that tests start. */
type Tool = {
  readonly name: string;
  readonly version: string;
  /** What is installed. */
  readonly dependency: string;
  /** Where the packages of platforms are, and the executable in each of them. */
  readonly folder: string;
  readonly executable: string;
};

/** The executable is in the package of the platform; the one named deno only picks it, with a script. */
const DENO: Tool = {
  name: "Deno",
  version: DENO_VERSION,
  dependency: "deno",
  folder: "@deno",
  executable: process.platform === "win32" ? "deno.exe" : "deno",
};

/** Directly the package of the platform, in its form for any processor: the one above it has all forms. */
const OPENCODE: Tool = {
  name: "opencode",
  version: OPENCODE_VERSION,
  dependency: `opencode-${process.platform}-${process.arch}${process.arch === "x64" ? "-baseline" : ""}`,
  folder: ".",
  executable: join("bin", "opencode"),
};

async function installed(tool: Tool): Promise<string> {
  const { name, version, dependency } = tool;
  const home = join(TOOLS, `${name.toLowerCase()}-${version}`);
  const found = await findTool(tool, home);
  if (found !== undefined) return found;
  console.error(`Installing ${name} ${version} into .tools (first run)`);
  await mkdir(TOOLS, { recursive: true });
  // Built aside and renamed, so that an interrupted or a simultaneous install is never taken for a whole one.
  const draft = await mkdtemp(join(TOOLS, "draft-"));
  try {
    const dependencies = { [dependency]: version };
    await Bun.write(join(draft, "package.json"), JSON.stringify({ private: true, dependencies }));
    const install = await run([process.execPath, "install", "--no-save", "--linker=hoisted"], { cwd: draft });
    if (install.code !== 0) throw new Error(`Cannot install ${name} ${version}: ${install.output.trim()}`);
    // The gateway starts no program that others may change, whatever the umask here.
    if (process.platform !== "win32") await run(["chmod", "-R", "go-w", draft]);
    await rename(draft, home).catch((error: unknown) => {
      // Somebody else has just finished the same install.
      if (!existsSync(home)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  const path = await findTool(tool, home);
  if (path === undefined) throw new Error(`Cannot find ${name} in ".tools": no package for this machine`);
  return path;
}

async function findTool({ folder, executable }: Tool, home: string): Promise<string | undefined> {
  const packages = join(home, "node_modules", folder);
  if (!existsSync(packages)) return undefined;
  for (const name of await readdir(packages)) {
    const path = join(packages, name, executable);
    if (existsSync(path) && (await run([path, "--version"])).code === 0) return path;
  }
  return undefined;
}
