import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/client";
import type { Program, Process, Timers } from "../../ports.ts";
import { MCP } from "./bounds.ts";
import type { Reach } from "./definition.ts";
import type { Link } from "./link.ts";
import type { News } from "./news.ts";

export interface ProgramLinkPorts {
  readonly startProgram: Process["startProgram"];
  readonly timers: Timers;
  readonly news: News;
  /** The library's check of one message. @throws when it is none */
  readonly parse: (value: unknown) => JSONRPCMessage;
}

/** Starts the server's program and talks to it over standard input and output, a line for each message. */
export async function openProgramLink(
  { command, directory, env }: Extract<Reach, { kind: "program" }>,
  ports: ProgramLinkPorts,
): Promise<Link> {
  const program = await ports.startProgram({ command, directory, env });
  const transport = new ProgramTransport(program, ports);
  return {
    transport,
    pid: program.pid,
    problem: () => transport.problem,
    opened: () => {},
    onError: () => transport.unwanted(),
    close: () => transport.close(),
  };
}

class ProgramTransport implements Transport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: Transport["onmessage"];
  readonly #program: Program;
  readonly #ports: ProgramLinkPorts;
  #problem: string | undefined;
  #stopped: Promise<void> | undefined;
  #unreadChars = 0;
  #line: Uint8Array[] = [];
  #lineBytes = 0;
  /** Since the last message that was of use. */
  #junkLines = 0;
  #junkBytes = 0;
  #isOfUse = true;

  constructor(program: Program, ports: ProgramLinkPorts) {
    this.#program = program;
    this.#ports = ports;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  start(): Promise<void> {
    void this.#read();
    void this.#readLog();
    return Promise.resolve();
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const text = `${JSON.stringify(message)}\n`;
    if (this.#stopped !== undefined)
      throw new Error(this.#problem ?? "Cannot send message: the link is closed");
    if (this.#unreadChars + text.length > MCP.unreadCharsMax) {
      this.#fail("it does not read what it is sent");
      throw new Error(this.#problem);
    }
    this.#unreadChars += text.length;
    try {
      await this.#program.write(text);
    } finally {
      this.#unreadChars -= text.length;
    }
  }

  /** The library had no use for what it was just given. */
  unwanted(): void {
    this.#isOfUse = false;
  }

  async close(): Promise<void> {
    const isOpen = this.#stopped === undefined;
    const stopped = this.#stop();
    if (isOpen) this.onclose?.();
    await stopped;
  }

  async #read(): Promise<void> {
    try {
      for await (const bytes of this.#program.stdout) {
        if (this.#stopped !== undefined) break;
        await this.#take(bytes);
      }
    } catch (error) {
      this.#ports.news.say("protocol", String(error));
    }
    if (this.#stopped !== undefined) return;
    // Most close it by ending; one that only closes it is of no more use.
    const end = await Promise.race([this.#program.ended, this.#after(MCP.closeMs)]);
    this.#fail(end === undefined ? "it closed its output" : `it has ended with ${end}`);
  }

  async #readLog(): Promise<void> {
    try {
      for await (const line of this.#program.stderr) this.#ports.news.say("stderr", line);
    } catch (error) {
      this.#ports.news.say("protocol", String(error));
    }
  }

  async #take(bytes: Uint8Array): Promise<void> {
    let from = 0;
    for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, from)) {
      this.#keep(bytes.subarray(from, at));
      from = at + 1;
      if (this.#stopped !== undefined) return;
      const line = joined(this.#line, this.#lineBytes);
      this.#line = [];
      this.#lineBytes = 0;
      this.#receive(line);
      // The library hears notifications a turn later: progress must not come after the answer it belongs to.
      await Promise.resolve();
    }
    this.#keep(bytes.subarray(from));
  }

  #keep(bytes: Uint8Array): void {
    this.#lineBytes += bytes.length;
    if (this.#lineBytes > MCP.messageBytesMax) {
      this.#line = [];
      return this.#fail(`it sent a message of more than ${MCP.messageBytesMax} bytes`);
    }
    if (bytes.length > 0) this.#line.push(bytes);
  }

  #receive(bytes: Uint8Array): void {
    this.#isOfUse = this.#pass(new TextDecoder().decode(bytes).trim());
    if (this.#isOfUse) {
      this.#junkLines = 0;
      this.#junkBytes = 0;
      return;
    }
    this.#junkLines += 1;
    this.#junkBytes += bytes.length;
    if (this.#junkLines > MCP.junkLinesMax || this.#junkBytes > MCP.junkBytesMax) {
      this.#fail("what it writes is not the Model Context Protocol");
    }
  }

  /** @returns whether it was a message of use */
  #pass(text: string): boolean {
    if (text === "") return false;
    const { news, parse } = this.#ports;
    let message: JSONRPCMessage;
    try {
      message = parse(JSON.parse(text));
    } catch {
      // Many print a greeting or a log line where only messages belong.
      news.say("protocol", `not a message: ${text.slice(0, MCP.wordsCharsMax)}`);
      return false;
    }
    this.#isOfUse = true;
    try {
      this.onmessage?.(message);
    } catch (error) {
      news.say("protocol", String(error));
      return false;
    }
    return this.#isOfUse;
  }

  /** The first reason counts; what is open ends with it. */
  #fail(problem: string): void {
    if (this.#stopped !== undefined) return;
    this.#problem = problem;
    void this.#stop();
    this.onclose?.();
  }

  #stop(): Promise<void> {
    this.#stopped ??= (async () => {
      this.#program.closeInput();
      await Promise.race([this.#program.ended, this.#after(MCP.closeMs)]);
      await this.#program.stop(MCP.killMs);
    })();
    return this.#stopped;
  }

  #after(ms: number): Promise<undefined> {
    return new Promise((resolve) => void this.#ports.timers.after(ms, () => resolve(undefined)));
  }
}

function joined(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
