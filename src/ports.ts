/**
 * Every outside thing the gateway touches, as the smallest interface that serves. `platform/` has the
 * real ones, the tests' memory versions live in `tests/support`.
 */

/** Undoes what the call that returned it began. Safe to call twice. */
export type Stop = () => void;

/** Time. `now` may jump with the system clock, `elapsed` never goes back. */
export interface Clock {
  /** ms since 1970 */
  now(): number;
  /** ms since some fixed moment, with fractions */
  elapsed(): number;
  /**
   * When `hour` (0 to 23) of the local day last began, at or before `ms`. On a day without that hour it is
   * the moment that skipped it, on a day that has it twice the first of both. The first call costs
   * milliseconds.
   */
  dayStart(ms: number, hour: number): number;
}

/** Delayed work. Callbacks that throw are reported by the platform and end nothing. */
export interface Timers {
  after(ms: number, work: () => void): Stop;
  every(ms: number, work: () => void): Stop;
}

/** Randomness and digests. */
export interface Crypto {
  /** 128 random bits, base64url, 22 characters */
  id(): string;
  /** 256 random bits, base64url, 43 characters */
  secret(): string;
  /** SHA-256 of the UTF-8 text */
  sha256(text: string): Uint8Array;
  /** Constant-time comparison; both must have the same length. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
}

/** Values a log line may carry. Strings are escaped and cut by the writer. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** The log. Never throws, never blocks; secrets the writer knows are hidden in every field. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** What happened to one frame: on the wire, waiting in the socket's buffer, refused, or too late. */
export type SendResult = "sent" | "queued" | "dropped" | "closed";

/** One client's socket. The same object for the whole life of the connection. */
export interface Socket {
  readonly remoteAddress: string;
  /** Queues one text frame; never blocks, never throws. */
  send(text: string): SendResult;
  /** Bytes accepted by `send` that the network has not taken yet. */
  bufferedBytes(): number;
  /** Closes after what is queued. Code and reason as RFC 6455 §7.4; reason at most 123 bytes. */
  close(code: number, reason: string): void;
  /** Cuts the connection at once. */
  terminate(): void;
}

/** What the gateway does with a socket. A throw closes that socket with 1011 and nothing else. */
export interface SocketHandler {
  /** One whole message; a binary one is handed over decoded as UTF-8. */
  message(text: string): void;
  /** The buffer is empty again after `queued` or `dropped`. */
  drain(): void;
  /** Once, whoever closed it. An abnormal end is 1006. */
  close(code: number, reason: string): void;
}

/** The bounds of one socket, held by the runtime. */
export interface SocketLimits {
  /** Larger messages close the socket with 1009. */
  readonly messageBytesMax: number;
  /** `send` past this many waiting bytes is `dropped`. */
  readonly bufferedBytesMax: number;
  /** Distance of pings, and how many may go unanswered before the socket is closed. */
  readonly pingMs: number;
  readonly pingsMissedMax: number;
}

/** One HTTP request's other end. */
export interface Peer {
  /** IP address of the direct peer, never of a header. */
  readonly address: string;
  /**
   * Turns this request into a socket. `open` runs when the socket is ready and answers with its handler.
   *
   * @param protocol the subprotocol to confirm, one of those the client offered
   * @returns the response to return from the HTTP handler, or undefined if it is no valid upgrade request
   */
  upgrade(
    request: Request,
    options: { protocol?: string; open(socket: Socket): SocketHandler },
  ): Response | undefined;
}

export interface ServeOptions {
  /** An exact IP address. */
  readonly hostname: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly bodyBytesMax: number;
  readonly idleSeconds: number;
  readonly socket: SocketLimits;
  fetch(request: Request, peer: Peer): Response | Promise<Response>;
  /** A throw or rejection that escaped `fetch` or a socket handler. */
  onError(error: unknown): void;
}

/** A listening port. */
export interface Listener {
  readonly hostname: string;
  readonly port: number;
  /** Accepts nothing new; what is open stays open. */
  refuse(): void;
  /** Ends everything that is still open and frees the port. */
  stop(): Promise<void>;
}

/** Thrown by `serve` when it cannot listen there; the message says why, in words for people. */
export class ListenError extends Error {
  override readonly name: string = "ListenError";
}

/** Thrown by `serve` when the address is taken. */
export class AddressInUse extends ListenError {
  override readonly name = "AddressInUse";
}

export interface Server {
  /** @throws AddressInUse, ListenError; any other error as the runtime gives it */
  serve(options: ServeOptions): Promise<Listener>;
}

/**
 * Files with the permissions a home server needs: directories 0700, files 0600, links not followed on
 * write.
 */
export interface Files {
  /**
   * UTF-8 text, a byte order mark at its start included; undefined when there is no such file. @throws on
   * anything else, and past `bytesMax`
   */
  readText(path: string, bytesMax: number): Promise<string | undefined>;
  /**
   * The same for a file of ours: takes group and other bits off. @throws when it is a link or somebody
   * else's
   */
  readPrivate(path: string, bytesMax: number): Promise<string | undefined>;
  /** Reads all of it, if it is there, and keeps nothing. @throws when the disk cannot */
  readThrough(path: string): Promise<void>;
  /** Creates the file, mode 0600. @returns false when it exists already, whatever it is */
  writeNew(path: string, text: string): Promise<boolean>;
  /**
   * Replaces the file whole: temp file 0600, fsync, rename, fsync of the directory.
   *
   * @param isReady called directly before the rename; when it rejects, nothing is replaced and that is what
   *   this rejects with
   */
  replace(path: string, text: string, isReady?: () => Promise<void>): Promise<void>;
  /** Makes the directory and its parents, mode 0700; takes group and other bits off one that we own. */
  ensurePrivateDir(path: string): Promise<void>;
  /** Removes the file if it is there. */
  remove(path: string): Promise<void>;
  /** The path with every link in it followed; undefined when there is nothing there. */
  realPath(path: string): Promise<string | undefined>;
  /** What is there, links followed; undefined when there is nothing or it cannot be looked at. */
  stat(path: string): Promise<FileStat | undefined>;
  /**
   * Why others could change what is there, or take its place: it or a directory above has another owner, or
   * group or everybody may write there. Further up than beside it, directories may be for everybody where
   * nobody takes away what others have put there, as `/tmp` is, unless there is something of others in them
   * that code further down would load. Undefined when only we and the superuser can. @throws when there is
   * nothing
   */
  distrust(path: string): Promise<string | undefined>;
  /** Names in a directory, sorted; none when there is no such directory. */
  list(path: string): Promise<string[]>;
  /**
   * Gives what is there, a link itself included, another name in the same file system; on disk when it
   * resolves.
   *
   * @returns false when there is nothing. @throws when the new name is taken
   */
  rename(from: string, to: string): Promise<boolean>;
  /** Removes the directory and all in it, if it is there; a link is removed and not followed. */
  removeDir(path: string): Promise<void>;
  /**
   * All that is below a directory, in the order of its paths; links are told and not followed.
   *
   * @throws when it cannot be read, and past `entriesMax`
   */
  tree(directory: string, entriesMax: number): Promise<readonly TreeEntry[]>;
  /** What is in a file; undefined when there is none. @throws on anything else, and past `bytesMax` */
  readBytes(path: string, bytesMax: number): Promise<Uint8Array | undefined>;
  /**
   * Makes the file and the directories above it, modes 0600 (0700 for a program) and 0700. It is not on disk
   * yet when this resolves. @throws when there is something of that name, a link included
   */
  writeBytes(path: string, bytes: Uint8Array, options?: { readonly isExecutable?: boolean }): Promise<void>;
}

/** One name below a directory. */
export interface TreeEntry {
  /** From the directory on: `a/b.ts`. */
  readonly path: string;
  readonly kind: "file" | "directory" | "link" | "other";
  /** Of a file. */
  readonly bytes: number;
  readonly isExecutable: boolean;
  /** Why others could change it: `belongs to another user`. */
  readonly doubt?: string;
  /** Where a link leads in the end, absolute; undefined when there is nothing. */
  readonly leadsTo?: string | undefined;
}

/** Enough to see that a file is not what it was. */
export interface FileStat {
  readonly kind: "file" | "directory" | "other";
  readonly bytes: number;
  /** ms since 1970, with fractions where the file system has them */
  readonly modifiedMs: number;
  /** Names the thing itself: another one under the same name has another. */
  readonly inode: string;
}

/** The runtime's own watcher. */
export interface Watcher {
  /**
   * Calls `changed` after anything in the directory (not below it) came, went or was written, several times
   * perhaps, and when the watching itself ended. Never calls it from inside this call.
   *
   * @returns undefined when there is no such directory or the system has no watch left
   */
  watch(directory: string, changed: () => void): Stop | undefined;
}

export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;

/**
 * What SQLite could not do. `full`: no room on the disk. `io`: the disk answered with an error, or does not let
 * us. `busy`: another program holds the lock. `corrupt`, `not_a_database`: what is in the file cannot be read.
 * `other`: the statement itself is refused (a constraint, a mistake in it), or what has none of these names.
 */
export type DatabaseErrorKind = "full" | "io" | "busy" | "corrupt" | "not_a_database" | "other";

/** Thrown by every call of a {@link Database} and its statements that SQLite refuses. */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
  readonly kind: DatabaseErrorKind;

  constructor(kind: DatabaseErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** One prepared SQL statement. @throws DatabaseError */
export interface Statement {
  run(...values: SqlValue[]): { readonly changes: number; readonly lastId: number };
  get(...values: SqlValue[]): SqlRow | undefined;
  all(...values: SqlValue[]): SqlRow[];
}

/** As much of a database as one may look at before it is known to be ours. */
export type Readable = Pick<Database, "path" | "prepare">;

/**
 * The one SQLite connection: WAL, `synchronous=FULL`, foreign keys on, file mode 0600. Calls are
 * synchronous. @throws DatabaseError
 */
export interface Database {
  /** Where it is, as it was opened; SQLite's own files beside it have this name with `-wal` and `-shm`. */
  readonly path: string;
  exec(sql: string): void;
  /** Compiled when it is first used, which is when a mistake in it is told. */
  prepare(sql: string): Statement;
  /** All of `work` or nothing; on disk when this returns. One inside another is a part of it. */
  transaction<T>(work: () => T): T;
  /**
   * A part of a transaction, which alone is taken back when `work` throws: the transaction goes on.
   *
   * @throws what `work` throws; Error outside a transaction
   */
  savepoint<T>(work: () => T): T;
  /**
   * Writes a whole copy into a new file, mode 0600, on disk when this resolves.
   *
   * @returns false when the name is taken. Rejects with DatabaseError or Error, and leaves nothing there then
   */
  backup(path: string): Promise<boolean>;
  close(): void;
}

// --- agents ---

/** One part of a message as a model sees it. */
export type AgentPart =
  | { readonly type: "text"; readonly text: string }
  /** `data` is base64. */
  | { readonly type: "image"; readonly mimeType: string; readonly data: string }
  /** A tool that was called, with what it answered; without `result` it was cut off. */
  | {
      readonly type: "tool_call";
      readonly id: string;
      readonly name: string;
      /** JSON text */
      readonly args: string;
      readonly result?: string;
      readonly isError?: boolean;
    };

/** One message as a model sees it. */
export interface AgentMessage {
  readonly role: "system" | "user" | "assistant";
  readonly parts: readonly AgentPart[];
}

/** What a person is asked before an agent goes on. */
export interface ApprovalRequest {
  /** What wants to be done, in one line for people: `run "rm -r build"`, `call tool "files__write"`. */
  readonly title: string;
  /** The tool's own name, for rules; absent where the agent tells none. */
  readonly tool?: string;
  /** What it would do, as JSON text or plain text; shown in full. */
  readonly details?: string;
}

/** `allow_always` holds for this tool in this session. Nobody answered in time: `deny`. */
export type ApprovalDecision = "allow_once" | "allow_always" | "deny";

/** What an agent is asked: the conversation so far, the newest message last. */
export interface AgentTurn {
  readonly runId: string;
  readonly messages: readonly AgentMessage[];
  /** No tools: only words are wanted, such as a summary. */
  readonly isPlain?: boolean;
  /** Messages that came since the last look and want to join; asked at each tool boundary. */
  steered(): readonly AgentMessage[];
  /** Asks a person; `deny` when `signal` is aborted first. Never rejects. */
  approve(request: ApprovalRequest, signal: AbortSignal): Promise<ApprovalDecision>;
  /** Keeps a text for the next {@link Runner.open} of this session, over restarts too. */
  remember(note: string): void;
}

/** What an agent answers, in order; `end` comes last. */
export type AgentEvent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "thinking"; readonly text: string }
  /** A tool is called; `args` is JSON text. Several may be open at the same time. */
  | { readonly type: "tool_start"; readonly id: string; readonly name: string; readonly args: string }
  | { readonly type: "tool_update"; readonly id: string; readonly text: string }
  | { readonly type: "tool_result"; readonly id: string; readonly text: string; readonly isError: boolean }
  /** Of one call of a model; a run with tools has several, which add up. */
  | {
      readonly type: "usage";
      readonly inputTokens: number;
      readonly outputTokens: number;
      /** Of the input, what the provider had kept; part of `inputTokens`. */
      readonly cachedTokens?: number;
    }
  /** Who answers, `provider/model`: not the first of the list where that one could not. */
  | { readonly type: "model"; readonly model: string }
  | { readonly type: "end"; readonly reason: "stop" | "length" | "tool_calls" | "filter" };

/** Which tools an agent may use: names or patterns with `*`. `deny` wins; no `allow` means all. */
export interface ToolPolicy {
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
  /** Those a person is asked about each time. */
  readonly approve?: readonly string[] | undefined;
}

/** What one session's agent has and no other's: what {@link Runner.open} makes an agent of. */
export interface AgentEnvironment {
  readonly sessionKey: string;
  /** Another one after each reset: what the agent remembers by it ends there. */
  readonly sessionId: string;
  readonly agentId: string;
  /**
   * `provider/model`, the first to use and those to try when it cannot answer; none: what was found at start.
   */
  readonly models: readonly string[];
  /** Absolute; where programs of the agent run. */
  readonly workspace: string;
  /** Added to the environment of programs that run for this agent. */
  readonly env: Readonly<Record<string, string>>;
  readonly tools: ToolPolicy;
  /** What {@link AgentTurn.remember} kept last. */
  readonly note?: string | undefined;
}

/**
 * The agent of one session. `prompt` answers one turn; it ends promptly when `signal` is aborted (within
 * 100 ms, requests included), by returning or by throwing. Fails with an `RpcError`: `unavailable` (cannot be
 * reached, cut off), `busy` (asks to wait, with `retryAfterMs`), `forbidden` (credential refused),
 * `not_found` (no such model), `too_large` (more than its context window), `invalid_request` (refused as
 * asked).
 */
export interface AgentRuntime {
  /** Tokens its first model reads at most. */
  readonly contextWindow: number;
  /** It keeps the conversation itself: of `messages` it reads the last ones, from the person. */
  readonly keepsHistory: boolean;
  prompt(turn: AgentTurn, signal: AbortSignal): AsyncIterable<AgentEvent>;
}

/** Finds the agent of a session. */
export interface Runner {
  /**
   * Cheap when nothing has changed: called for every run.
   *
   * @throws RpcError `not_found` for a provider nobody configured
   */
  open(environment: AgentEnvironment): Promise<AgentRuntime>;
  /**
   * Lets go of what the session's agent holds: it was reset or deleted. Resolves when its programs have
   * ended.
   */
  close(sessionKey: string): Promise<void>;
}

// --- programs beside us ---

export interface ProgramOptions {
  /** A path or a name that `PATH` leads to, then its arguments; no shell is between. */
  readonly command: readonly [string, ...string[]];
  readonly directory: string;
  /** All of its environment; nothing of ours is added. */
  readonly env: Readonly<Record<string, string>>;
  /** It has a descriptor 3 to write to, which is {@link Program.channel}. */
  readonly hasChannel?: boolean;
}

/** A program that runs beside us, with everything it starts, and talks over its standard input and output. */
export interface Program {
  readonly pid: number;
  /**
   * UTF-8, in pieces as they come; ends when the program closes it. Not reading it holds the program back.
   */
  readonly stdout: AsyncIterable<Uint8Array>;
  /** What it writes to descriptor 3, as `stdout`; nothing where it was not asked for. */
  readonly channel: AsyncIterable<Uint8Array>;
  /** Lines without their ends, each at most 8 KiB, the rest of a longer one dropped. */
  readonly stderr: AsyncIterable<string>;
  /** Resolves when it is handed over; rejects when the program does not read any more. */
  write(text: string): Promise<void>;
  /** Closes its standard input, which most programs take as the word to end. */
  closeInput(): void;
  /** Ends it and all it has started: SIGTERM, after `graceMs` SIGKILL. Resolves when it has ended. */
  stop(graceMs: number): Promise<void>;
  /** How it ended, in words: `exit code 1`, `signal SIGKILL`. Never rejects. */
  readonly ended: Promise<string>;
}

// --- plugins ---

/** What a process of plugins may do. Paths are absolute and without links. */
export interface Confinement {
  /** Connections to other machines, this one's other programs included. */
  readonly network: boolean;
  readonly exec: boolean;
  /** Besides what every program needs to run. */
  readonly readable: readonly string[];
  /** May be read as well. */
  readonly writable: readonly string[];
}

/** What holds a capability back: the system itself, or why it does not. */
export interface Held {
  readonly capability: "network" | "exec" | "files";
  /** In words for people: `by the kernel`. */
  readonly by: string;
  readonly isHeld: boolean;
}

/** A process of plugins as the gateway sees it. */
export interface PluginProcess {
  readonly program: Program;
  /** Resident memory, bytes; undefined where the system does not tell. */
  rssBytes(): Promise<number | undefined>;
}

/** The other end: how a process of plugins talks to its gateway. */
export interface PluginProcessEnd {
  /** UTF-8, in pieces as they come; ends when the gateway is gone. */
  readonly input: AsyncIterable<Uint8Array>;
  write(text: string): Promise<void>;
  /** From here on this process may do no more, if the system can hold it. Once, before any plugin. */
  confine(confinement: Confinement): Promise<readonly Held[]>;
}

/** A plugin's code, loaded apart from every other load of it. */
export interface PluginModule {
  /** What its entry exports. */
  readonly exports: Readonly<Record<string, unknown>>;
  /** Calls `work` as the plugin's: what it opens belongs to the plugin, and so do errors nobody catches. */
  run<A extends unknown[], R>(work: (...args: A) => R, ...args: A): R;
  /** Closes what its code opened, where the runtime can, and forgets the code. */
  dispose(): void;
}

export interface PluginLoadOptions {
  /** Told of errors of the plugin that nobody caught, where the runtime can tell whose they are. */
  onError(error: unknown): void;
  /** Names its code finds instead of the runtime's own, where the runtime can: `fetch`, `process`. */
  readonly globals: Readonly<Record<string, unknown>>;
}

/** Loads code from outside: TypeScript as it is, with its own `node_modules`. */
export interface PluginLoader {
  /** Code that was loaded stays: each version of a plugin wants a process of its own. */
  readonly loadsOnce: boolean;
  /**
   * Rejects with what the code throws, or why it cannot be read.
   *
   * @param entry absolute path
   */
  load(entry: string, options: PluginLoadOptions): Promise<PluginModule>;
}

// --- the machine ---

/** Where text goes. Writes never throw and never block; past a bound they are dropped and counted. */
export interface TextSink {
  readonly isTerminal: boolean;
  write(text: string): void;
  /** Resolves when all that was written has left, or cannot. */
  flush(): Promise<void>;
}

/** The process we are. */
export interface Process {
  /** Arguments after the program's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /** The user's home directory: `HOME` if set, else what the system says. */
  readonly home: string;
  readonly hostname: string;
  readonly cpuCount: number;
  /** Resident memory of this process, bytes. */
  rssBytes(): number;
  /** Gives back memory that is not in use any more, where the runtime can be asked to; blocks meanwhile. */
  collectGarbage(): void;
  /** IP addresses of this machine's network interfaces, loopback included. */
  addresses(): string[];
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly stdinIsTerminal: boolean;
  /** Lines of standard input, without their ends, until it closes. */
  lines(): AsyncIterable<string>;
  /**
   * Runs a program on our own terminal and waits for its end.
   *
   * @param command its name or path, then its arguments; no shell is between
   * @returns its exit code, 128 plus the number for a signal. @throws when it cannot be started
   */
  runInTerminal(command: readonly [string, ...string[]]): Promise<number>;
  /** Starts a program beside us. @throws Error when it cannot be started, in words for people */
  startProgram(options: ProgramOptions): Promise<Program>;
  /**
   * Starts this very program once more beside us, as a process of plugins (`gateway plugin-host`).
   *
   * @throws Error when it cannot be started, in words for people
   */
  startPluginProcess(options: {
    readonly directory: string;
    readonly env: Readonly<Record<string, string>>;
    readonly confinement: Confinement;
  }): Promise<PluginProcess>;
  /** How this process, being one of plugins, talks to its gateway. */
  pluginProcessEnd(): PluginProcessEnd;
  /** From here on nothing this process makes can be read by other users of the machine (umask 077). */
  keepFilesPrivate(): void;
  /** SIGTERM and SIGINT, instead of ending the process. */
  onStopSignal(work: (signal: "SIGTERM" | "SIGINT") => void): Stop;
  /** SIGHUP, instead of ending the process: the terminal is gone, or a service is to read its files again. */
  onHangup(work: () => void): Stop;
  /** Errors nobody caught and promises nobody handled, instead of ending the process. */
  onUncaught(work: (error: unknown) => void): Stop;
  exit(code: number): never;
}

/** All ports of one runtime, made by `platform/`. */
export interface Platform extends Server, Watcher {
  /** Name and version, as shown in `hello`: `bun 1.4.5`. */
  readonly runtime: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly files: Files;
  readonly process: Process;
  readonly plugins: PluginLoader;
  /**
   * Opens or creates the database file, mode 0600.
   *
   * @param check called before anything is written to it; what it throws is what this throws
   * @throws DatabaseError when SQLite cannot read or use it; Error when it is a link or no file
   */
  openDatabase(path: string, check?: (db: Readable) => void): Database;
  /**
   * Takes an exclusive lock that ends with the process, however it ends. @returns undefined when held by
   * another
   */
  lock(path: string): Stop | undefined;
}
