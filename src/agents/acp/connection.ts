import type { RequestPermissionRequest, RequestPermissionResponse } from "@agentclientprotocol/sdk";

import { messageOf } from "../../contract/errors.ts";
import type { Log, Process, Program, ProgramOptions, Timers } from "../../ports.ts";
import { type Fields, record } from "../values.ts";
import { Broken } from "./failures.ts";
import { oneLine } from "./texts.ts";
import { Wire } from "./wire.ts";

export interface ConnectionPorts {
  readonly startProgram: Process["startProgram"];
  readonly timers: Timers;
  readonly log: Log;
}

export interface ConnectionOptions extends ConnectionPorts {
  readonly program: ProgramOptions;
  /** Who it runs for, in the log. */
  readonly fields: { readonly session: string; readonly agent: string };
  /** Aborted when it is not wanted any more while it starts. */
  readonly signal: AbortSignal;
  /** Takes secrets out of what the program says. */
  readonly hide: (text: string) => string;
  onUpdate(params: unknown): Promise<void> | undefined;
  onPermission(params: RequestPermissionRequest, signal: AbortSignal): Promise<RequestPermissionResponse>;
}

const INITIALIZE_MS = 30_000;

/** Between being asked to end and being ended. */
const GRACE_MS = 2_000;

/** After its output has ended: for its exit code, and for what it complained of last. */
const LAST_WORDS_MS = 1_000;

/** Lines of complaint that are shown again when it ends unasked. */
const LAST_LINES = 5;

type Library = typeof import("@agentclientprotocol/sdk");
type Peer = ReturnType<ReturnType<Library["client"]>["connect"]>;

/** One program that speaks the Agent Client Protocol, from its start to its end. */
export class Connection {
  /** What the agent said it can do. */
  capabilities: Fields = {};
  authMethods: unknown;
  /** Resolves with the reason when the program has ended. */
  readonly closed: Promise<Broken>;
  readonly #options: ConnectionOptions;
  readonly #program: Program;
  readonly #peer: Peer;
  readonly #lastLines: string[] = [];
  #wasAsked = false;

  /** Starts the program and greets it. @throws Error in words, when it has ended again */
  static async open(options: ConnectionOptions): Promise<Connection> {
    // Loaded by the first agent: few gateways have one.
    const library = await import("@agentclientprotocol/sdk");
    const program = await options.startProgram(options.program).catch((error: unknown) => {
      const said = messageOf(error);
      throw new Broken(said.replace("Cannot", "cannot"));
    });
    const connection = new Connection(library, program, options);
    const stop = (): void => void connection.stop();
    options.signal.addEventListener("abort", stop);
    if (options.signal.aborted) stop();
    try {
      await connection.#initialize(library);
    } catch (error) {
      await connection.stop();
      throw error;
    } finally {
      options.signal.removeEventListener("abort", stop);
    }
    return connection;
  }

  private constructor(library: Library, program: Program, options: ConnectionOptions) {
    this.#options = options;
    this.#program = program;
    const wire = new Wire({
      program,
      onUpdate: (params) => options.onUpdate(params),
      onGarbage: (line, why) => this.#debug(`agent wrote ${why}`, line),
    });
    this.#peer = library
      .client({ name: "gateway" })
      .onRequest(library.methods.client.session.requestPermission, ({ params, signal }) =>
        options.onPermission(params, signal),
      )
      .connect(wire.stream);
    const complaints = this.#readComplaints();
    this.closed = this.#peer.closed.then(() => this.#end(complaints));
  }

  /** Not stopped, and not ended by itself. */
  get isOpen(): boolean {
    return !this.#peer.signal.aborted;
  }

  /** @throws what the agent answers, or the reason for the end: both for {@link Failures.from} */
  async request(method: string, params: unknown, deadlineMs?: number): Promise<Fields> {
    const late =
      deadlineMs === undefined
        ? undefined
        : this.#options.timers.after(deadlineMs, () => {
            this.#peer.close(new Broken(`it did not answer "${method}" in ${deadlineMs / 1_000} s`));
          });
    try {
      return record(await this.#peer.agent.request(method, params));
    } catch (error) {
      if (!this.#peer.signal.aborted) throw error;
      throw await this.closed;
    } finally {
      late?.();
    }
  }

  /** Tells without waiting: an agent that is gone needs no telling. */
  notify(method: string, params: unknown): void {
    this.#peer.agent.notify(method, params).catch((error: unknown) => {
      this.#debug("agent was not told", messageOf(error));
    });
  }

  /** A line of the log about it. */
  warn(message: string, reason: string): void {
    const { log, fields } = this.#options;
    log.warn(message, { ...fields, reason });
  }

  /** Ends the program. What is still asked fails at once. */
  async stop(): Promise<void> {
    this.#wasAsked = true;
    this.#peer.close(new Broken("its program was stopped"));
    this.#program.closeInput();
    await this.closed;
  }

  async #initialize(library: Library): Promise<void> {
    const answer = await this.request(
      "initialize",
      {
        protocolVersion: library.PROTOCOL_VERSION,
        clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
      },
      INITIALIZE_MS,
    );
    if (answer["protocolVersion"] !== library.PROTOCOL_VERSION) {
      const version = oneLine(JSON.stringify(answer["protocolVersion"] ?? null), 40);
      throw new Broken(`it speaks version ${version} of the protocol, wanted ${library.PROTOCOL_VERSION}`);
    }
    this.capabilities = record(answer["agentCapabilities"]);
    this.authMethods = answer["authMethods"];
  }

  async #readComplaints(): Promise<void> {
    for await (const said of this.#program.stderr) {
      const line = this.#options.hide(said);
      this.#debug("agent says", line);
      this.#lastLines.push(line);
      if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift();
    }
  }

  /** The connection is closed, whoever closed it: the program ends, and the reason is found. */
  async #end(complaints: Promise<void>): Promise<Broken> {
    const { signal } = this.#peer;
    const known = signal.reason instanceof Broken ? signal.reason : undefined;
    if (known) {
      // What it says once it is being ended is about that.
      const lines = [...this.#lastLines];
      await this.#program.stop(GRACE_MS);
      return this.#wasAsked ? known : this.#crashed(known.message, lines);
    }
    const end = await this.#within(LAST_WORDS_MS, this.#program.ended);
    await this.#program.stop(GRACE_MS);
    await this.#within(LAST_WORDS_MS, complaints);
    const reason = end === undefined ? "its program closed its output" : `its program ended with ${end}`;
    return this.#crashed(reason, this.#lastLines);
  }

  #crashed(reason: string, lines: readonly string[]): Broken {
    const { log, fields } = this.#options;
    log.warn("agent ended", { ...fields, reason });
    for (const line of lines) log.warn("agent said", { ...fields, line });
    const last = lines.findLast((line) => line.trim() !== "");
    return new Broken(last === undefined ? reason : `${reason}: ${oneLine(last)}`);
  }

  async #within<T>(ms: number, wanted: Promise<T> | undefined): Promise<T | undefined> {
    if (wanted === undefined) return undefined;
    let stop = (): void => {};
    const late = new Promise<undefined>((resolve) => {
      stop = this.#options.timers.after(ms, () => resolve(undefined));
    });
    try {
      return await Promise.race([wanted, late]);
    } finally {
      stop();
    }
  }

  #debug(message: string, line: string): void {
    const { log, fields, hide } = this.#options;
    log.debug(message, { ...fields, line: oneLine(hide(line), 1_000) });
  }
}
