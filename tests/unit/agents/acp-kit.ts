import { join } from "node:path";

import { type AcpOptions, createAcpAgents } from "../../../src/agents/acp/agents.ts";
import type { AcpProvider } from "../../../src/agents/providers.ts";
import { createFiles } from "../../../src/platform/files.ts";
import { startProgram } from "../../../src/platform/program.ts";
import type { AgentEnvironment, AgentTurn, ApprovalRequest, Program } from "../../../src/ports.ts";
import { createMemoryLog } from "../../support/ports.ts";
import { tempDir } from "../../support/temp.ts";
import { environmentOf, realClock, realTimers, turnOf } from "./kit.ts";

const support = join(import.meta.dir, "..", "..", "support");

function command(file: string, args: readonly string[]): AcpProvider["command"] {
  return [process.execPath, "run", "--no-install", join(support, file), ...args];
}

/** The faithful agent, with these flags. */
export const faithful = (...flags: string[]): AcpProvider => ({
  command: command("acp-agent.ts", flags),
  env: {},
});

/** The agent that behaves in this way. */
export const hostile = (way: string): AcpProvider => ({ command: command("acp-hostile.ts", [way]), env: {} });

const made: ReturnType<typeof createAcpAgents>[] = [];

/** The agents under test, the programs they have started, and what they logged. */
export function acpAgents(more: Partial<AcpOptions> = {}) {
  const programs: Program[] = [];
  const log = createMemoryLog();
  const agents = createAcpAgents({
    startProgram: async (options) => {
      const program = await startProgram(options);
      programs.push(program);
      return program;
    },
    timers: realTimers,
    clock: realClock,
    log,
    files: createFiles(),
    env: process.env,
    ...more,
  });
  made.push(agents);
  return { agents, programs, log };
}

/** For `afterEach`: ends every program of the test. */
export async function stopAgents(): Promise<void> {
  await Promise.all(made.splice(0).map((agents) => agents.stop()));
}

export function acpEnvironment(more: Partial<AgentEnvironment> = {}): AgentEnvironment {
  return { ...environmentOf("agent/default"), workspace: tempDir(), ...more };
}

/** A turn that keeps what is asked and remembered. */
export function attentiveTurn(
  decide: (request: ApprovalRequest, signal: AbortSignal) => ReturnType<AgentTurn["approve"]>,
  ...messages: Parameters<typeof turnOf>
) {
  const requests: ApprovalRequest[] = [];
  const notes: string[] = [];
  const turn: AgentTurn = {
    ...turnOf(...messages),
    approve: (request, signal) => {
      requests.push(request);
      return decide(request, signal);
    },
    remember: (note) => void notes.push(note),
  };
  return { turn, requests, notes };
}
