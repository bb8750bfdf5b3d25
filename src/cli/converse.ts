import { createIdempotencyKey, GatewayError } from "../client/mod.ts";
import { EXIT } from "../gateway/errors.ts";
import type { Stop } from "../ports.ts";
import type { ChatParts } from "./chat.ts";
import { modelNote } from "./model.ts";
import { startTurn, type Turn } from "./turn.ts";

const PROMPT = "> ";

const COMMANDS = [
  ["/new", "begin a new session; the old one is kept"],
  ["/help", "show this"],
  ["/quit", "leave; so do Ctrl-D, and Ctrl-C twice"],
] as const;

/** A conversation on a terminal. @returns the exit code */
export async function converse(parts: ChatParts): Promise<number> {
  return new Conversation(parts).run();
}

/** What happens on the terminal, one thing at a time. */
class Conversation {
  readonly #parts: ChatParts;
  #sessionKey: string;
  #turn: Turn | undefined;
  #isLeaving = false;
  #isPrompting = false;
  /** Of the answer's text: a line that is still open is ended before anything else is said. */
  #lastChar = "\n";
  readonly #left = Promise.withResolvers<void>();

  constructor(parts: ChatParts) {
    this.#parts = parts;
    this.#sessionKey = parts.sessionKey;
  }

  async run(): Promise<number> {
    const { platform } = this.#parts;
    const stops: Stop[] = [
      platform.process.onStopSignal((signal) => this.#interrupt(signal)),
      this.#watchConnection(),
    ];
    try {
      await Promise.race([this.#talk(), this.#left.promise]);
      return EXIT.ok;
    } finally {
      for (const stop of stops) stop();
    }
  }

  async #talk(): Promise<void> {
    const { platform, screen } = this.#parts;
    await this.#greet();
    this.#prompt();
    for await (const line of platform.process.lines()) {
      this.#isPrompting = false;
      if ((await this.#take(line.trim())) === "leave") return;
      this.#prompt();
    }
    // Ctrl-D: the prompt is still waiting on its line.
    screen.line("");
  }

  async #greet(): Promise<void> {
    const { client, screen } = this.#parts;
    const [{ sessions }, { model }] = await Promise.all([
      client.call("sessions.list", { search: this.#sessionKey }),
      client.call("status"),
    ]);
    const session = sessions.find(({ key }) => key === this.#sessionKey);
    const name = session?.model ?? model;
    const answers = name === "" ? "" : ` with ${name}${modelNote(name)}`;
    screen.line(screen.foreign(`Session "${this.#sessionKey}"${answers}`));
    if (session && session.messages > 0)
      screen.line(screen.dim(`It goes on after ${session.messages} messages`));
    screen.line(screen.dim("/help shows what you can do here"));
  }

  async #take(line: string): Promise<"leave" | undefined> {
    const { screen } = this.#parts;
    this.#isLeaving = false;
    if (line === "") return undefined;
    if (!line.startsWith("/")) {
      await this.#ask(line);
      return undefined;
    }
    if (line === "/quit" || line === "/exit") return "leave";
    if (line === "/new") this.#startAfresh();
    else if (line === "/help") for (const [name, what] of COMMANDS) screen.line(`${name.padEnd(6)} ${what}`);
    else screen.problem(`Cannot do "${line}": there are ${COMMANDS.map(([name]) => name).join(", ")}`);
    return undefined;
  }

  #startAfresh(): void {
    const { screen, sessionKey } = this.#parts;
    this.#sessionKey = `${sessionKey}-${createIdempotencyKey().slice(0, 6)}`;
    screen.line(screen.foreign(`Session "${this.#sessionKey}"`));
  }

  async #ask(message: string): Promise<void> {
    const { client, screen, timeoutMs } = this.#parts;
    this.#turn = startTurn({
      client,
      sessionKey: this.#sessionKey,
      message,
      timeoutMs,
      onText: (text) => {
        screen.write(screen.foreign(text));
        this.#lastChar = text.at(-1) ?? this.#lastChar;
      },
      onQueued: () => this.#say("This session is still answering somebody else, the message waits"),
    });
    try {
      const { problem } = await this.#turn.end;
      if (problem) this.#say(problem);
    } catch (error) {
      // The end of the connection is the end of the conversation; any other refusal is of this message only.
      if (!(error instanceof GatewayError) || client.state.name === "closed") throw error;
      this.#say(error.message);
    } finally {
      this.#endLine();
      this.#turn = undefined;
    }
  }

  #prompt(): void {
    this.#isPrompting = true;
    this.#parts.screen.write(this.#parts.screen.bold(PROMPT));
  }

  /** A problem, on a line of its own. */
  #say(problem: string): void {
    const { screen } = this.#parts;
    if (this.#isPrompting) screen.line("");
    else this.#endLine();
    screen.problem(problem);
    if (this.#isPrompting) this.#prompt();
  }

  #endLine(): void {
    if (this.#lastChar !== "\n") this.#parts.screen.line("");
    this.#lastChar = "\n";
  }

  /** Ctrl-C stops the answer; the second one, or one after an answer was stopped, leaves. */
  #interrupt(signal: "SIGTERM" | "SIGINT"): void {
    const { screen } = this.#parts;
    if (signal === "SIGTERM" || this.#isLeaving) {
      screen.line("");
      return this.#left.resolve();
    }
    this.#isLeaving = true;
    if (this.#turn) return this.#turn.abort();
    screen.line("");
    screen.line(screen.dim("Ctrl-C again leaves"));
    this.#prompt();
  }

  #watchConnection(): Stop {
    let isLost = false;
    return this.#parts.client.onState((state) => {
      if (state.name === "waiting" && !isLost) this.#say("Connection lost, trying again");
      if (state.name === "ready" && isLost) this.#say("Connected again");
      if (state.name === "waiting") isLost = true;
      if (state.name === "ready") isLost = false;
      if (state.name !== "closed" || !state.error) return;
      if (this.#isPrompting) this.#parts.screen.line("");
      this.#left.reject(state.error);
    });
  }
}
