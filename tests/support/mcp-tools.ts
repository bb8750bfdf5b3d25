import { join } from "node:path";
import type { McpServerConfig } from "../../src/agents/mcp/definition.ts";
import { createMcpTools, type McpTools, type McpToolsOptions } from "../../src/agents/mcp/tools.ts";
import type { ToolAnswer, ToolSet } from "../../src/agents/tools.ts";
import { startProgram } from "../../src/platform/program.ts";
import { createFiles } from "../../src/platform/files.ts";
import { systemClock, systemTimers } from "../../src/platform/clock.ts";
import type { AgentEnvironment, LogFields } from "../../src/ports.ts";
import { tempDir } from "./temp.ts";

const SERVER = join(import.meta.dir, "mcp-stdio.ts");

export interface LoggedLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

export interface McpKit {
  readonly tools: McpTools;
  readonly lines: LoggedLine[];
  readonly workspace: string;
  /** The configuration from here on; the tools are told unless `quietly`. */
  configure(config: Config, quietly?: "quietly"): void;
  environment(changes?: Partial<AgentEnvironment>): AgentEnvironment;
  open(changes?: Partial<AgentEnvironment>): Promise<ToolSet>;
  /** The next line with this message that nobody has waited for, come or coming. */
  logged(message: string): Promise<LoggedLine>;
}

type Config = ReturnType<McpToolsOptions["config"]>;

const kits: McpKit[] = [];

/** The tools of these servers, with programs, files, sockets and time that are real, unless `changes` says so. */
export function createMcpKit(config: Config, changes: Partial<McpToolsOptions> = {}): McpKit {
  let current = config;
  const lines: LoggedLine[] = [];
  const taken = new Map<string, number>();
  const waiting = new Set<() => void>();
  const workspace = tempDir();
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}): void => {
      lines.push({ level, message, fields });
      for (const look of [...waiting]) look();
    };
  const tools = createMcpTools({
    config: () => current,
    startProgram,
    files: createFiles(),
    fetch,
    timers: systemTimers,
    clock: systemClock,
    env: process.env,
    log: { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") },
    ...changes,
  });
  const kit: McpKit = {
    tools,
    lines,
    workspace,
    configure(next, quietly) {
      current = next;
      if (quietly === undefined) tools.reload();
    },
    environment: (other) => ({
      sessionKey: "agent:main:main",
      sessionId: "s-1",
      agentId: "main",
      models: [],
      workspace,
      env: {},
      tools: {},
      ...other,
    }),
    open: (other) => tools.open(kit.environment(other)),
    logged(message) {
      const index = taken.get(message) ?? 0;
      taken.set(message, index + 1);
      return new Promise((resolve) => {
        const look = (): void => {
          const found = lines.filter((line) => line.message === message)[index];
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      });
    },
  };
  kits.push(kit);
  return kit;
}

/** Ends what the kits of a test have started. */
export async function stopMcpKits(): Promise<void> {
  await Promise.all(kits.splice(0).map(({ tools }) => tools.stop()));
}

type ProgramConfig = McpServerConfig & { readonly command: string; readonly args: readonly string[] };

/** With `tally`, each start leaves a line in the file of that name. */
type Changes = Omit<McpServerConfig, "command" | "args"> & { readonly tally?: string };

/** The hand-written server, as the configuration names it. */
export function stdioServer(mode = "faithful", changes: Changes = {}): ProgramConfig {
  const { tally, ...rest } = changes;
  const args = ["--no-install", SERVER, mode, ...(tally === undefined ? [] : [tally])];
  return { command: process.execPath, args: ["run", ...args], ...rest };
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onUpdate?: (text: string) => void;
}

/** Calls a tool with these arguments. */
export function callTool(
  set: ToolSet,
  name: string,
  args: unknown = {},
  { signal = new AbortController().signal, onUpdate = () => {} }: CallOptions = {},
): Promise<ToolAnswer> {
  return set.call({ name, args: typeof args === "string" ? args : JSON.stringify(args), signal, onUpdate });
}

/** Is there a process of this number? */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // ESRCH: nobody.
    return false;
  }
}
