import { RpcError } from "../../contract/errors.ts";
import type { Publish } from "../../feature.ts";
import type { Hooks } from "../../hooks.ts";
import type { Clock, Crypto, Database } from "../../ports.ts";
import type { Session, sessionsContract } from "./contract.ts";
import { agentOf, type KeyConfig, kindOf, mainKeyOf } from "./keys.ts";
import { isResetDue, type ResetConfig, resetRuleOf } from "./resets.ts";
import { toWire } from "./show.ts";
import { prepareSessions, type SessionStatements, type StoredSession, toStored } from "./stored.ts";

export type { StoredSession } from "./stored.ts";

export interface SessionOptions {
  readonly label?: string | undefined;
  readonly agentId?: string | undefined;
  readonly model?: string | undefined;
}

export interface SessionsPorts {
  readonly db: Database;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly publish: Publish<(typeof sessionsContract)["events"]>;
  readonly keepMax: () => number;
  /** The configuration's section `session`. */
  readonly config: () => Omit<KeyConfig, "defaultAgent"> & ResetConfig;
  /** The agent of a session nobody gave one. */
  readonly defaultAgent: () => string;
  /** Is there an agent of this id in the configuration? */
  readonly isAgent: (agentId: string) => boolean;
  /** Is a run of this session going on or waiting? */
  readonly isActive: (id: string) => boolean;
  readonly hooks: Hooks;
}

/** A session that a message is for, as it is after {@link Sessions.admit}. */
export interface Admitted {
  readonly session: StoredSession;
  readonly created: boolean;
  /** It began anew: what its agent holds is to be let go. */
  readonly wasReset: boolean;
}

/** What {@link Sessions.patchIn} may change. */
export type SessionChange = Partial<Pick<StoredSession, "agentId" | "settings">> & {
  readonly label?: string | null | undefined;
  readonly model?: string | null | undefined;
};

/**
 * The sessions on disk, and the word about their changes. What ends in `In`, and `admit`, is called inside a
 * work of the writer; the rest only reads.
 */
export class Sessions {
  readonly #ports: SessionsPorts;
  readonly #sql: SessionStatements;

  constructor(ports: SessionsPorts) {
    this.#ports = ports;
    this.#sql = prepareSessions(ports.db);
  }

  count(): number {
    return Number(this.#sql.count.get()?.["n"] ?? 0);
  }

  /** What routes to sessions depend on. */
  keyConfig(): KeyConfig {
    return { ...this.#ports.config(), defaultAgent: this.#ports.defaultAgent() };
  }

  /** `main` is the default agent's own session; any other key is what it is. */
  canonical(key: string): string {
    if (key !== "main") return key;
    return mainKeyOf({ scope: this.#ports.config().scope, defaultAgent: this.#ports.defaultAgent() });
  }

  find(key: string): StoredSession | undefined {
    const row = this.#sql.find.get(this.canonical(key));
    return row && toStored(row);
  }

  byId(id: string): StoredSession | undefined {
    const row = this.#sql.byId.get(id);
    return row && toStored(row);
  }

  bySessionId(sessionId: string): StoredSession | undefined {
    const row = this.#sql.bySessionId.get(sessionId);
    return row && toStored(row);
  }

  byLabel(label: string): StoredSession | undefined {
    const row = this.#sql.byLabel.get(label);
    return row && toStored(row);
  }

  /**
   * The session of this key, made when there is none, begun anew when that is due. `options` are for one
   * that is made.
   *
   * @throws RpcError `busy` when too many are kept, `not_found` for an agent nobody configured, `conflict`
   *   for a label that another has
   */
  admit(key: string, options: SessionOptions, ts: number): Admitted {
    const known = this.find(key);
    if (!known)
      return { session: this.#create(this.canonical(key), options, ts), created: true, wasReset: false };
    if (!this.#isResetDue(known, ts)) return { session: known, created: false, wasReset: false };
    return { session: this.resetIn(known, ts), created: false, wasReset: true };
  }

  /** Begins the session anew. What was said can still be found; settings, label and model stay. */
  resetIn(session: StoredSession, ts: number): StoredSession {
    const newest = Number(this.#sql.newestMessage.get(session.id)?.["id"] ?? 0);
    this.#sql.reset.run(this.#ports.crypto.id(), newest, newest, ts, session.id);
    return this.#afterWrite(session.id);
  }

  /** @throws RpcError `not_found`, `conflict`: as {@link Sessions.admit} */
  patchIn(session: StoredSession, change: SessionChange): StoredSession {
    const { agentId = session.agentId, settings = session.settings } = change;
    const { label = session.label ?? null, model = session.model ?? null } = change;
    if (agentId !== session.agentId) this.#checkAgent(session.key, agentId, "change");
    if (label !== null) this.#checkLabel(session.key, label);
    this.#sql.patch.run(agentId, label, model, JSON.stringify(settings), session.id);
    return this.#afterWrite(session.id);
  }

  /** From here on there is no such session; its messages are for {@link Remains} to take away. */
  buryIn(id: string): void {
    this.#sql.dropApprovals.run(id);
    this.#sql.dropRules.run(id);
    this.#sql.bury.run(id);
  }

  /** Tells clients how the session is now. */
  announce(key: string, action: "created" | "updated" | "reset" | "deleted"): void {
    const known = this.canonical(key);
    const { hooks } = this.#ports;
    if (action === "reset" || action === "deleted")
      hooks.tell("session_end", { sessionKey: known, reason: action });
    if (action === "created" || action === "reset")
      hooks.tell("session_start", { sessionKey: known, reason: action });
    if (action === "deleted") {
      this.#ports.publish("sessions.changed", { key: known, action }, { key: known });
      return;
    }
    const stored = this.find(known);
    if (!stored) return;
    this.#ports.publish(
      "sessions.changed",
      { key: known, action, session: this.show(stored) },
      { key: known },
    );
  }

  /** Is a run of this session going on or waiting? */
  isActive(id: string): boolean {
    return this.#ports.isActive(id);
  }

  /** Is it the main session of an agent that is configured, or everybody's? */
  isMain(key: string): boolean {
    const agentId = agentOf(key);
    return kindOf(key) === "main" && (agentId === undefined || this.#ports.isAgent(agentId));
  }

  isAgent(agentId: string): boolean {
    return this.#ports.isAgent(agentId);
  }

  /** The session with what is known of it only now. */
  show(session: StoredSession): Session {
    return toWire(session, this.#ports.isActive(session.id));
  }

  #isResetDue(session: StoredSession, ts: number): boolean {
    if (session.messages === 0 || this.#ports.isActive(session.id)) return false;
    const rule = resetRuleOf(session.key, this.#ports.config());
    return isResetDue(rule, { lastMs: session.updatedAtMs, ts }, this.#ports.clock);
  }

  #create(key: string, options: SessionOptions, ts: number): StoredSession {
    const agentId = agentOf(key) ?? options.agentId ?? this.#ports.defaultAgent().toLowerCase();
    this.#checkAgent(key, options.agentId ?? agentId, "create");
    this.#checkAgent(key, agentId, "create");
    const { label = null, model = null } = options;
    if (label !== null) this.#checkLabel(key, label);
    const keepMax = this.#ports.keepMax();
    if (this.count() >= keepMax) {
      throw new RpcError("busy", `Cannot create session "${key}": ${keepMax} are kept already`, {
        details: { bound: keepMax },
      });
    }
    const { crypto } = this.#ports;
    const id = crypto.id();
    this.#sql.insert.run(id, key, kindOf(key), crypto.id(), agentId, label, model, ts, ts);
    return this.#afterWrite(id);
  }

  #checkAgent(key: string, agentId: string, verb: string): void {
    const named = agentOf(key);
    if (named !== undefined && named !== agentId) {
      throw new RpcError("conflict", `Cannot ${verb} session "${key}": its key names agent "${named}"`);
    }
    // In a key, an id stands as the configuration's is in lower case: no two keys for one agent.
    if (agentId === agentId.toLowerCase() && this.#ports.isAgent(agentId)) return;
    throw new RpcError("not_found", `Cannot ${verb} session "${key}": no agent "${agentId}" is configured`);
  }

  #checkLabel(key: string, label: string): void {
    const other = this.byLabel(label);
    if (!other || other.key === key) return;
    throw new RpcError("conflict", `Cannot give session "${key}" label "${label}": "${other.key}" has it`);
  }

  #afterWrite(id: string): StoredSession {
    const session = this.byId(id);
    if (!session) throw new Error("session not found after it was written");
    return session;
  }
}
