import { createIdempotencyKey, GatewayError } from "../client/mod.ts";
import { EXIT } from "../gateway/errors.ts";
import type { Stop } from "../ports.ts";
import type { ChatParts } from "./chat.ts";
import { isUnreached } from "./connect.ts";
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
    screen.write(PROMPT);
    for await (const line of platform.process.lines()) {
      if ((await this.#take(line.trim())) === "leave") return;
      screen.write(PROMPT);
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
    let lastChar = "\n";
    this.#turn = startTurn({
      client,
      sessionKey: this.#sessionKey,
      message,
      timeoutMs,
      onText: (text) => {
        screen.write(screen.foreign(text));
        lastChar = text.at(-1) ?? lastChar;
      },
      onQueued: () => screen.problem("This session is still answering somebody else, the message waits"),
    });
    try {
      const end = await this.#turn.end;
      if (lastChar !== "\n") screen.line("");
      if (end.problem) screen.problem(end.problem);
    } catch (error) {
      if (lastChar !== "\n") screen.line("");
      if (!(error instanceof GatewayError) || isUnreached(error)) throw error;
      screen.problem(error.message);
    } finally {
      this.#turn = undefined;
    }
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
    screen.write(PROMPT);
  }

  #watchConnection(): Stop {
    const { client, screen } = this.#parts;
    let isLost = false;
    return client.onState((state) => {
      if (state.name === "waiting" && !isLost) screen.problem("Connection lost, trying again");
      if (state.name === "ready" && isLost) screen.problem("Connected again");
      if (state.name === "waiting") isLost = true;
      if (state.name === "ready") isLost = false;
      if (state.name === "closed" && state.error) this.#left.reject(state.error);
    });
  }
}
