import type { AgentEnvironment, AgentEvent, AgentTurn, Clock, Files, Stop } from "../../ports.ts";
import type { Definition } from "../mcp/definition.ts";
import { type AcpProvider, type Env, splitModel } from "../providers.ts";
import { record } from "../values.ts";
import { Connection, type ConnectionPorts } from "./connection.ts";
import { Conversation } from "./conversation.ts";
import { createHider, programEnv } from "./environment.ts";
import { Exchange } from "./exchange.ts";
import { Failures } from "./failures.ts";
import { Mailbox } from "./mailbox.ts";
import { hasImages, newestMessages } from "./messages.ts";
import { fromNote, type NoteOwner, toNote } from "./note.ts";
import { CANCELLED } from "./permission.ts";
import type { Holder, Place, Places } from "./places.ts";
import { Starts } from "./starts.ts";

export interface SessionPorts extends ConnectionPorts {
  readonly clock: Clock;
  readonly files: Pick<Files, "stat" | "ensurePrivateDir">;
  readonly env: Env;
  readonly places: Places;
  readonly idleMs: number;
}

type SessionOptions = {
  readonly ports: SessionPorts;
  /** The name of the provider, the first half of its references. */
  readonly name: string;
  readonly provider: AcpProvider;
  readonly environment: AgentEnvironment;
  /** Servers of tools that it may have for itself. */
  readonly servers: readonly Definition[];
};

/** An agent that was told to stop and goes on is ended after that. */
const CANCEL_MS = 5_000;

/** One conversation with one agent: its program, from its first prompt on, and again after each end. */
export class AcpSession implements Holder {
  readonly #options: SessionOptions;
  readonly #owner: NoteOwner;
  readonly #starts: Starts;
  readonly #hide: (text: string) => string;
  #acpSessionId: string | undefined;
  #live: Promise<Conversation> | undefined;
  #connection: Connection | undefined;
  #exchange: Exchange | undefined;
  #starting = new AbortController();
  /** The end of the last prompt; never rejects. */
  #settled: Promise<unknown> = Promise.resolve();
  /** The end of the last program. */
  #ended: Promise<unknown> = Promise.resolve();
  #isAnswering = false;
  #isStopped = false;
  #idleSinceMs: number | undefined;
  #stopIdle: Stop = () => {};

  constructor(options: SessionOptions) {
    const { environment, name, ports, provider, servers } = options;
    this.#options = options;
    this.#owner = { provider: name, workspace: environment.workspace, sessionId: environment.sessionId };
    this.#acpSessionId = fromNote(this.#owner, environment.note);
    this.#starts = new Starts(ports.clock);
    const theirs = servers.flatMap(({ config }) => [config.env ?? {}, config.headers ?? {}]);
    this.#hide = createHider(provider.env, environment.env, ...theirs);
  }

  get idleSinceMs(): number | undefined {
    return this.#idleSinceMs;
  }

  /** It has no program, and nobody waits for one. */
  get isDormant(): boolean {
    return this.#live === undefined && !this.#isAnswering;
  }

  async *prompt(ref: string, turn: AgentTurn, signal: AbortSignal): AsyncGenerator<AgentEvent> {
    if (signal.aborted) return;
    const failures = new Failures(ref, this.#hide);
    if (this.#isStopped) throw failures.of("unavailable", "its session was closed");
    if (this.#isAnswering) throw failures.of("busy", "it is answering already", CANCEL_MS);
    this.#isAnswering = true;
    this.#setIdle(false);
    const own = new AbortController();
    const mailbox = new Mailbox<AgentEvent>();
    const abort = (): void => {
      own.abort();
      mailbox.discard();
    };
    signal.addEventListener("abort", abort);
    void this.#answer({ turn, mailbox, failures, signal: own.signal });
    try {
      yield* mailbox;
    } finally {
      signal.removeEventListener("abort", abort);
      abort();
      this.#isAnswering = false;
      void this.#settled.then(() => this.#setIdle(!this.#isAnswering));
    }
  }

  /** Ends the program; the next prompt starts it anew. */
  async stop(): Promise<void> {
    this.#setIdle(false);
    const live = this.#live;
    this.#live = undefined;
    this.#starting.abort();
    this.#starting = new AbortController();
    await this.#connection?.stop();
    // One that was starting is there now, or was never.
    await live?.then(({ connection }) => connection.stop()).catch(() => undefined);
    await this.#ended;
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    this.#isStopped = true;
    await this.stop();
  }

  /** Fills and closes the mailbox. Never rejects. */
  async #answer(asked: Asked): Promise<void> {
    const { mailbox, failures, signal } = asked;
    try {
      // One that was cut off is over soon: it is given a time from then on.
      await this.#settled;
      if (signal.aborted) return;
      const conversation = await this.#conversation(failures);
      if (signal.aborted) return;
      const prompted = this.#prompt(conversation, asked);
      this.#settled = prompted.catch(() => undefined);
      await prompted;
      mailbox.close();
    } catch (error) {
      mailbox.close({ error: failures.from(error) });
    }
  }

  async #conversation(failures: Failures): Promise<Conversation> {
    const live = await (this.#live ??= this.#start(failures));
    if (live.connection.isOpen) return live;
    // It has just been ended: the next one is begun when it is gone.
    await this.#ended;
    return (this.#live ??= this.#start(failures));
  }

  async #prompt(main: Conversation, { turn, mailbox, failures, signal }: Asked): Promise<void> {
    const { connection } = main;
    if (hasImages(newestMessages(turn.messages)) && !takesImages(connection)) {
      throw failures.of("invalid_request", "the agent takes no images");
    }
    // Words beside the conversation are no part of it.
    const { workspace } = this.#options.environment;
    const isPlain = turn.isPlain === true;
    const cancelled = this.#watchCancel(connection, signal);
    try {
      const conversation = isPlain
        ? await Conversation.open(connection, { known: undefined, workspace, servers: [], failures })
        : main;
      await conversation.useModel(splitModel(failures.ref).model, failures);
      if (signal.aborted) return;
      const onBegun = (): void => (isPlain ? undefined : this.#remember(conversation, turn));
      this.#exchange = new Exchange({ conversation, turn, mailbox, signal, onBegun });
      await this.#exchange.run();
    } finally {
      this.#exchange = undefined;
      cancelled();
    }
  }

  /** Ends the program if it goes on for too long after it was told to stop. */
  #watchCancel(connection: Connection, signal: AbortSignal): Stop {
    let stop: Stop = () => {};
    const arm = (): void => {
      stop = this.#options.ports.timers.after(CANCEL_MS, () => void connection.stop());
    };
    signal.addEventListener("abort", arm);
    if (signal.aborted) arm();
    return () => {
      signal.removeEventListener("abort", arm);
      stop();
    };
  }

  #remember({ id }: Conversation, turn: AgentTurn): void {
    if (this.#acpSessionId === id) return;
    this.#acpSessionId = id;
    turn.remember(toNote(this.#owner, id));
  }

  #start(failures: Failures): Promise<Conversation> {
    // While this prompt waited for the end of the one before it.
    if (this.#isStopped) throw failures.of("unavailable", "its session was closed");
    const { waitMs } = this.#starts;
    if (waitMs !== undefined) {
      throw failures.of("busy", `it has failed to start several times: ${this.#starts.why}`, waitMs);
    }
    const live = this.#open(failures);
    const forget = (): void => {
      if (this.#live === live) this.#live = undefined;
    };
    live.then(
      ({ connection }) => void connection.closed.then(forget),
      () => forget(),
    );
    return live;
  }

  async #open(failures: Failures): Promise<Conversation> {
    const starting = this.#starting.signal;
    await this.#ended;
    const { environment, ports, servers } = this.#options;
    const place = await ports.places.take(this);
    let connection: Connection | undefined;
    try {
      await this.#ensureWorkspace();
      connection = await this.#connect(starting);
      this.#hold(connection, place);
      const { workspace } = environment;
      const conversation = await Conversation.open(connection, {
        known: this.#acpSessionId,
        workspace,
        servers,
        failures,
      });
      this.#starts.succeeded();
      return conversation;
    } catch (error) {
      await connection?.stop();
      place.release();
      const failure = failures.from(error);
      // Without its beginning, which the next error has too.
      if (!starting.aborted) this.#starts.failed(failure.message.replace(/^.*?": /, ""));
      throw failure;
    }
  }

  /** The one that nobody has chosen is not there yet; one that is there keeps its permissions. */
  async #ensureWorkspace(): Promise<void> {
    const { environment, ports } = this.#options;
    const found = await ports.files.stat(environment.workspace);
    if (found === undefined) await ports.files.ensurePrivateDir(environment.workspace);
  }

  #connect(signal: AbortSignal): Promise<Connection> {
    const { environment, name, ports, provider } = this.#options;
    return Connection.open({
      ...ports,
      program: {
        command: provider.command,
        directory: environment.workspace,
        env: programEnv(ports.env, provider.env, environment),
      },
      fields: { session: environment.sessionKey, agent: name },
      signal,
      hide: this.#hide,
      onUpdate: (params) => this.#exchange?.update(params),
      onPermission: async (params, signal) => (await this.#exchange?.ask(params, signal)) ?? CANCELLED,
    });
  }

  #hold(connection: Connection, place: Place): void {
    this.#connection = connection;
    this.#ended = connection.closed.then(() => {
      place.release();
      if (this.#connection === connection) this.#connection = undefined;
    });
  }

  #setIdle(isIdle: boolean): void {
    const { clock, timers, idleMs } = this.#options.ports;
    this.#stopIdle();
    const isRunning = isIdle && this.#live !== undefined;
    this.#idleSinceMs = isRunning ? clock.elapsed() : undefined;
    if (isRunning) this.#stopIdle = timers.after(idleMs, () => void this.stop());
  }
}

type Asked = {
  readonly turn: AgentTurn;
  readonly mailbox: Mailbox<AgentEvent>;
  readonly failures: Failures;
  readonly signal: AbortSignal;
};

function takesImages({ capabilities }: Connection): boolean {
  return record(capabilities["promptCapabilities"])["image"] === true;
}
