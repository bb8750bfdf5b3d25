import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { run, TOP } from "../../scripts/tools.ts";
import { freePort } from "./tcp.ts";

/** The protocol's own test server, which has every kind of tool; pinned here, the tests alone need it. */
const EVERYTHING = "@modelcontextprotocol/server-everything";
/** What servers of the newest version are made with. */
const LIBRARY = "@modelcontextprotocol/server";
const VERSIONS = { [EVERYTHING]: "2026.8.31", [LIBRARY]: "2.4.0" };

const HOME = join(TOP, ".tools", `mcp-${Object.values(VERSIONS).join("-")}`);
const NEW_SERVER = join(import.meta.dir, "mcp-new.ts");

let installed: Promise<void> | undefined;

/** The command of the test server on standard input and output. Rejects when it cannot be had. */
export async function everythingCommand(...args: string[]): Promise<[string, ...string[]]> {
  await (installed ??= install());
  return [process.execPath, "run", "--no-install", folderOf(EVERYTHING, "dist", "index.js"), ...args];
}

/** The command of a server that speaks nothing but the newest version. */
export async function newServerCommand(...args: string[]): Promise<[string, ...string[]]> {
  await (installed ??= install());
  return [process.execPath, "run", "--no-install", NEW_SERVER, folderOf(LIBRARY, "dist"), ...args];
}

function folderOf(name: string, ...rest: string[]): string {
  return join(HOME, "node_modules", name, ...rest);
}

/** Installs both beside the project, when first asked for. */
async function install(): Promise<void> {
  if (existsSync(HOME)) return;
  console.error(`Installing ${EVERYTHING} and ${LIBRARY} into .tools (first run)`);
  await mkdir(join(TOP, ".tools"), { recursive: true });
  // Built aside and renamed: an interrupted or a simultaneous install is never taken for a whole one.
  const draft = await mkdtemp(join(TOP, ".tools", "draft-"));
  try {
    const manifest = JSON.stringify({ private: true, dependencies: VERSIONS });
    await Bun.write(join(draft, "package.json"), manifest);
    const command = [process.execPath, "install", "--no-save", "--ignore-scripts", "--linker=hoisted"];
    const { code, output } = await run(command, { cwd: draft });
    if (code !== 0) throw new Error(`Cannot install ${EVERYTHING}: ${output.trim()}`);
    await rename(draft, HOME).catch((error: unknown) => {
      // Somebody else has just finished the same install.
      if (!existsSync(HOME)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

export interface HttpProgram {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts a server as a program of its own; it listens when this resolves. */
export async function startOverHttp(command: Promise<string[]>): Promise<HttpProgram> {
  const port = freePort();
  const child = Bun.spawn(await command, {
    env: { ...process.env, PORT: String(port) },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = child.stderr.getReader();
  const decoder = new TextDecoder();
  for (let text = ""; !text.includes("listening on port");) {
    const { done, value } = await said.read();
    if (done) throw new Error(`Cannot start the server: it said "${text}"`);
    text += decoder.decode(value, { stream: true });
  }
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    pid: child.pid,
    async stop() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
