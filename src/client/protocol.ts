// Generated from the contracts by `bun run gen`; do not edit.

/** No keys at all. */
export type Empty = Record<string, never>;

/** The protocol this client speaks. */
export const PROTOCOL_VERSION = 1;

/** What a client may do. */
export type Scope = "read" | "write" | "admin" | "pairing" | "approvals";

/** Why a request failed. */
export type ErrorCode =
  | "parse_error"
  | "invalid_request"
  | "unknown_method"
  | "invalid_params"
  | "internal"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "timeout"
  | "conflict"
  | "too_large"
  | "busy"
  | "unavailable"
  | "cancelled";

/** Why the gateway closed the socket: 4000–4499 "come back", 4500–4999 "do not". */
export const CLOSE = {
  shutdown: 4001,
  slow: 4008,
  idle: 4009,
  replaced: 4010,
  rateLimited: 4013,
  unauthorized: 4501,
  protocol: 4502,
  origin: 4503,
  version: 4504,
  revoked: 4505,
} as const;

/** Part of `config.apply`, `config.override.set`, `config.override.unset`, `config.patch`, `config.rollback`, `config.set`, `config.unset`. */
export type ConfigOutcome = {
  ok: true;
  path: string;
  /** of the files as they are now: the next baseHash */
  hash: string;
  /** settings that have another value now */
  changed: string[];
  /** settings that wait for a restart */
  restartOwed: string[];
  /** what was there before, for config.rollback */
  backup?: string;
  /** what was converted on the way, in words */
  notes: string[];
};

/** Part of `config.explain`. */
export type ConfigPlace = {
  file: string;
  /** from 1 */
  line: number;
  /** from 1 */
  column: number;
};

/** Part of `config.get`, `config.validate`, `config.rejected`. */
export type ConfigProblem = {
  file?: string;
  /** from 1 */
  line?: number;
  /** from 1 */
  column?: number;
  /** the setting; empty where it is about the whole */
  key: string;
  message: string;
};

/** Part of `connect`. */
export type ConnectParams = {
  minProtocol?: number | undefined;
  maxProtocol?: number | undefined;
  client?:
    | {
        id?: string | undefined;
        version?: string | undefined;
        platform?: string | undefined;
        mode?: string | undefined;
        displayName?: string | undefined;
        instanceId?: string | undefined;
        deviceFamily?: string | undefined;
        modelIdentifier?: string | undefined;
      }
    | undefined;
  auth?:
    | { token?: string | undefined; password?: string | undefined; deviceToken?: string | undefined }
    | undefined;
  role?: "operator" | "node" | undefined;
  scopes?: string[] | undefined;
  device?: Record<string, unknown> | undefined;
  caps?: string[] | undefined;
  locale?: string | undefined;
  userAgent?: string | undefined;
  resume?: Cursor | undefined;
};

/** Part of `Message`. */
export type Content =
  | { type: "text"; text: string }
  | { type: "thinking"; text: string }
  | { type: "tool_call"; id: string; name: string; args: string };

/** Part of `ConnectParams`. */
export type Cursor = { epoch: string; seq: number };

/** Part of `Message`. */
export type CutStatus = "aborted" | "error" | "interrupted";

/** Part of `Hello`, `health`. */
export type Health = {
  ok: boolean;
  /** ms since 1970 */
  ts: number;
  uptimeMs: number;
  clients: number;
  runs: { active: number; queued: number };
};

/** Part of `connect`. */
export type Hello = {
  type: "hello-ok";
  protocol: number;
  server: { name: string; version: string; runtime: string; connId: string };
  features: { methods: string[]; events: string[] };
  snapshot: {
    health: Health;
    presence: PresenceEntry[];
    stateVersion: { presence: number; health: number };
    uptimeMs: number;
    configPath: string;
    stateDir: string;
  };
  auth: { role: "operator" | "node"; scopes: Scope[] };
  policy: { maxPayload: number; maxBufferedBytes: number; tickIntervalMs: number; maxInflight: number };
  resume: { epoch: string; seq: number; replayed: number; resync: boolean };
};

/** Part of `chat.history`, `chat`. */
export type Message = {
  id: string;
  role: "user" | "assistant";
  content: Content[];
  /** ms since 1970 */
  ts: number;
  runId?: string;
  /** absent: whole */
  status?: CutStatus;
};

/** Part of `Hello`, `system-presence`, `presence`. */
export type PresenceEntry = {
  connId: string;
  /** the client's own id, unverified */
  client: string;
  displayName?: string;
  version?: string;
  platform?: string;
  mode?: string;
  instanceId?: string;
  role: "operator" | "node";
  scopes: Scope[];
  connectedAtMs: number;
};

/** Part of `agent.wait`, `chat`. */
export type RunFailure = { code: ErrorCode; message: string; retryAfterMs?: number };

/** Part of `sessions.create`, `sessions.list`, `sessions.changed`. */
export type Session = {
  key: string;
  /** made by the gateway; a session deleted and made again has another one */
  id: string;
  agentId: string;
  label?: string;
  /** absent: the configured default */
  model?: string;
  createdAtMs: number;
  updatedAtMs: number;
  messages: number;
  /** a run is going on or waiting */
  active: boolean;
};

/** Part of `chat`. */
export type Usage = { inputTokens: number; outputTokens: number };

/** Every method of the gateway itself; plugins may add others. */
export interface Methods {
  /**
   * Answers when the run has ended, or its state when the time is up
   *
   * scope: read; errors: not_found
   */
  "agent.wait": {
    params: { runId: string; timeoutMs?: number | undefined };
    result: {
      runId: string;
      /** timeout: the run goes on, the waiting does not */
      status: "ok" | "error" | "aborted" | "interrupted" | "timeout";
      /** ms since 1970; absent while it waits */
      startedAt?: number;
      endedAt?: number;
      error?: RunFailure;
    };
  };
  /**
   * Stops one run or all of a session, waiting ones too; the text so far is kept
   *
   * scope: write; changes something
   */
  "chat.abort": {
    params: {
      sessionKey: string;
      runId?: string | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: { aborted: boolean; runIds: string[] };
  };
  /**
   * Messages of a session in order of time: the last ones, or a page before or after a message
   *
   * scope: read; errors: invalid_params
   */
  "chat.history": {
    params: {
      sessionKey: string;
      limit?: number | undefined;
      before?: string | undefined;
      after?: string | undefined;
    };
    result: {
      sessionKey: string;
      messages: Message[];
      /** present when there are older ones */
      before?: string;
      /** present when there are newer ones */
      after?: string;
    };
  };
  /**
   * Gives a message to the session's agent; answers when the message is on disk
   *
   * scope: write; changes something; errors: busy, conflict, unavailable
   */
  "chat.send": {
    params: {
      sessionKey: string;
      message: string;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey: string;
      timeoutMs?: number | undefined;
    };
    result: { runId: string; status: "started" | "queued" };
  };
  /**
   * Replaces the whole file, undone unless confirmed if so asked
   *
   * scope: admin; changes something; errors: conflict, invalid_params, busy, unavailable
   */
  "config.apply": {
    params: {
      raw: string;
      /** required where a file exists */
      baseHash?: string | undefined;
      /** keys that may go, with all that is in them */
      drop?: string[] | undefined;
      /** write raw as it is, even where it has no comments and the file has */
      verbatim?: boolean | undefined;
      /** undone unless a client that connects afterwards calls config.confirm within this time, ms */
      confirmWithinMs?: number | undefined;
      /** ignored */
      sessionKey?: string | undefined;
      /** ignored */
      note?: string | undefined;
      /** ignored: a restart waits until no run is active */
      restartDelayMs?: number | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: ConfigOutcome;
  };
  /**
   * What config.rollback can put back, the newest first
   *
   * scope: admin
   */
  "config.backups": {
    params: Empty;
    result: { backups: string[] };
  };
  /**
   * Keeps what config.apply or config.patch wrote; from a connection made since it is in force
   *
   * scope: admin; changes something; errors: conflict
   */
  "config.confirm": {
    params: {
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: {
      /** false: nothing waits for it */
      confirmed: boolean;
    };
  };
  /**
   * Why a setting has the value it has
   *
   * scope: admin; errors: not_found
   */
  "config.explain": {
    params: {
      /** such as gateway.port */
      key: string;
    };
    result: {
      key: string;
      /** *** for a secret; absent when it is not set */
      value: unknown;
      layer: "default" | "file" | "env" | "flag" | "override";
      source?: ConfigPlace;
      /** the variable or option */
      name?: string;
      /** the setting it is a part of; variables set that as a whole */
      partOf?: string;
      /** the variable that sets it; none for what only a file can say */
      env?: string;
      default: unknown;
      hidden: Array<{
        layer: "default" | "file" | "env" | "flag" | "override";
        value: unknown;
        source?: ConfigPlace;
        name?: string;
      }>;
      reload: "live" | "feature" | "process";
      description: string;
      /** the value waits for a restart */
      restartOwed: boolean;
    };
  };
  /**
   * The configuration in force and the text of its file, secrets hidden
   *
   * scope: admin; errors: not_found
   */
  "config.get": {
    params: {
      /** only this part of it */
      key?: string | undefined;
    };
    result: {
      path: string;
      exists: boolean;
      /** of the file and all it includes */
      hash: string;
      valid: boolean;
      /** in force, defaults included */
      config: unknown;
      /** as written in the files, references unresolved */
      parsed: unknown;
      /** the main file's text; null without one, or if it cannot be read */
      raw: string | null;
      issues: ConfigProblem[];
      warnings: ConfigProblem[];
      restartOwed: string[];
    };
  };
  /**
   * What is set until the process ends, secrets hidden
   *
   * scope: admin
   */
  "config.override.list": {
    params: Empty;
    result: { overrides: Array<{ key: string; value: unknown }> };
  };
  /**
   * Sets one setting until the process ends, over everything else
   *
   * scope: admin; changes something; errors: invalid_params, not_found, unavailable
   */
  "config.override.set": {
    params: {
      /** such as gateway.port */
      key: string;
      value: unknown;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: ConfigOutcome;
  };
  /**
   * Takes such a setting back
   *
   * scope: admin; changes something; errors: not_found, unavailable
   */
  "config.override.unset": {
    params: {
      /** such as gateway.port */
      key: string;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: ConfigOutcome;
  };
  /**
   * Merges a JSON merge patch into the file (RFC 7396); lists of things with an id by id
   *
   * scope: admin; changes something; errors: conflict, invalid_params, busy, unavailable
   */
  "config.patch": {
    params: {
      /** JSON text of the patch; null takes a key out */
      raw: string;
      /** required where a file exists */
      baseHash?: string | undefined;
      /** undone unless a client that connects afterwards calls config.confirm within this time, ms */
      confirmWithinMs?: number | undefined;
      /** ignored */
      sessionKey?: string | undefined;
      /** ignored */
      note?: string | undefined;
      /** ignored: a restart waits until no run is active */
      restartDelayMs?: number | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: ConfigOutcome;
  };
  /**
   * Puts the files of a backup back, after a backup of what is there
   *
   * scope: admin; changes something; errors: conflict, invalid_params, busy, unavailable, not_found
   */
  "config.rollback": {
    params: {
      /** absent: the newest */
      backup?: string | undefined;
      /** hash of what the writer has read; another one now is a conflict */
      baseHash?: string | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: ConfigOutcome;
  };
  /**
   * JSON Schema of the configuration, with hints for forms
   *
   * scope: admin
   */
  "config.schema": {
    params: Empty;
    result: {
      schema: Record<string, unknown>;
      /** by key, * for any entry */
      uiHints: Record<string, unknown>;
      version: string;
    };
  };
  /**
   * Writes one key, or the whole file as `raw`
   *
   * scope: admin; changes something; errors: conflict, invalid_params, busy, unavailable
   */
  "config.set": {
    params: {
      /** such as gateway.port */
      key?: string | undefined;
      value?: unknown;
      raw?: string | undefined;
      /** hash of what the writer has read; another one now is a conflict */
      baseHash?: string | undefined;
      /** keys that may go, with all that is in them */
      drop?: string[] | undefined;
      /** write raw as it is, even where it has no comments and the file has */
      verbatim?: boolean | undefined;
      /** ignored */
      sessionKey?: string | undefined;
      /** ignored */
      note?: string | undefined;
      /** ignored: a restart waits until no run is active */
      restartDelayMs?: number | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: ConfigOutcome;
  };
  /**
   * Takes one key out of the file, so that its default applies
   *
   * scope: admin; changes something; errors: conflict, invalid_params, busy, unavailable, not_found
   */
  "config.unset": {
    params: {
      /** such as gateway.port */
      key: string;
      /** hash of what the writer has read; another one now is a conflict */
      baseHash?: string | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: ConfigOutcome;
  };
  /**
   * What a change would be refused for, or lead to; changes nothing
   *
   * scope: admin; errors: invalid_params
   */
  "config.validate": {
    params: {
      /** a whole configuration; absent: the file as it is now */
      raw?: string | undefined;
      /** JSON text of a merge patch */
      patch?: string | undefined;
      /** keys that may go, with all that is in them */
      drop?: string[] | undefined;
    };
    result: {
      valid: boolean;
      errors: ConfigProblem[];
      warnings: ConfigProblem[];
      changed: string[];
      plan: {
        /** settings in force at once */
        applied: string[];
        /** parts that start anew for it */
        features: string[];
        /** settings that wait for a restart */
        restartOwed: string[];
        /** the restart comes by itself when no run is active */
        restarts: boolean;
      };
    };
  };
  /**
   * Is it well? Costs nothing
   *
   * scope: read
   */
  health: {
    params: Empty;
    result: Health;
  };
  /**
   * Makes a session, or answers with the one that has this key
   *
   * scope: write; changes something; errors: conflict, not_found, busy
   */
  "sessions.create": {
    params: {
      key: string;
      label?: string | undefined;
      agentId?: string | undefined;
      model?: string | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: { key: string; created: boolean; session: Session };
  };
  /**
   * Stops the session's runs and removes it with its history
   *
   * scope: write; changes something
   */
  "sessions.delete": {
    params: {
      key: string;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: { deleted: boolean };
  };
  /**
   * Sessions, the last used first
   *
   * scope: read
   */
  "sessions.list": {
    params: {
      limit?: number | undefined;
      /** part of the key or label; the case of a to z is ignored */
      search?: string | undefined;
      agentId?: string | undefined;
    };
    result: { sessions: Session[]; total: number };
  };
  /**
   * What an operator wants to know at a glance
   *
   * scope: read
   */
  status: {
    params: Empty;
    result: {
      version: string;
      /** name and version of the runtime */
      runtime: string;
      uptimeMs: number;
      config: {
        path: string;
        /** of the files in force; empty when there are none */
        hash: string;
        /** false: the files cannot be used as they are, what was before goes on */
        valid: boolean;
        /** the first thing that is wrong with the files */
        error?: { file?: string; line?: number; column?: number; message: string };
        /** settings that wait for a restart */
        restartOwed: string[];
        /** started on a copy of the last files that could be used */
        safeMode: boolean;
        /** a change is undone after this time unless confirmed */
        confirmWithinMs?: number;
        warnings: string[];
      };
      stateDir: string;
      /** what a session without a model of its own is answered by */
      model: string;
      sessions: number;
      runs: { active: number; queued: number };
      clients: number;
      memory: { rssBytes: number };
    };
  };
  /**
   * The clients connected now
   *
   * scope: read
   */
  "system-presence": {
    params: Empty;
    result: PresenceEntry[];
  };
  /**
   * Starts the gateway anew with the configuration as it is now, when no run is active
   *
   * scope: admin; changes something
   */
  "system.restart": {
    params: {
      /** does not wait for runs; they get a moment to end */
      now?: boolean | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: {
      ok: true;
      /** runs that have to end first */
      waitsForRuns: number;
    };
  };
  /**
   * The wake words in force
   *
   * scope: read
   */
  "voicewake.get": {
    params: Empty;
    result: { triggers: string[] };
  };
  /**
   * Replaces the wake words; an empty list brings the default ones back
   *
   * scope: write; changes something
   */
  "voicewake.set": {
    params: {
      triggers: string[];
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: { triggers: string[] };
  };
}

/** What each event of the gateway itself carries; plugins may add others. */
export interface Events {
  /**
   * A run as its agent lives it
   *
   * scope: read; delivery: must
   */
  agent: {
    runId: string;
    sessionKey: string;
    stream: "lifecycle" | "assistant" | "tool" | "thinking" | "error";
    ts: number;
    data: Record<string, unknown>;
  };
  /**
   * A run as a chat shows it: pieces of text, then the whole message. Pieces skip slow clients
   *
   * scope: read; delivery: must
   */
  chat:
    | {
        runId: string;
        sessionKey: string;
        state: "delta";
        /** characters of the text before this piece (UTF-16 units) */
        offset: number;
        delta: string;
      }
    | { runId: string; sessionKey: string; state: "final"; message: Message; usage?: Usage }
    | {
        runId: string;
        sessionKey: string;
        state: "aborted";
        /** absent when nothing had been said */
        message?: Message;
        reason: "request" | "timeout" | "shutdown" | "deleted";
      }
    | { runId: string; sessionKey: string; state: "error"; message?: Message; error: RunFailure };
  /**
   * The files say something else, and it is in force but for what is owed
   *
   * scope: read; delivery: must
   */
  "config.changed": {
    /** settings; none when only comments or formatting differ */
    changed: string[];
    hash: string;
    restartOwed: string[];
  };
  /**
   * The files cannot be used as they are now; the configuration goes on as before
   *
   * scope: read; delivery: must
   */
  "config.rejected": { hash: string; errors: ConfigProblem[] };
  /**
   * The number of clients or runs has changed; at most one a second
   *
   * scope: read; delivery: latest; not replayed
   */
  health: Health;
  /**
   * The clients connected now; several changes make one event
   *
   * scope: read; delivery: latest; not replayed
   */
  presence: { presence: PresenceEntry[] };
  /**
   * To one client that reads again: events it did not get while its buffer was full
   *
   * scope: read; delivery: must; not replayed
   */
  resync: { from: number; to: number; dropped: number };
  /**
   * A session was made, changed or deleted
   *
   * scope: read; delivery: latest
   */
  "sessions.changed": { key: string; action: "created" | "updated" | "deleted"; session?: Session };
  /**
   * The gateway is about to stop
   *
   * scope: read; delivery: must; not replayed
   */
  shutdown: {
    reason: string;
    /** 0: it is not coming back by itself */
    restartExpectedMs: number;
  };
  /**
   * The gateway is alive; every 15 s
   *
   * scope: read; delivery: latest; not replayed
   */
  tick: {
    /** ms since 1970 */
    ts: number;
  };
  /**
   * The wake words are different now
   *
   * scope: read; delivery: latest
   */
  "voicewake.changed": { triggers: string[] };
}

/** Methods that cannot do without an idempotency key. */
export const KEYED_METHODS: readonly string[] = ["chat.send"];
