import type { Stream } from "@agentclientprotocol/sdk";

import type { Program } from "../../ports.ts";
import { isObject } from "../../rpc/json.ts";
import type { Fields } from "../values.ts";
import { Broken } from "./failures.ts";
import { linesOf } from "./lines.ts";

type Message = Stream["readable"] extends ReadableStream<infer M> ? M : never;

export interface WireOptions {
  readonly program: Pick<Program, "stdout" | "write">;
  /** An update of a session, in the order they come; what it returns holds the program back. */
  onUpdate(params: unknown): Promise<void> | undefined;
  /** What it wrote that is no message. */
  onGarbage(line: string, why: string): void;
}

/** Requests of the agent that wait for our answer: past this it is not read any more. */
const UNANSWERED_MAX = 32;

/** Lines in a row that are no messages: some programs greet, none that speaks the protocol goes on so. */
const GARBAGE_LINES_MAX = 100;
const GARBAGE_CHARS_MAX = 1024 * 1024;

/**
 * The library's stream over a program. It passes on what the library can use: the library keeps every
 * message it cannot answer yet, and writes on our terminal about what it does not know. Updates go past it,
 * because it starts to handle them in order and does not end so.
 */
export class Wire {
  readonly stream: Stream;
  readonly #options: WireOptions;
  readonly #lines: AsyncGenerator<string, void, undefined>;
  /** Ids of our requests that have no answer yet. */
  readonly #asked = new Set<unknown>();
  #unanswered = 0;
  #wake: (() => void) | undefined;
  #garbageLines = 0;
  #garbageChars = 0;

  constructor(options: WireOptions) {
    this.#options = options;
    this.#lines = linesOf(options.program.stdout);
    this.stream = {
      readable: new ReadableStream<Message>({ pull: (controller) => this.#pull(controller) }),
      writable: new WritableStream<Message>({ write: (message) => this.#write(message) }),
    };
  }

  async #pull(controller: ReadableStreamDefaultController<Message>): Promise<void> {
    const message = await this.#next();
    if (message === undefined) controller.close();
    else controller.enqueue(message);
  }

  async #next(): Promise<Message | undefined> {
    for (;;) {
      while (this.#unanswered >= UNANSWERED_MAX) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      const { value: line, done } = await this.#lines.next();
      if (done === true) return undefined;
      const said = this.#parse(line);
      if (said === undefined) continue;
      if (said["method"] === "session/update" && !("id" in said)) {
        await this.#update(said["params"], line);
        continue;
      }
      const message = this.#judge(said, line);
      if (message !== undefined) return message;
    }
  }

  async #update(params: unknown, line: string): Promise<void> {
    try {
      await this.#options.onUpdate(params);
      this.#accept();
    } catch {
      // It is too deep to be written as text.
      this.#refuse(line, "an update that cannot be shown");
    }
  }

  #parse(line: string): Fields | undefined {
    if (line.trim() === "") return this.#count(line);
    try {
      const said: unknown = JSON.parse(line);
      if (isObject(said)) return said;
    } catch {
      // Told below, with what is JSON and no message.
    }
    return this.#refuse(line, "no message");
  }

  /** The message, if it is one that the library has an answer to. */
  #judge(said: Fields, line: string): Message | undefined {
    const { id, method } = said;
    const isNamed = typeof id === "string" || typeof id === "number";
    if (typeof method === "string") {
      // A request, and the word that one is not wanted any more; other notices say nothing to us.
      if (!isNamed && method !== "$/cancel_request") return undefined;
      if (isNamed) this.#unanswered += 1;
    } else {
      if (!isNamed || !this.#asked.delete(id)) return this.#refuse(line, "an answer that nobody waits for");
    }
    this.#accept();
    // Checked as far as the library takes it for granted; the rest it checks itself.
    return { ...said, jsonrpc: "2.0" } as Message;
  }

  #accept(): void {
    this.#garbageLines = 0;
    this.#garbageChars = 0;
  }

  #refuse(line: string, why: string): undefined {
    this.#options.onGarbage(line, why);
    return this.#count(line);
  }

  #count(line: string): undefined {
    this.#garbageLines += 1;
    this.#garbageChars += line.length;
    if (this.#garbageLines > GARBAGE_LINES_MAX || this.#garbageChars > GARBAGE_CHARS_MAX) {
      throw new Broken("what it writes is not the Agent Client Protocol");
    }
    return undefined;
  }

  async #write(message: Message): Promise<void> {
    if ("method" in message) {
      if ("id" in message) this.#asked.add(message.id);
    } else {
      this.#unanswered -= 1;
      this.#wake?.();
    }
    await this.#options.program.write(`${JSON.stringify(message)}\n`);
  }
}
