import type { Publish } from "../../feature.ts";
import type { AgentEvent, Clock, Log } from "../../ports.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { Message, runsContract } from "./contract.ts";
import type { RunEnd } from "./journal.ts";
import type { AbortReason, Run } from "./run.ts";

/** How a run is to end, and who stopped it if somebody did. */
export type Ending = Pick<RunEnd, "status" | "error"> & { readonly reason?: AbortReason };

/** How it ended, with the message that was kept of it. */
export type Outcome = Ending & { readonly message: Message | undefined };

interface NewsPorts {
  readonly publish: Publish<(typeof runsContract)["events"]>;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly log: Log;
}

type ToolCall = Extract<AgentEvent, { type: "tool_call" }>;
type AgentStream = "lifecycle" | "assistant" | "tool" | "thinking" | "error";

/** What clients are told of a run, as a chat shows it and as its agent lives it; its text goes by pieces. */
export class RunNews {
  readonly #ports: NewsPorts;

  constructor(ports: NewsPorts) {
    this.#ports = ports;
  }

  started(run: Run): void {
    this.#agent(run, "lifecycle", { phase: "start" });
  }

  toolCalled(run: Run, { id, name, args }: ToolCall): void {
    this.#agent(run, "tool", { phase: "call", toolCallId: id, name, args });
  }

  ended(run: Run, end: Outcome): void {
    if (run.thinking !== "") this.#agent(run, "thinking", { text: run.thinking });
    if (end.message) this.#agent(run, "assistant", { message: end.message });
    this.#chatEnded(run, end);
    if (end.error) this.#agent(run, "error", { ...end.error });
    this.#agent(run, "lifecycle", { phase: "end", status: end.status });
    this.sessionChanged(run.sessionKey, "updated");
  }

  /** The word about a session comes from the disk as well; a run does not end or start by it. */
  sessionChanged(sessionKey: string, action: "created" | "updated"): void {
    try {
      this.#ports.sessions.announce(sessionKey, action);
    } catch (error) {
      this.#ports.log.error("session not announced", { error: String(error) });
    }
  }

  #chatEnded(run: Run, { reason, error, message }: Outcome): void {
    const { publish, clock } = this.#ports;
    const common = { runId: run.id, sessionKey: run.sessionKey };
    const kept = message && { message };
    if (reason) return publish("chat", { ...common, state: "aborted", reason, ...kept });
    if (error) return publish("chat", { ...common, state: "error", error, ...kept });
    const nothing: Message = { id: "", role: "assistant", content: [], ts: clock.now() };
    const usage = run.usage && { usage: run.usage };
    publish("chat", { ...common, state: "final", message: message ?? nothing, ...usage });
  }

  #agent(run: Run, stream: AgentStream, data: Record<string, unknown>): void {
    const ts = this.#ports.clock.now();
    this.#ports.publish("agent", { runId: run.id, sessionKey: run.sessionKey, stream, ts, data });
  }
}
