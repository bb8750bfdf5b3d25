import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Hooks } from "../../hooks.ts";
import type {
  AgentEvent,
  AgentRuntime,
  AgentTurn,
  ApprovalDecision,
  ApprovalRequest,
  Log,
  Runner,
} from "../../ports.ts";
import type { SessionEnvironment } from "../sessions/environment.ts";
import type { Sessions, StoredSession } from "../sessions/sessions.ts";
import type { Writer } from "../storage/writer.ts";
import { overBudget } from "./budget.ts";
import type { ChatStream } from "./chat-stream.ts";
import type { Contexts } from "./compaction.ts";
import type { Usage } from "./contract.ts";
import type { Journal } from "./journal.ts";
import { addUsage, type Run } from "./run.ts";
import type { RunNews } from "./run-news.ts";

interface PerformancePorts {
  readonly runner: Runner;
  readonly hooks: Hooks;
  readonly sessions: Sessions;
  readonly journal: Journal;
  readonly writer: Writer;
  readonly contexts: Contexts;
  readonly stream: ChatStream;
  readonly news: RunNews;
  readonly log: Log;
  /** What the session's agent has and may. */
  readonly environmentOf: (session: StoredSession) => SessionEnvironment;
  readonly approve: (run: Run, request: ApprovalRequest, signal: AbortSignal) => Promise<ApprovalDecision>;
  /** Ends the run, whatever its agent still has to say. */
  readonly fail: (run: Run, error: RpcError) => void;
}

/** One run's agent, from the question to its last word. */
export class Performance {
  readonly #ports: PerformancePorts;

  constructor(ports: PerformancePorts) {
    this.#ports = ports;
  }

  /**
   * Resolves when the agent has said all, or the run has ended meanwhile.
   *
   * @throws RpcError, and what agents throw
   */
  async of(run: Run): Promise<void> {
    const { sessions, runner, hooks } = this.#ports;
    const session = sessions.byId(run.sessionDbId);
    if (!session) throw new RpcError("not_found", `Cannot run in session "${run.sessionKey}": it is gone`);
    const { environment, instructions } = this.#ports.environmentOf(session);
    const models = run.options.model === undefined ? environment.models : [run.options.model];
    const added = await hooks.ask("run_start", {
      runId: run.id,
      sessionKey: run.sessionKey,
      agentId: session.agentId,
      origin: run.origin,
    });
    if (run.isEnded) return;
    const runtime = await runner.open({ ...environment, models });
    if (run.isEnded) return;
    const told = [instructions, run.options.extraSystemPrompt, added.instructions].flatMap(
      (text) => text || [],
    );
    try {
      await this.#listen(run, { session, runtime, instructions: told });
    } catch (error) {
      const isOverflow = error instanceof RpcError && error.code === "too_large";
      if (!isOverflow || run.isEnded || run.transcript.bytes > 0 || runtime.keepsHistory) throw error;
      // The model counts otherwise than we do: once more, with the older part summed up.
      const fresh = sessions.byId(run.sessionDbId) ?? session;
      await this.#listen(run, { session: fresh, runtime, instructions: told, isTight: true });
    }
  }

  async #listen(
    run: Run,
    about: {
      readonly session: StoredSession;
      readonly runtime: AgentRuntime;
      readonly instructions: readonly string[];
      readonly isTight?: boolean;
    },
  ): Promise<void> {
    const { contexts, news, journal, writer, approve } = this.#ports;
    const { signal } = run.controller;
    const asked = {
      ...about,
      run,
      signal,
      onCompaction: (phase: "start" | "end", data: Record<string, unknown>) =>
        news.compaction(run, phase, data),
      onUsage: (usage: Usage) => void (run.usage = addUsage(run.usage, usage)),
    };
    // What is on disk by now is part of the conversation that is read from there.
    run.steered.length = 0;
    const messages = await contexts.of(asked, about.isTight);
    if (run.isEnded) return;
    const turn: AgentTurn = {
      runId: run.id,
      messages,
      steered: () => (run.isEnded ? [] : run.steered.splice(0).map(({ message }) => message)),
      approve: (request, waited) => approve(run, request, waited),
      remember: (note) => {
        if (note.length > LIMITS.agentNoteCharsMax) return;
        writer
          .write(() => journal.remember(about.session, note))
          .catch((error: unknown) => this.#ports.log.warn("agent's note not kept", { error: String(error) }));
      },
    };
    for await (const event of about.runtime.prompt(turn, signal)) {
      if (!run.isEnded) this.#hear(run, event);
      if (run.isEnded) return;
    }
  }

  #hear(run: Run, event: AgentEvent): void {
    const { stream, news } = this.#ports;
    const { transcript } = run;
    if (event.type === "text") {
      transcript.text(event.text);
      stream.append(run, event.text);
    } else if (event.type === "thinking") {
      transcript.thinking(event.text);
    } else if (event.type === "tool_start") {
      transcript.toolStarted(event);
      news.tool(run, event);
    } else if (event.type === "tool_update") {
      // Of a call that is open: their number is bounded, and so is what is told of them.
      if (transcript.isCalling(event.id)) news.tool(run, event);
    } else if (event.type === "tool_result") {
      if (transcript.toolAnswered(event)) news.tool(run, event);
    } else if (event.type === "usage") {
      run.usage = addUsage(run.usage, event);
      run.contextTokens = event.inputTokens + event.outputTokens;
    } else if (event.type === "model") {
      if (run.model !== event.model) news.modelChosen(run, event.model);
      run.model = event.model;
    }
    const { inputTokens = 0, outputTokens = 0 } = run.usage ?? {};
    const over = overBudget(run.budget, {
      tokens: inputTokens + outputTokens,
      toolCalls: transcript.toolCalls,
      outputBytes: transcript.bytes,
    });
    if (over) this.#ports.fail(run, over);
  }
}
