import type { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Publish } from "../../feature.ts";
import type { AgentEvent, Clock, Log } from "../../ports.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { Content, Message, runsContract } from "./contract.ts";
import type { RunEnd } from "./entries.ts";
import type { AbortReason, Run } from "./run.ts";

/** How a run is to end, and who stopped it if somebody did. */
export type Ending = Pick<RunEnd, "status" | "error"> & {
  readonly reason?: AbortReason | undefined;
  readonly by?: string | undefined;
};

/** How it ended, with the message that was kept of it. */
export type Outcome = Ending & {
  readonly content: readonly Content[];
  readonly message: Message | undefined;
  /** When. */
  readonly ts: number;
};

interface NewsPorts {
  readonly publish: Publish<(typeof runsContract)["events"]>;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly log: Log;
}

type ToolEvent = Extract<AgentEvent, { type: "tool_start" | "tool_update" | "tool_result" }>;
type AgentStream = "lifecycle" | "assistant" | "tool" | "thinking" | "compaction" | "error";

/** Characters of a tool's answer that are told while the run goes on; all of it is in the message. */
const RESULT_CHARS_MAX = 8_000;

/** Of its progress. */
const UPDATE_CHARS_MAX = 2_000;

/** What clients are told of a run, as a chat shows it and as its agent lives it; its text goes by pieces. */
export class RunNews {
  readonly #ports: NewsPorts;
  /** `Clock.elapsed()` of the last word about each tool call of a run. */
  readonly #updates = new WeakMap<Run, Map<string, number>>();

  constructor(ports: NewsPorts) {
    this.#ports = ports;
  }

  started(run: Run): void {
    this.#agent(run, "lifecycle", { phase: "start" });
  }

  tool(run: Run, event: ToolEvent): void {
    const common = { toolCallId: event.id };
    if (event.type === "tool_start") {
      const { name, args } = event;
      return this.#agent(run, "tool", { phase: "start", ...common, name, args });
    }
    if (event.type === "tool_update") return this.#toolUpdated(run, event);
    const { text, isError } = event;
    this.#agent(run, "tool", { phase: "result", ...common, result: cut(text, RESULT_CHARS_MAX), isError });
  }

  /** Tools may tell of each file they read: what comes too soon after the last word is left out. */
  #toolUpdated(run: Run, { id, text }: Extract<ToolEvent, { type: "tool_update" }>): void {
    const told = this.#updates.get(run) ?? new Map<string, number>();
    this.#updates.set(run, told);
    const nowMs = this.#ports.clock.elapsed();
    if (nowMs - (told.get(id) ?? Number.NEGATIVE_INFINITY) < LIMITS.deltaMs) return;
    told.set(id, nowMs);
    this.#agent(run, "tool", { phase: "update", toolCallId: id, text: cut(text, UPDATE_CHARS_MAX) });
  }

  /** Another model answers than the first of the list. */
  modelChosen(run: Run, model: string): void {
    this.#agent(run, "lifecycle", { phase: "model", model });
  }

  compaction(run: Run, phase: "start" | "end", data: Record<string, unknown>): void {
    this.#agent(run, "compaction", { phase, ...data });
  }

  /** It has ended, which is told when it is on disk: this says what that waits for. */
  unkept(run: Run, { code, message }: RpcError): void {
    this.#agent(run, "lifecycle", { phase: "unkept", error: { code, message } });
  }

  ended(run: Run, end: Outcome): void {
    const thinking = end.content.flatMap((part) => (part.type === "thinking" ? [part.text] : [])).join("\n");
    if (thinking !== "") this.#agent(run, "thinking", { text: thinking });
    if (end.message) this.#agent(run, "assistant", { message: end.message });
    this.#chatEnded(run, end);
    if (end.error) this.#agent(run, "error", { ...end.error });
    this.#agent(run, "lifecycle", { phase: "end", status: end.status });
  }

  /** The word about a session comes from the disk as well; a run does not end or start by it. */
  sessionChanged(sessionKey: string, action: "created" | "updated" | "reset"): void {
    try {
      this.#ports.sessions.announce(sessionKey, action);
    } catch (error) {
      this.#ports.log.error("session not announced", { error: String(error) });
    }
  }

  #chatEnded(run: Run, { reason, by, error, message }: Outcome): void {
    const { publish, clock } = this.#ports;
    const common = { runId: run.id, sessionKey: run.sessionKey };
    const to = { audience: { sessionKey: run.sessionKey, owner: run.owner } };
    const kept = message && { message };
    if (reason)
      return publish(
        "chat",
        { ...common, state: "aborted", reason, ...(by !== undefined && { by }), ...kept },
        to,
      );
    if (error) return publish("chat", { ...common, state: "error", error, ...kept }, to);
    const nothing: Message = { id: "", role: "assistant", content: [], ts: clock.now() };
    const usage = run.usage && { usage: run.usage };
    publish("chat", { ...common, state: "final", message: message ?? nothing, ...usage }, to);
  }

  #agent(run: Run, stream: AgentStream, data: Record<string, unknown>): void {
    const { id: runId, sessionKey, owner } = run;
    const ts = this.#ports.clock.now();
    this.#ports.publish(
      "agent",
      { runId, sessionKey, stream, ts, data },
      { audience: { sessionKey, owner } },
    );
  }
}

function cut(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax).toWellFormed()}…`;
}
