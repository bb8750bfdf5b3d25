import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Publish } from "../../feature.ts";
import type {
  ApprovalDecision,
  ApprovalRequest,
  Clock,
  Crypto,
  Database,
  Log,
  Stop,
  Timers,
} from "../../ports.ts";
import type { Writer } from "../storage/writer.ts";
import type { Approval, approvalsContract } from "./contract.ts";
import { ApprovalStore, type NewApproval, type Resolution, shown } from "./store.ts";

export interface ApprovalsParts {
  readonly db: Database;
  readonly writer: Pick<Writer, "write">;
  readonly publish: Publish<(typeof approvalsContract)["events"]>;
  /** How long a person has to answer. */
  readonly timeoutMs: () => number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
}

/** Whose run asks. */
export interface Asking {
  readonly sessionDbId: string;
  readonly sessionKey: string;
  readonly runId: string;
}

/** One that somebody waits for. */
interface Open {
  readonly approval: Approval;
  readonly settle: (decision: ApprovalDecision) => void;
  readonly cancel: Stop;
  /** On its way to the disk, asked, or with a decision that is on its way to the disk. */
  state: "new" | "asked" | "taken";
  /** What it comes to as soon as nothing is on its way. */
  ending: "timeout" | "cancelled" | undefined;
}

/** Asks people, and remembers what they said. */
export class Approvals {
  readonly #parts: ApprovalsParts;
  readonly #store: ApprovalStore;
  readonly #open = new Map<string, Open>();
  /** Decided, and refused by the disk: written with the next one. */
  readonly #unwritten = new Map<string, Resolution>();
  readonly #closing = new Set<Promise<void>>();
  #isStopped = false;

  constructor(parts: ApprovalsParts) {
    this.#parts = parts;
    this.#store = new ApprovalStore(parts.db);
  }

  /** Ends those that the last stop left open: their runs are gone. */
  async recover(): Promise<void> {
    const left = this.#store.undecided().filter(({ id }) => !this.#open.has(id) && !this.#unwritten.has(id));
    await Promise.all(left.map((approval) => this.#close(approval, this.#denied("restart"))));
  }

  /**
   * What a person answers; `deny` when nobody does in time, when `signal` is aborted first, and when it
   * cannot be written down. Never rejects.
   */
  async request(who: Asking, request: ApprovalRequest, signal: AbortSignal): Promise<ApprovalDecision> {
    const { tool } = request;
    if (signal.aborted || this.#isStopped) return "deny";
    // Once: what an agent makes of "always" may reach further than this session.
    if (tool !== undefined && this.isAlwaysAllowed(who.sessionDbId, tool)) return "allow_once";
    if (this.#open.size >= LIMITS.approvalsOpenMax) return this.#notAsked(who, "too many wait already");
    const asked = this.#newApproval(who, request);
    const { promise, resolve } = Promise.withResolvers<ApprovalDecision>();
    const open = this.#wait(who, asked, { settle: resolve, signal });
    try {
      await this.#parts.writer.write(() => this.#store.add(asked), (asked.details?.length ?? 0) + 1_024);
    } catch (error) {
      this.#forget(asked.id);
      return this.#notAsked(who, messageOf(error));
    }
    this.#parts.publish("approval.requested", { approval: open.approval });
    open.state = "asked";
    if (open.ending) this.#end(open, open.ending);
    return promise;
  }

  isAlwaysAllowed(sessionDbId: string, tool: string): boolean {
    return this.#store.isAlwaysAllowed(sessionDbId, tool);
  }

  /** The newest first, as many as fit one answer. */
  list(status: "open" | "all", limit: number): { approvals: Approval[]; hasMore: boolean } {
    const all =
      status === "all"
        ? this.#store.newest(limit + 1).map((approval) => this.#known(approval))
        : this.#asked().toReversed();
    let chars = 0;
    const fits = ({ title, details = "" }: Approval, place: number): boolean => {
      chars += title.length + details.length;
      return place === 0 || (place < limit && chars <= LIMITS.approvalsListedCharsMax);
    };
    const end = all.findIndex((approval, place) => !fits(approval, place));
    return { approvals: end < 0 ? all : all.slice(0, end), hasMore: end >= 0 };
  }

  /**
   * Decides; on disk when this resolves.
   *
   * @throws RpcError `not_found`, `conflict` when it is decided already, `unavailable` and `busy` as the disk
   */
  async resolve(id: string, decision: ApprovalDecision, by: string): Promise<Approval> {
    const open = this.#open.get(id);
    if (open?.state === "new" || (!open && !this.#store.find(id))) {
      throw new RpcError("not_found", `Cannot resolve approval "${id}": there is none`);
    }
    if (open?.state !== "asked") {
      throw new RpcError("conflict", `Cannot resolve approval "${id}": it is decided already`);
    }
    open.state = "taken";
    const resolution = { decision, resolvedAtMs: this.#parts.clock.now(), resolvedBy: by };
    try {
      await this.#write(id, resolution);
    } catch (error) {
      open.state = "asked";
      if (open.ending) this.#end(open, open.ending);
      throw error;
    }
    this.#forget(id);
    open.settle(decision);
    return this.#tell({ ...open.approval, ...resolution });
  }

  /** Ends what waits: the runs that asked end as well. Resolves when that is on disk, or cannot be. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const open of [...this.#open.values()]) this.#endLater(open, "cancelled");
    await Promise.all(this.#closing);
  }

  #asked(): Approval[] {
    return [...this.#open.values()].flatMap(({ state, approval }) => (state === "new" ? [] : [approval]));
  }

  #newApproval({ sessionDbId, runId }: Asking, { title, tool, details }: ApprovalRequest): NewApproval {
    const { clock, crypto, timeoutMs } = this.#parts;
    const createdAtMs = clock.now();
    return {
      id: crypto.id(),
      sessionDbId,
      runId,
      title: toLine(title),
      tool,
      details: details?.slice(0, LIMITS.approvalDetailsCharsMax + 1).toWellFormed(),
      createdAtMs,
      expiresAtMs: createdAtMs + timeoutMs(),
    };
  }

  #wait(
    { sessionKey }: Asking,
    asked: NewApproval,
    { settle, signal }: { settle: Open["settle"]; signal: AbortSignal },
  ): Open {
    const { id, runId, title, tool, details, createdAtMs, expiresAtMs } = asked;
    const approval: Approval = {
      id,
      sessionKey,
      runId,
      title,
      ...(tool !== undefined && { tool }),
      ...(details !== undefined && shown(details)),
      createdAtMs,
      expiresAtMs,
    };
    const onAbort = (): void => this.#endLater(open, "cancelled");
    const cancelTimer = this.#parts.timers.after(expiresAtMs - createdAtMs, () =>
      this.#endLater(open, "timeout"),
    );
    signal.addEventListener("abort", onAbort, { once: true });
    const cancel = (): void => {
      cancelTimer();
      signal.removeEventListener("abort", onAbort);
    };
    const open: Open = { approval, settle, cancel, state: "new", ending: undefined };
    this.#open.set(id, open);
    return open;
  }

  /** At once, or when it turns out that the decision on its way does not get to the disk. */
  #endLater(open: Open, by: "timeout" | "cancelled"): void {
    open.ending ??= by;
    if (open.state === "asked") this.#end(open, open.ending);
  }

  #end(open: Open, by: "timeout" | "cancelled"): void {
    this.#forget(open.approval.id);
    const closing = this.#close(open.approval, this.#denied(by));
    this.#closing.add(closing);
    // Who was cancelled does not listen; all others hear of the end before the agent goes on.
    if (by === "cancelled") open.settle("deny");
    void closing.finally(() => {
      this.#closing.delete(closing);
      open.settle("deny");
    });
  }

  /** Never rejects: that it is denied does not depend on the disk. */
  async #close(approval: Approval, resolution: Resolution): Promise<void> {
    const { id } = approval;
    this.#unwritten.set(id, resolution);
    try {
      await this.#write(id, resolution);
    } catch (error) {
      this.#parts.log.warn("approval denied, which is not written down yet", {
        id,
        reason: messageOf(error),
      });
    }
    this.#tell({ ...approval, ...resolution });
  }

  /** With what the disk refused before. */
  async #write(id: string, resolution: Resolution): Promise<void> {
    const all = new Map([...this.#unwritten, [id, resolution]]);
    await this.#parts.writer.write(() => {
      for (const [one, decided] of all) this.#store.resolve(one, decided);
    });
    for (const one of all.keys()) this.#unwritten.delete(one);
  }

  #forget(id: string): void {
    this.#open.get(id)?.cancel();
    this.#open.delete(id);
  }

  #tell(approval: Approval): Approval {
    this.#parts.publish("approval.resolved", { approval });
    return approval;
  }

  /** What is on disk, and what has happened since. */
  #known(approval: Approval): Approval {
    if (approval.decision !== undefined || this.#open.has(approval.id)) return approval;
    return { ...approval, ...(this.#unwritten.get(approval.id) ?? this.#denied("restart")) };
  }

  #denied(resolvedBy: "timeout" | "cancelled" | "restart"): Resolution {
    return { decision: "deny", resolvedAtMs: this.#parts.clock.now(), resolvedBy };
  }

  #notAsked({ runId, sessionKey }: Asking, reason: string): ApprovalDecision {
    this.#parts.log.warn("approval not asked for, so denied", { runId, sessionKey, reason });
    return "deny";
  }
}

/** One line that shows what it says: no control characters, and none that turn the direction of the text. */
function toLine(title: string): string {
  const line = title.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");
  if (line.length <= LIMITS.approvalTitleCharsMax) return line.toWellFormed();
  return `${line.slice(0, LIMITS.approvalTitleCharsMax - 1).toWellFormed()}…`;
}
