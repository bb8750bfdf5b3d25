import { GatewayError } from "../client/mod.ts";
import { isStopWord } from "../contract/stop-words.ts";
import { EXIT } from "../gateway/errors.ts";
import type { Stop } from "../ports.ts";
import type { ChatParts } from "./chat.ts";
import { modelNote } from "./model.ts";
import { Mailbox } from "./mailbox.ts";
import { Questions } from "./questions.ts";
import { sending, startTurn, type Turn } from "./turn.ts";

const PROMPT = "> ";

const COMMANDS = [
  ["/new", "begin anew; what was said is kept and can be found. /new MODEL does so with that model"],
  ["/retry", "answer the last message again, if its answer was cut off"],
  ["/stop", "stop the answer; so does Ctrl-C"],
  ["/help", "show this"],
  ["/quit", "leave; so do Ctrl-D, and Ctrl-C twice"],
] as const;

/** A conversation on a terminal. @returns the exit code */
export async function converse(parts: ChatParts): Promise<number> {
  return new Conversation(parts).run();
}

function isFarewell(line: string): boolean {
  return line === "/quit" || line === "/exit";
}

/** What happens on the terminal, one thing at a time. */
class Conversation {
  readonly #parts: ChatParts;
  readonly #sessionKey: string;
  #turn: Turn | undefined;
  #isLeaving = false;
  #isPrompting = false;
  /** Of the answer's text: a line that is still open is ended before anything else is said. */
  #lastChar = "\n";
  readonly #left = Promise.withResolvers<void>();
  readonly #typed = new Mailbox<string>();
  readonly #questions: Questions;
  /** A question stands where the prompt was. */
  #isPromptCovered = false;

  constructor(parts: ChatParts) {
    this.#parts = parts;
    this.#sessionKey = parts.sessionKey;
    this.#questions = new Questions(parts.client, {
      ask: (lines, hint) => this.#showQuestion(lines, hint),
      settled: (why) => this.#uncover(why),
      problem: (text) => parts.screen.problem(text),
    });
  }

  async run(): Promise<number> {
    const { platform } = this.#parts;
    const stops: Stop[] = [
      platform.process.onStopSignal((signal) => this.#interrupt(signal)),
      this.#watchConnection(),
    ];
    try {
      const talk = this.#talk((stop) => void stops.push(stop));
      await Promise.race([talk, this.#left.promise]);
      return EXIT.ok;
    } finally {
      for (const stop of stops) stop();
    }
  }

  async #talk(onStop: (stop: Stop) => void): Promise<void> {
    const { screen } = this.#parts;
    await this.#greet();
    void this.#read().catch((error: unknown) => this.#left.reject(error));
    onStop(await this.#questions.follow(this.#sessionKey));
    this.#prompt();
    for (;;) {
      const line = await this.#typed.take();
      this.#isPrompting = false;
      // Ctrl-D: the prompt is still waiting on its line.
      if (line === undefined) return screen.line("");
      if ((await this.#take(line.trim())) === "leave") return;
      this.#prompt();
    }
  }

  /**
   * A line is the answer to a question that is open, else the next message: also one typed during an answer,
   * unless it is a word that stops that.
   */
  async #read(): Promise<void> {
    for await (const line of this.#parts.platform.process.lines()) {
      if (this.#questions.isAsking) {
        if (isFarewell(line.trim())) return this.#left.resolve();
        await this.#questions.answer(line);
      } else if (this.#turn && isStopWord(line)) this.#turn.abort();
      else this.#typed.put(line);
    }
    this.#typed.close();
  }

  #showQuestion(lines: readonly string[], hint: string): void {
    const { screen } = this.#parts;
    if (this.#isPrompting && !this.#isPromptCovered) screen.line("");
    else this.#endLine();
    this.#isPromptCovered = true;
    for (const line of lines) screen.line(screen.foreign(line));
    screen.problem(hint);
  }

  #uncover(why: string | undefined): void {
    if (why !== undefined) {
      this.#endLine();
      this.#parts.screen.problem(why);
    }
    if (this.#isPrompting && this.#isPromptCovered) this.#prompt();
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
    if (isFarewell(line)) return "leave";
    if (line === "/new" || line === "/reset") await this.#startAfresh();
    // What stands behind the word is the gateway's to read: a model, a message, or both.
    else if (/^\/(?:new|reset)\s/.test(line)) await this.#ask(line);
    else if (line === "/retry") await this.#retry();
    else if (isStopWord(line)) screen.problem("Cannot stop the answer: none is being given");
    else if (line === "/help") for (const [name, what] of COMMANDS) screen.line(`${name.padEnd(6)} ${what}`);
    else screen.problem(`Cannot do "${line}": there are ${COMMANDS.map(([name]) => name).join(", ")}`);
    return undefined;
  }

  async #startAfresh(): Promise<void> {
    const { client, screen } = this.#parts;
    try {
      await client.call("sessions.reset", { key: this.#sessionKey });
      screen.line(screen.dim("It begins anew"));
    } catch (error) {
      if (!(error instanceof GatewayError) || client.state.name === "closed") throw error;
      // Nothing has been said in it yet.
      if (error.code !== "not_found") this.#say(error.message);
    }
  }

  async #retry(): Promise<void> {
    await this.#follow((onText, onNote) => {
      const { client } = this.#parts;
      return startTurn({
        client,
        sessionKey: this.#sessionKey,
        send: () => client.call("chat.retry", { sessionKey: this.#sessionKey }),
        onText,
        onNote,
      });
    });
  }

  async #ask(message: string): Promise<void> {
    const { client, timeoutMs } = this.#parts;
    const sessionKey = this.#sessionKey;
    await this.#follow((onText, onNote) =>
      startTurn({
        client,
        sessionKey,
        send: sending({ client, sessionKey, message, timeoutMs }),
        message,
        onText,
        onNote,
      }),
    );
  }

  async #follow(
    start: (onText: (text: string) => void, onNote: (note: string) => void) => Turn,
  ): Promise<void> {
    const { client, screen } = this.#parts;
    this.#turn = start(
      (text) => {
        screen.write(screen.foreign(text));
        this.#lastChar = text.at(-1) ?? this.#lastChar;
      },
      (note) => this.#say(note),
    );
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
    // A question wants the next line: the prompt comes back after it.
    this.#isPromptCovered = this.#questions.isAsking;
    if (!this.#isPromptCovered) this.#parts.screen.write(this.#parts.screen.bold(PROMPT));
  }

  /** A problem, on a line of its own. */
  #say(problem: string): void {
    const { screen } = this.#parts;
    if (this.#isPrompting && !this.#isPromptCovered) screen.line("");
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
