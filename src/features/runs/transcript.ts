import { LIMITS } from "../../contract/limits.ts";
import type { AgentEvent } from "../../ports.ts";
import { utf8Bytes } from "../../rpc/json.ts";
import type { Content } from "./contract.ts";

type Part = { -readonly [K in keyof Content]: Content[K] } & Content;
type ToolStart = Extract<AgentEvent, { type: "tool_start" }>;
type ToolResult = Extract<AgentEvent, { type: "tool_result" }>;

/** What an agent has said in one run, in order, and what of it is on disk already. */
export class Transcript {
  readonly #parts: Part[] = [];
  readonly #calls = new Map<string, Extract<Part, { type: "tool_call" }>>();
  /** Parts before this one are on disk and will not change. */
  #savedParts = 0;
  /** Characters of the part at `#savedParts` that are on disk. */
  #savedChars = 0;
  #isAnew = false;
  #bytes = 0;
  #resultBytes = 0;
  #toolCalls = 0;

  /**
   * Of what the agent said itself, as JSON, as it is stored and sent: a control character is six of them.
   * What tools answered is not the agent's, and is kept within bounds of its own.
   */
  get bytes(): number {
    return this.#bytes;
  }

  get toolCalls(): number {
    return this.#toolCalls;
  }

  text(text: string): void {
    this.#add("text", text);
  }

  thinking(text: string): void {
    this.#add("thinking", text);
  }

  toolStarted({ id, name, args }: ToolStart): void {
    const call = { type: "tool_call" as const, id, name, args };
    this.#parts.push(call);
    this.#calls.set(id, call);
    this.#bytes += jsonBytes(call);
    this.#toolCalls++;
  }

  /** Has this tool been called, and not answered yet? */
  isCalling(id: string): boolean {
    return this.#calls.has(id);
  }

  /** @returns false for a result nobody waits for: it is none */
  toolAnswered({ id, text, isError }: ToolResult): boolean {
    const call = this.#calls.get(id);
    if (!call) return false;
    this.#calls.delete(id);
    call.result = this.#kept(text);
    if (isError) call.isError = true;
    return true;
  }

  /** As much of a tool's answer as is kept; the agent itself reads all of it. */
  #kept(result: string): string {
    const room = LIMITS.toolResultsBytesMax - this.#resultBytes;
    const bytes = jsonBytes(result);
    if (bytes <= Math.min(room, LIMITS.toolResultBytesMax)) {
      this.#resultBytes += bytes;
      return result;
    }
    const share = Math.max(Math.min(room, LIMITS.toolResultBytesMax), 0) / bytes;
    const start = result.slice(0, Math.floor(result.length * share)).toWellFormed();
    this.#resultBytes += Math.floor(bytes * share);
    return `${start}[${result.length - start.length} more characters were read and not kept]`;
  }

  content(): Content[] {
    return this.#parts.map((part) => ({ ...part }));
  }

  /**
   * What has come since the last call, to be written down: text that goes on is a part of its own, joined
   * again by {@link joined}. A tool call is given when it has been answered, and everything after it then.
   */
  unsaved(): Content[] {
    const found: Content[] = [];
    for (; this.#savedParts < this.#parts.length; this.#savedParts++, this.#savedChars = 0) {
      const part = this.#parts[this.#savedParts];
      if (!part || part.type === "image") continue;
      if (part.type === "tool_call") {
        if (this.#calls.get(part.id) === part) break;
        found.push({ ...part });
        continue;
      }
      const text = part.text.slice(this.#savedChars);
      if (text !== "") found.push({ type: part.type, text });
      if (this.#savedParts === this.#parts.length - 1) {
        // It may go on.
        this.#savedChars = part.text.length;
        break;
      }
    }
    return found;
  }

  /** Pieces were not written: what is given next begins at the start again, and takes their place. */
  forgetSaved(): void {
    this.#savedParts = 0;
    this.#savedChars = 0;
    this.#isAnew = true;
  }

  /** Whether what `unsaved` gives next takes the place of all before it; told once. */
  takeAnew(): boolean {
    const isAnew = this.#isAnew;
    this.#isAnew = false;
    return isAnew;
  }

  #add(type: "text" | "thinking", text: string): void {
    if (text === "") return;
    this.#bytes += jsonBytes(text);
    const last = this.#parts.at(-1);
    if (last?.type === type) last.text += text;
    else this.#parts.push({ type, text });
  }
}

function jsonBytes(value: unknown): number {
  return utf8Bytes(JSON.stringify(value));
}

/** Pieces in a row that are one part, as one. */
export function joined(pieces: readonly Content[]): Content[] {
  const parts: Part[] = [];
  for (const piece of pieces) {
    const last = parts.at(-1);
    const isText = piece.type === "text" || piece.type === "thinking";
    if (isText && last?.type === piece.type) last.text += piece.text;
    else parts.push({ ...piece });
  }
  return parts;
}

/** The parts a person would read. */
export function textOf(content: readonly Content[]): string {
  return content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("");
}
