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

/** Part of `events.subscribe`. */
export type ActiveRun = {
  runId: string;
  sessionKey: string;
  /** so far, the next piece fits it; absent where all of it is too long for one answer */
  text?: string;
  /** ms since 1970 */
  startedAt: number;
};

/** Part of `agents.list`. */
export type AgentInfo = {
  id: string;
  name?: string;
  /** the first to use; empty while it is being looked for */
  model: string;
  fallbacks: string[];
  /** key of its main session */
  mainKey: string;
};

/** Part of `approvals.list`, `approvals.resolve`, `approval.requested`, `approval.resolved`. */
export type Approval = {
  id: string;
  sessionKey: string;
  runId: string;
  /** what wants to be done, in one line */
  title: string;
  /** what allow_always is remembered for; absent: it counts once */
  tool?: string;
  /** what it would do, in full */
  details?: string;
  /** there is more of the details than is shown */
  isCut?: boolean;
  createdAtMs: number;
  /** denied when nobody has answered by then */
  expiresAtMs: number;
  /** absent: open */
  decision?: Decision;
  resolvedAtMs?: number;
  /** the client; `timeout`, `cancelled` with its run, `restart` of the gateway */
  resolvedBy?: string;
};

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
  subscribe?: Subscription | undefined;
};

/** Part of `Message`. */
export type Content =
  | { type: "text"; text: string }
  | { type: "thinking"; text: string }
  | {
      type: "image";
      /** for chat.image */
      id: string;
      mimeType: string;
      bytes: number;
    }
  | {
      type: "tool_call";
      id: string;
      name: string;
      /** JSON text */
      args: string;
      /** absent: cut off before it answered */
      result?: string;
      isError?: boolean;
    };

/** Part of `ConnectParams`. */
export type Cursor = { epoch: string; seq: number };

/** Part of `Message`. */
export type CutStatus = "aborted" | "error" | "interrupted" | "damaged";

/** Part of `Approval`, `approvals.resolve`. */
export type Decision = "allow_once" | "allow_always" | "deny";

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

/** Part of `models.list`. */
export type ModelInfo = {
  /** PROVIDER/MODEL */
  id: string;
  name: string;
  provider: string;
  /** tokens it reads at most */
  contextWindow?: number;
  reasoning?: boolean;
  /** named in the configuration, not only by its server */
  isConfigured: boolean;
};

/** Part of `runs.list`. */
export type Origin = "chat" | "agent" | "http" | "hook" | "plugin";

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

/** Part of `chat.send`. */
export type SendStatus = "started" | "queued" | "joined" | "steered" | "stopped" | "reset";

/** Part of `ConnectParams`, `events.subscribe`. */
export type Subscription = {
  /** absent: the runs this client began */
  sessions?: string[] | "all";
  /** names; absent: every event its scopes allow */
  events?: string[];
};

/** Part of `chat`. */
export type Usage = { inputTokens: number; outputTokens: number; cachedTokens?: number };

/** Every method of the gateway itself; plugins may add others. */
export interface Methods {
  /**
   * Starts a run of an agent with options of its own; agent.wait tells how it ends
   *
   * scope: write; changes something; errors: invalid_params, not_found, busy, conflict, unavailable
   */
  agent: {
    params: {
      message: string;
      /** absent: the agent's main session */
      sessionKey?: string | undefined;
      /** names a session without its key */
      sessionId?: string | undefined;
      /** for a session that has to be made */
      label?: string | undefined;
      agentId?: string | undefined;
      attachments?:
        | Array<{
            type?: string | undefined;
            mimeType: "image/png" | "image/jpeg" | "image/gif" | "image/webp";
            fileName?: string | undefined;
            /** base64, with or without the head of a data URL */
            content: string;
          }>
        | undefined;
      /** for this run only */
      model?: string | undefined;
      /** for this run only, after the agent's own */
      extraSystemPrompt?: string | undefined;
      timeoutMs?: number | undefined;
      /** in seconds, as the original has it; 0: the longest */
      timeout?: number | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey: string;
      /** of the original, not used here */
      to?: string | undefined;
      /** of the original, not used here */
      thinking?: string | undefined;
      /** of the original, not used here */
      deliver?: boolean | undefined;
      /** of the original, not used here */
      channel?: string | undefined;
      /** of the original, not used here */
      replyTo?: string | undefined;
      /** of the original, not used here */
      accountId?: string | undefined;
      /** of the original, not used here */
      threadId?: string | undefined;
      /** of the original, not used here */
      lane?: string | undefined;
      /** of the original, not used here */
      spawnedBy?: string | undefined;
    };
    result: { runId: string; sessionKey: string; status: "accepted"; acceptedAt: number };
  };
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
      /** who stopped it, where somebody did */
      stoppedBy?: string;
    };
  };
  /**
   * The agents of this gateway
   *
   * scope: read
   */
  "agents.list": {
    params: Empty;
    result: {
      /** answers where no agent is named */
      defaultId: string;
      /** key of the default agent's main session */
      mainKey: string;
      scope: "per-sender" | "global";
      agents: AgentInfo[];
    };
  };
  /**
   * What waits for a person's yes, the newest first; or also what was decided
   *
   * scope: approvals
   */
  "approvals.list": {
    params: { status?: "open" | "all" | undefined; limit?: number | undefined };
    result: {
      approvals: Approval[];
      /** there are older ones */
      hasMore: boolean;
    };
  };
  /**
   * Decides; the first decision holds. allow_always: this tool is not asked about in this session again
   *
   * scope: approvals; changes something; errors: not_found, conflict, busy, unavailable
   */
  "approvals.resolve": {
    params: {
      id: string;
      decision: Decision;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: { approval: Approval };
  };
  /**
   * Has a channel forget an account's credentials at the other side
   *
   * scope: admin; changes something; errors: not_found, unavailable
   */
  "channels.logout": {
    params: {
      channel: string;
      accountId?: string | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: { channel: string; accountId: string; cleared: boolean };
  };
  /**
   * Lets somebody in by the code they were given
   *
   * scope: pairing; changes something; errors: not_found, unavailable, busy
   */
  "channels.pairing.approve": {
    params: {
      code: string;
      channel?: string | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: {
      channel: string;
      accountId: string;
      senderId: string;
      name?: string;
      state: "waiting" | "approved";
      /** what the owner is told by the stranger */
      code?: string;
      createdAtMs: number;
      expiresAtMs?: number;
    };
  };
  /**
   * Who waits to be let in, and who was
   *
   * scope: pairing
   */
  "channels.pairing.list": {
    params: { channel?: string | undefined };
    result: {
      senders: Array<{
        channel: string;
        accountId: string;
        senderId: string;
        name?: string;
        state: "waiting" | "approved";
        /** what the owner is told by the stranger */
        code?: string;
        createdAtMs: number;
        expiresAtMs?: number;
      }>;
    };
  };
  /**
   * Forgets somebody: a next message is a stranger's again
   *
   * scope: pairing; changes something; errors: unavailable
   */
  "channels.pairing.remove": {
    params: {
      channel: string;
      accountId?: string | undefined;
      senderId: string;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: { removed: boolean };
  };
  /**
   * Every channel and how its accounts are
   *
   * scope: read
   */
  "channels.status": {
    params: { probe?: boolean | undefined; timeoutMs?: number | undefined };
    result: {
      ts: number;
      channelOrder: string[];
      channelLabels: Record<string, string>;
      channels: Record<string, { configured: boolean; running: boolean; [key: string]: unknown }>;
      channelAccounts: Record<
        string,
        Array<{
          accountId: string;
          name?: string;
          enabled: boolean;
          configured: boolean;
          running: boolean;
          connected: boolean;
          state: "connecting" | "connected" | "ended" | "failed";
          lastError?: string;
          lastInboundAt?: number;
          lastOutboundAt?: number;
          /** messages that have not left yet */
          waiting: number;
          [key: string]: unknown;
        }>
      >;
      channelDefaultAccountId: Record<string, string>;
    };
  };
  /**
   * Stops one run, or all of a session, waiting ones too; the text so far is kept
   *
   * scope: write; changes something; errors: invalid_params, conflict
   */
  "chat.abort": {
    params: {
      sessionKey?: string | undefined;
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
      /** also what was said before the last reset */
      earlier?: boolean | undefined;
    };
    result: {
      sessionKey: string;
      /** another one after each reset; absent: no such session */
      sessionId?: string;
      messages: Message[];
      /** present when there are older ones */
      before?: string;
      /** present when there are newer ones */
      after?: string;
    };
  };
  /**
   * A picture of a message
   *
   * scope: read; errors: not_found
   */
  "chat.image": {
    params: { sessionKey: string; id: string };
    result: {
      mimeType: string;
      /** base64 */
      data: string;
    };
  };
  /**
   * Adds a message of the agent without a run
   *
   * scope: admin; changes something; errors: not_found, busy, unavailable
   */
  "chat.inject": {
    params: {
      sessionKey: string;
      message: string;
      /** put before the text, in brackets */
      label?: string | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: { messageId: string };
  };
  /**
   * Answers the last message again whose run was cut, stopped or failed
   *
   * scope: write; changes something; errors: not_found, conflict, busy, unavailable
   */
  "chat.retry": {
    params: {
      sessionKey: string;
      /** the run to try again; absent: the last one of the session */
      runId?: string | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: { runId: string; sessionKey: string; status: "started" | "queued" };
  };
  /**
   * Gives a message to the session's agent; answers when the message is on disk
   *
   * scope: write; changes something; errors: invalid_params, not_found, busy, conflict, unavailable
   */
  "chat.send": {
    params: {
      sessionKey: string;
      /** not empty, unless there are attachments */
      message: string;
      attachments?:
        | Array<{
            type?: string | undefined;
            mimeType: "image/png" | "image/jpeg" | "image/gif" | "image/webp";
            fileName?: string | undefined;
            /** base64, with or without the head of a data URL */
            content: string;
          }>
        | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey: string;
      timeoutMs?: number | undefined;
      /** of the original, not used here */
      thinking?: string | undefined;
      /** of the original, not used here */
      deliver?: boolean | undefined;
    };
    result: {
      /** who answers; after a word alone, the run that was stopped, or one that says nothing */
      runId: string;
      /** as events and lists have it */
      sessionKey: string;
      status: SendStatus;
    };
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
   * Says what this connection is told of, in place of what it said before; runs that go on with it
   *
   * scope: read; errors: invalid_params, invalid_request, forbidden
   */
  "events.subscribe": {
    params: Subscription;
    result: {
      /** absent: the runs this client began */
      sessions?: string[] | "all";
      /** names; absent: every event its scopes allow */
      events?: string[];
      /** of the last event before this holds */
      seq: number;
      /** of the sessions that are followed */
      active: ActiveRun[];
    };
  };
  /**
   * As if this connection had never said what it is told of: what is no session's, and its own runs
   *
   * scope: read; errors: invalid_request
   */
  "events.unsubscribe": {
    params: Empty;
    result: {
      /** of the last event before this holds */
      seq: number;
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
   * Models of the configuration, and those that its servers say they have
   *
   * scope: read
   */
  "models.list": {
    params: Empty;
    result: {
      models: ModelInfo[];
      /** servers that could not be asked */
      failed: Array<{ provider: string; message: string }>;
    };
  };
  /**
   * Switches a plugin off, in the configuration
   *
   * scope: admin; changes something; errors: not_found, conflict, unavailable
   */
  "plugins.disable": {
    params: {
      id: string;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: {
      /** the folder's name where the manifest cannot be read */
      id: string;
      name?: string;
      version?: string;
      description?: string;
      state: "disabled" | "starting" | "running" | "failed" | "quarantined";
      origin: "path" | "installed" | "package" | "bundled";
      /** absent: it is part of the gateway */
      directory?: string;
      isolation: "process" | "own" | "none";
      /** why it is on, in words */
      enabledBy?: string;
      /** why it does not run, or why a newer version of it does not */
      error?: string;
      /** how often it was started since the gateway was */
      loads: number;
      methods: string[];
      events: string[];
      /** others of the same id that are not used */
      overridden?: string[];
    };
  };
  /**
   * Switches a plugin on, in the configuration; with `grants`, what it may beyond its own
   *
   * scope: admin; changes something; errors: not_found, conflict, unavailable
   */
  "plugins.enable": {
    params: {
      id: string;
      grants?:
        | {
            network?: boolean | undefined;
            files?: string[] | undefined;
            env?: string[] | undefined;
            exec?: boolean | undefined;
            sessions?: boolean | undefined;
          }
        | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: {
      /** the folder's name where the manifest cannot be read */
      id: string;
      name?: string;
      version?: string;
      description?: string;
      state: "disabled" | "starting" | "running" | "failed" | "quarantined";
      origin: "path" | "installed" | "package" | "bundled";
      /** absent: it is part of the gateway */
      directory?: string;
      isolation: "process" | "own" | "none";
      /** why it is on, in words */
      enabledBy?: string;
      /** why it does not run, or why a newer version of it does not */
      error?: string;
      /** how often it was started since the gateway was */
      loads: number;
      methods: string[];
      events: string[];
      /** others of the same id that are not used */
      overridden?: string[];
      apiVersion?: number;
      /** SHA-256 over its files, hex */
      digest?: string;
      /** the capabilities its manifest declares */
      wants?: { network?: boolean; files?: string[]; env?: string[]; exec?: boolean; sessions?: boolean };
      /** those of them that the configuration grants */
      grants?: { network?: boolean; files?: string[]; env?: string[]; exec?: boolean; sessions?: boolean };
      limits?: Array<{
        capability: string;
        /** by what it is held back, or why it is not */
        held: string;
        isHeld: boolean;
      }>;
      denied?: Array<{ capability: string; what: string; times: number }>;
      configSchema?: Record<string, unknown>;
      configErrors?: string[];
      startedAtMs?: number;
      routes?: Array<{ method: string; path: string; auth: string }>;
      tools?: string[];
      hooks?: string[];
      agents?: string[];
      channels?: string[];
      services?: Array<{ name: string; state: string; error?: string; restarts: number }>;
      /** the process it runs in, where that is not the gateway's */
      process?: { pid: number; rssBytes?: number; sharedWith: string[] };
    };
  };
  /**
   * All about one plugin: what it offers, may and was denied
   *
   * scope: read; errors: not_found
   */
  "plugins.info": {
    params: { id: string };
    result: {
      /** the folder's name where the manifest cannot be read */
      id: string;
      name?: string;
      version?: string;
      description?: string;
      state: "disabled" | "starting" | "running" | "failed" | "quarantined";
      origin: "path" | "installed" | "package" | "bundled";
      /** absent: it is part of the gateway */
      directory?: string;
      isolation: "process" | "own" | "none";
      /** why it is on, in words */
      enabledBy?: string;
      /** why it does not run, or why a newer version of it does not */
      error?: string;
      /** how often it was started since the gateway was */
      loads: number;
      methods: string[];
      events: string[];
      /** others of the same id that are not used */
      overridden?: string[];
      apiVersion?: number;
      /** SHA-256 over its files, hex */
      digest?: string;
      /** the capabilities its manifest declares */
      wants?: { network?: boolean; files?: string[]; env?: string[]; exec?: boolean; sessions?: boolean };
      /** those of them that the configuration grants */
      grants?: { network?: boolean; files?: string[]; env?: string[]; exec?: boolean; sessions?: boolean };
      limits?: Array<{
        capability: string;
        /** by what it is held back, or why it is not */
        held: string;
        isHeld: boolean;
      }>;
      denied?: Array<{ capability: string; what: string; times: number }>;
      configSchema?: Record<string, unknown>;
      configErrors?: string[];
      startedAtMs?: number;
      routes?: Array<{ method: string; path: string; auth: string }>;
      tools?: string[];
      hooks?: string[];
      agents?: string[];
      channels?: string[];
      services?: Array<{ name: string; state: string; error?: string; restarts: number }>;
      /** the process it runs in, where that is not the gateway's */
      process?: { pid: number; rssBytes?: number; sharedWith: string[] };
    };
  };
  /**
   * Copies a plugin into the state directory, switched off: from a folder, a .tgz or npm
   *
   * scope: admin; changes something; errors: not_found, conflict, forbidden, too_large, unavailable
   */
  "plugins.install": {
    params: {
      /** absolute path of a folder or a .tgz; or npm:NAME@VERSION */
      source: string;
      /** sha512-… that a .tgz or a package must have */
      integrity?: string | undefined;
      /** take the place of the installed one */
      replace?: boolean | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: {
      /** the folder's name where the manifest cannot be read */
      id: string;
      name?: string;
      version?: string;
      description?: string;
      state: "disabled" | "starting" | "running" | "failed" | "quarantined";
      origin: "path" | "installed" | "package" | "bundled";
      /** absent: it is part of the gateway */
      directory?: string;
      isolation: "process" | "own" | "none";
      /** why it is on, in words */
      enabledBy?: string;
      /** why it does not run, or why a newer version of it does not */
      error?: string;
      /** how often it was started since the gateway was */
      loads: number;
      methods: string[];
      events: string[];
      /** others of the same id that are not used */
      overridden?: string[];
      apiVersion?: number;
      /** SHA-256 over its files, hex */
      digest?: string;
      /** the capabilities its manifest declares */
      wants?: { network?: boolean; files?: string[]; env?: string[]; exec?: boolean; sessions?: boolean };
      /** those of them that the configuration grants */
      grants?: { network?: boolean; files?: string[]; env?: string[]; exec?: boolean; sessions?: boolean };
      limits?: Array<{
        capability: string;
        /** by what it is held back, or why it is not */
        held: string;
        isHeld: boolean;
      }>;
      denied?: Array<{ capability: string; what: string; times: number }>;
      configSchema?: Record<string, unknown>;
      configErrors?: string[];
      startedAtMs?: number;
      routes?: Array<{ method: string; path: string; auth: string }>;
      tools?: string[];
      hooks?: string[];
      agents?: string[];
      channels?: string[];
      services?: Array<{ name: string; state: string; error?: string; restarts: number }>;
      /** the process it runs in, where that is not the gateway's */
      process?: { pid: number; rssBytes?: number; sharedWith: string[] };
    };
  };
  /**
   * Every plugin that was found, with its state and why it is not running
   *
   * scope: read
   */
  "plugins.list": {
    params: Empty;
    result: {
      plugins: Array<{
        /** the folder's name where the manifest cannot be read */
        id: string;
        name?: string;
        version?: string;
        description?: string;
        state: "disabled" | "starting" | "running" | "failed" | "quarantined";
        origin: "path" | "installed" | "package" | "bundled";
        /** absent: it is part of the gateway */
        directory?: string;
        isolation: "process" | "own" | "none";
        /** why it is on, in words */
        enabledBy?: string;
        /** why it does not run, or why a newer version of it does not */
        error?: string;
        /** how often it was started since the gateway was */
        loads: number;
        methods: string[];
        events: string[];
        /** others of the same id that are not used */
        overridden?: string[];
      }>;
    };
  };
  /**
   * Loads a plugin anew from its files; one that cannot start leaves the old one running
   *
   * scope: admin; changes something; errors: not_found, conflict, unavailable
   */
  "plugins.reload": {
    params: {
      id: string;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: {
      /** the folder's name where the manifest cannot be read */
      id: string;
      name?: string;
      version?: string;
      description?: string;
      state: "disabled" | "starting" | "running" | "failed" | "quarantined";
      origin: "path" | "installed" | "package" | "bundled";
      /** absent: it is part of the gateway */
      directory?: string;
      isolation: "process" | "own" | "none";
      /** why it is on, in words */
      enabledBy?: string;
      /** why it does not run, or why a newer version of it does not */
      error?: string;
      /** how often it was started since the gateway was */
      loads: number;
      methods: string[];
      events: string[];
      /** others of the same id that are not used */
      overridden?: string[];
    };
  };
  /**
   * Deletes an installed plugin's folder; what it has stored stays unless `data` is set
   *
   * scope: admin; changes something; errors: not_found, conflict, unavailable
   */
  "plugins.remove": {
    params: {
      id: string;
      data?: boolean | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: { id: string; removed: boolean };
  };
  /**
   * Runs that go on or wait, in the order they came
   *
   * scope: read
   */
  "runs.list": {
    params: { sessionKey?: string | undefined };
    result: {
      runs: Array<{
        runId: string;
        sessionKey: string;
        origin: Origin;
        status: "queued" | "running";
        startedAt?: number;
      }>;
    };
  };
  /**
   * Sends a message over a channel; on disk when it answers, and tried until it has left
   *
   * scope: write; changes something; errors: invalid_params, not_found, conflict, unavailable, busy
   */
  send: {
    params: {
      to: string;
      message: string;
      /** absent: the only one there is */
      channel?: string | undefined;
      accountId?: string | undefined;
      threadId?: string | undefined;
      /** gets a copy as a note */
      sessionKey?: string | undefined;
      idempotencyKey: string;
    };
    result: {
      /** of the delivery; the original's name for it */
      runId: string;
      channel: string;
      /** absent: it has not left yet */
      messageId?: string;
      status: "sent" | "waiting";
    };
  };
  /**
   * Puts a summary in the place of older messages for the model; history keeps them all
   *
   * scope: write; changes something; errors: not_found, conflict, busy, unavailable
   */
  "sessions.compact": {
    params: {
      key: string;
      /** of the original, not used here */
      maxLines?: number | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: {
      /** messages in the summary */
      compacted: number;
      /** messages the model still reads in full */
      kept: number;
    };
  };
  /**
   * Makes a session, or answers with the one that has this key
   *
   * scope: write; changes something; errors: conflict, not_found, busy, unavailable
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
    result: {
      key: string;
      created: boolean;
      session: {
        key: string;
        /** another one after each reset, and when made again after being deleted */
        sessionId: string;
        /** what its key says it is for */
        kind: "main" | "direct" | "group" | "thread" | "cron" | "hook" | "node" | "subagent" | "other";
        agentId: string;
        label?: string;
        /** how its conversation began */
        title?: string;
        /** how its last message begins */
        preview?: string;
        /** absent: the configured default */
        model?: string;
        createdAtMs: number;
        /** its last message */
        updatedAtMs: number;
        /** since the last reset */
        messages: number;
        /** of what its model read last */
        contextTokens: number;
        inputTokens: number;
        outputTokens: number;
        /** a run is going on or waiting */
        active: boolean;
      };
    };
  };
  /**
   * Stops the session's runs and removes it with its history; an agent's main session stays
   *
   * scope: write; changes something; errors: conflict, busy, unavailable
   */
  "sessions.delete": {
    params: {
      key: string;
      /** of the original: here it always is */
      deleteTranscript?: true | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: { deleted: boolean };
  };
  /**
   * A session as lines of JSON: a header, then one line for each message, in pages
   *
   * scope: read; errors: invalid_params, not_found
   */
  "sessions.export": {
    params: {
      key: string;
      /** `next` of the page before */
      after?: string | undefined;
      /** with what was said before the last reset */
      all?: boolean | undefined;
      limit?: number | undefined;
    };
    result: {
      lines: string[];
      /** present when there are more */
      next?: string;
    };
  };
  /**
   * One session with its settings
   *
   * scope: read; errors: not_found
   */
  "sessions.get": {
    params: { key: string };
    result: {
      session: {
        key: string;
        /** another one after each reset, and when made again after being deleted */
        sessionId: string;
        /** what its key says it is for */
        kind: "main" | "direct" | "group" | "thread" | "cron" | "hook" | "node" | "subagent" | "other";
        agentId: string;
        label?: string;
        /** how its conversation began */
        title?: string;
        /** how its last message begins */
        preview?: string;
        /** absent: the configured default */
        model?: string;
        createdAtMs: number;
        /** its last message */
        updatedAtMs: number;
        /** since the last reset */
        messages: number;
        /** of what its model read last */
        contextTokens: number;
        inputTokens: number;
        outputTokens: number;
        /** a run is going on or waiting */
        active: boolean;
      };
      settings: {
        instructions?: string;
        workspace?: string;
        /** names; values are never shown */
        env?: string[];
        tools?: {
          /** names, * for any text */
          allow?: string[];
          /** names, * for any text */
          deny?: string[];
          /** names, * for any text */
          approve?: string[];
        };
        limits?: { timeoutMs?: number; tokensMax?: number; toolCallsMax?: number; outputBytesMax?: number };
        queueMode?: "followup" | "collect" | "steer" | "interrupt";
      };
    };
  };
  /**
   * Makes a session of exported lines, or of a transcript of the original, in one call or several
   *
   * scope: write; changes something; errors: conflict, invalid_params, not_found, busy, unavailable
   */
  "sessions.import": {
    params: {
      key: string;
      lines: string[];
      /** false: more lines follow in another call */
      isLast?: boolean | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: {
      key: string;
      /** messages of this call */
      imported: number;
      /** lines of this call that are no messages */
      skipped: number;
      /** with the last call: imported messages that were off the last entry's branch, and went */
      leftOut: number;
      /** the last line of a transcript of the original was cut off, and left out */
      isTorn: boolean;
      session: {
        key: string;
        /** another one after each reset, and when made again after being deleted */
        sessionId: string;
        /** what its key says it is for */
        kind: "main" | "direct" | "group" | "thread" | "cron" | "hook" | "node" | "subagent" | "other";
        agentId: string;
        label?: string;
        /** how its conversation began */
        title?: string;
        /** how its last message begins */
        preview?: string;
        /** absent: the configured default */
        model?: string;
        createdAtMs: number;
        /** its last message */
        updatedAtMs: number;
        /** since the last reset */
        messages: number;
        /** of what its model read last */
        contextTokens: number;
        inputTokens: number;
        outputTokens: number;
        /** a run is going on or waiting */
        active: boolean;
      };
    };
  };
  /**
   * Sessions, the last used first
   *
   * scope: read; errors: invalid_params
   */
  "sessions.list": {
    params: {
      limit?: number | undefined;
      /** `next` of the page before */
      cursor?: string | undefined;
      /** part of the key, label, title or preview; the case of a to z is ignored */
      search?: string | undefined;
      agentId?: string | undefined;
      label?: string | undefined;
      /** used within the last minutes */
      activeMinutes?: number | undefined;
      kind?:
        "main" | "direct" | "group" | "thread" | "cron" | "hook" | "node" | "subagent" | "other" | undefined;
      /** none is: no session here is made by another */
      spawnedBy?: string | undefined;
      /** of the original, not used here */
      includeGlobal?: boolean | undefined;
      /** of the original, not used here */
      includeUnknown?: boolean | undefined;
      /** of the original, not used here */
      includeDerivedTitles?: boolean | undefined;
      /** of the original, not used here */
      includeLastMessage?: boolean | undefined;
    };
    result: {
      sessions: Array<{
        key: string;
        /** another one after each reset, and when made again after being deleted */
        sessionId: string;
        /** what its key says it is for */
        kind: "main" | "direct" | "group" | "thread" | "cron" | "hook" | "node" | "subagent" | "other";
        agentId: string;
        label?: string;
        /** how its conversation began */
        title?: string;
        /** how its last message begins */
        preview?: string;
        /** absent: the configured default */
        model?: string;
        createdAtMs: number;
        /** its last message */
        updatedAtMs: number;
        /** since the last reset */
        messages: number;
        /** of what its model read last */
        contextTokens: number;
        inputTokens: number;
        outputTokens: number;
        /** a run is going on or waiting */
        active: boolean;
      }>;
      /** of all pages */
      total: number;
      /** present when there are more */
      next?: string;
    };
  };
  /**
   * Gives a session settings of its own; null takes one back
   *
   * scope: admin; changes something; errors: conflict, not_found, busy, unavailable
   */
  "sessions.patch": {
    params: {
      key: string;
      label?: string | null | undefined;
      model?: string | null | undefined;
      agentId?: string | undefined;
      instructions?: string | null | undefined;
      workspace?: string | null | undefined;
      /** variables for its programs, replaced whole; their values are never shown again */
      env?: Record<string, string> | null | undefined;
      tools?:
        | {
            /** names, * for any text */
            allow?: string[] | undefined;
            /** names, * for any text */
            deny?: string[] | undefined;
            /** names, * for any text */
            approve?: string[] | undefined;
          }
        | null
        | undefined;
      limits?:
        | {
            timeoutMs?: number | undefined;
            tokensMax?: number | undefined;
            toolCallsMax?: number | undefined;
            outputBytesMax?: number | undefined;
          }
        | null
        | undefined;
      queueMode?: "followup" | "collect" | "steer" | "interrupt" | null | undefined;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: {
      session: {
        key: string;
        /** another one after each reset, and when made again after being deleted */
        sessionId: string;
        /** what its key says it is for */
        kind: "main" | "direct" | "group" | "thread" | "cron" | "hook" | "node" | "subagent" | "other";
        agentId: string;
        label?: string;
        /** how its conversation began */
        title?: string;
        /** how its last message begins */
        preview?: string;
        /** absent: the configured default */
        model?: string;
        createdAtMs: number;
        /** its last message */
        updatedAtMs: number;
        /** since the last reset */
        messages: number;
        /** of what its model read last */
        contextTokens: number;
        inputTokens: number;
        outputTokens: number;
        /** a run is going on or waiting */
        active: boolean;
      };
      settings: {
        instructions?: string;
        workspace?: string;
        /** names; values are never shown */
        env?: string[];
        tools?: {
          /** names, * for any text */
          allow?: string[];
          /** names, * for any text */
          deny?: string[];
          /** names, * for any text */
          approve?: string[];
        };
        limits?: { timeoutMs?: number; tokensMax?: number; toolCallsMax?: number; outputBytesMax?: number };
        queueMode?: "followup" | "collect" | "steer" | "interrupt";
      };
    };
  };
  /**
   * The last messages of several sessions, cut short
   *
   * scope: read
   */
  "sessions.preview": {
    params: { keys: string[]; limit?: number | undefined; maxChars?: number | undefined };
    result: {
      previews: Array<{
        key: string;
        status: "ok" | "empty" | "missing";
        items: Array<{ id: string; role: string; ts: number; text: string }>;
      }>;
    };
  };
  /**
   * Stops the session's runs and begins it anew; what was said can still be found
   *
   * scope: write; changes something; errors: not_found, busy, unavailable
   */
  "sessions.reset": {
    params: {
      key: string;
      /** Same caller, method, key and params within five minutes: the same answer */
      idempotencyKey?: string | undefined;
    };
    result: {
      session: {
        key: string;
        /** another one after each reset, and when made again after being deleted */
        sessionId: string;
        /** what its key says it is for */
        kind: "main" | "direct" | "group" | "thread" | "cron" | "hook" | "node" | "subagent" | "other";
        agentId: string;
        label?: string;
        /** how its conversation began */
        title?: string;
        /** how its last message begins */
        preview?: string;
        /** absent: the configured default */
        model?: string;
        createdAtMs: number;
        /** its last message */
        updatedAtMs: number;
        /** since the last reset */
        messages: number;
        /** of what its model read last */
        contextTokens: number;
        inputTokens: number;
        outputTokens: number;
        /** a run is going on or waiting */
        active: boolean;
      };
      settings: {
        instructions?: string;
        workspace?: string;
        /** names; values are never shown */
        env?: string[];
        tools?: {
          /** names, * for any text */
          allow?: string[];
          /** names, * for any text */
          deny?: string[];
          /** names, * for any text */
          approve?: string[];
        };
        limits?: { timeoutMs?: number; tokensMax?: number; toolCallsMax?: number; outputBytesMax?: number };
        queueMode?: "followup" | "collect" | "steer" | "interrupt";
      };
    };
  };
  /**
   * The key of a session, by one of: a key, an id, a label, or where a message comes from
   *
   * scope: read; errors: invalid_params, not_found
   */
  "sessions.resolve": {
    params: {
      key?: string | undefined;
      sessionId?: string | undefined;
      label?: string | undefined;
      route?:
        | {
            agentId?: string | undefined;
            channel: string;
            accountId?: string | undefined;
            peer: { kind: "direct" | "group" | "channel"; id: string };
            threadId?: string | undefined;
          }
        | undefined;
    };
    result: {
      key: string;
      /** absent: not made yet */
      session?: {
        key: string;
        /** another one after each reset, and when made again after being deleted */
        sessionId: string;
        /** what its key says it is for */
        kind: "main" | "direct" | "group" | "thread" | "cron" | "hook" | "node" | "subagent" | "other";
        agentId: string;
        label?: string;
        /** how its conversation began */
        title?: string;
        /** how its last message begins */
        preview?: string;
        /** absent: the configured default */
        model?: string;
        createdAtMs: number;
        /** its last message */
        updatedAtMs: number;
        /** since the last reset */
        messages: number;
        /** of what its model read last */
        contextTokens: number;
        inputTokens: number;
        outputTokens: number;
        /** a run is going on or waiting */
        active: boolean;
      };
    };
  };
  /**
   * Messages with these words, the newest first
   *
   * scope: read; errors: invalid_params, busy, unavailable
   */
  "sessions.search": {
    params: {
      /** words; the last may be a beginning */
      query: string;
      key?: string | undefined;
      limit?: number | undefined;
      /** `next` of the page before */
      cursor?: string | undefined;
    };
    result: {
      hits: Array<{
        key: string;
        messageId: string;
        role: string;
        ts: number;
        snippet: string;
        /** where the words are in the snippet: from and to, in UTF-16 units */
        marks: Array<number[]>;
      }>;
      /** present when there may be more */
      next?: string;
      /** the disk takes nothing: what was said since the last search is not looked at */
      isPartial?: true;
    };
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
      storage: {
        path: string;
        bytes: number;
        /** an older database that could not be read, as it was */
        movedAside?: string;
        /** why nothing can be written at present */
        problem?: string;
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
   * What the tokens cost by the prices in the configuration, the newest day first
   *
   * scope: read
   */
  "usage.cost": {
    params: {
      /** back from today, which counts; days are UTC */
      days?: number | undefined;
    };
    result: {
      currency: "USD";
      days: Array<{
        /** 2026-01-31, UTC */
        day: string;
        cost: number;
      }>;
      total: number;
      /** models without a price: their tokens are in no sum */
      unpriced: string[];
    };
  };
  /**
   * Runs and tokens by day, agent and model, the newest day first
   *
   * scope: read
   */
  "usage.status": {
    params: {
      /** back from today, which counts; days are UTC */
      days?: number | undefined;
    };
    result: {
      days: Array<{
        /** 2026-01-31, UTC */
        day: string;
        agentId: string;
        model: string;
        runs: number;
        /** with those the provider had kept */
        inputTokens: number;
        outputTokens: number;
        /** of the input */
        cachedTokens: number;
      }>;
      /** of all these days */
      total: {
        runs: number;
        /** with those the provider had kept */
        inputTokens: number;
        outputTokens: number;
        /** of the input */
        cachedTokens: number;
      };
      /** there are more rows, of older days, than fit one answer */
      isCut?: boolean;
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
    stream: "lifecycle" | "assistant" | "tool" | "thinking" | "compaction" | "error";
    ts: number;
    data: Record<string, unknown>;
  };
  /**
   * An agent waits for a person's yes
   *
   * scope: approvals; delivery: must
   */
  "approval.requested": { approval: Approval };
  /**
   * It was decided, by whom and how
   *
   * scope: approvals; delivery: must
   */
  "approval.resolved": { approval: Approval };
  /**
   * An account of a channel is in another state, or gone
   *
   * scope: read; delivery: latest
   */
  "channels.changed": {
    channel: string;
    accountId: string;
    state: "connecting" | "connected" | "ended" | "failed" | "gone";
    detail?: string;
  };
  /**
   * A stranger has written and was given a code
   *
   * scope: pairing; delivery: must
   */
  "channels.pairing.requested": {
    channel: string;
    accountId: string;
    senderId: string;
    name?: string;
    state: "waiting" | "approved";
    /** what the owner is told by the stranger */
    code?: string;
    createdAtMs: number;
    expiresAtMs?: number;
  };
  /**
   * A message has not left and will not
   *
   * scope: read; delivery: must
   */
  "channels.undelivered": {
    channel: string;
    accountId: string;
    to: string;
    /** of the answer it was */
    runId?: string;
    error: string;
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
        reason: "request" | "timeout" | "shutdown" | "deleted" | "reset" | "interrupted";
        /** who stopped it */
        by?: string;
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
   * A plugin's state is another one, or another version of it runs
   *
   * scope: read; delivery: latest
   */
  "plugins.changed": {
    id: string;
    state: "disabled" | "starting" | "running" | "failed" | "quarantined";
    error?: string;
  };
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
   * A session was made, changed, begun anew or deleted
   *
   * scope: read; delivery: latest
   */
  "sessions.changed": {
    key: string;
    action: "created" | "updated" | "reset" | "deleted";
    session?: {
      key: string;
      /** another one after each reset, and when made again after being deleted */
      sessionId: string;
      /** what its key says it is for */
      kind: "main" | "direct" | "group" | "thread" | "cron" | "hook" | "node" | "subagent" | "other";
      agentId: string;
      label?: string;
      /** how its conversation began */
      title?: string;
      /** how its last message begins */
      preview?: string;
      /** absent: the configured default */
      model?: string;
      createdAtMs: number;
      /** its last message */
      updatedAtMs: number;
      /** since the last reset */
      messages: number;
      /** of what its model read last */
      contextTokens: number;
      inputTokens: number;
      outputTokens: number;
      /** a run is going on or waiting */
      active: boolean;
    };
  };
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
export const KEYED_METHODS: readonly string[] = ["agent", "chat.send", "send"];
