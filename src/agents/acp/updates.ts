import type { AgentEvent } from "../../ports.ts";
import { type Fields, isCount, listOf, record, textOf } from "../values.ts";
import { blockText, contentText, outputText } from "./contents.ts";
import { jsonOf, oneLine } from "./texts.ts";

/** Tools of one prompt that are followed; what an agent calls beyond is not shown. */
const TOOLS_MAX = 1_000;

const ID_CHARS_MAX = 200;

/** Tools whose arguments are waited for: past it those that wait are shown as they are. */
const PENDING_MAX = 16;

/** `args` is JSON text, bounded, and let go of when it has been shown. */
type ToolState = { name: string; args: string; shown: string; isStarted: boolean; isDone: boolean };

/** Turns the updates of one prompt into events. */
export class Updates {
  readonly #tools = new Map<string, ToolState>();
  /** Those of them that are not shown yet. */
  readonly #pending = new Set<string>();

  /** The events of one update; none for what we show nothing of. */
  take(update: Fields): AgentEvent[] {
    switch (update["sessionUpdate"]) {
      case "agent_message_chunk":
        return [...this.#startPending(), ...words("text", blockText(update["content"]))];
      case "agent_thought_chunk":
        return [...this.#startPending(), ...words("thinking", blockText(update["content"]))];
      case "plan":
        return words("thinking", planText(update["entries"]));
      case "tool_call":
      case "tool_call_update":
        return this.#tool(update);
      default:
        return [];
    }
  }

  /** A tool that a person is asked about is shown before they are. */
  asked(toolCall: Fields): AgentEvent[] {
    const { toolCallId, title, name, rawInput } = toolCall;
    return [...this.#tool({ toolCallId, title, name, rawInput, status: "pending" }), ...this.#startPending()];
  }

  /** The name a tool began with. */
  nameOf(toolCallId: unknown): string | undefined {
    return this.#tools.get(textOf(toolCallId) ?? "")?.name;
  }

  /** What the answer to the prompt itself tells. */
  end(answer: Fields): AgentEvent[] {
    return [...this.#startPending(), ...usageOf(answer["usage"]), endOf(answer["stopReason"])];
  }

  #tool(update: Fields): AgentEvent[] {
    const id = textOf(update["toolCallId"]);
    if (id === undefined || id === "" || id.length > ID_CHARS_MAX) return [];
    const tool = this.#tools.get(id) ?? this.#add(id, update);
    if (tool === undefined || tool.isDone) return [];
    if (update["rawInput"] !== undefined && !tool.isStarted) tool.args = jsonOf(update["rawInput"]);
    const status = update["status"];
    // Its arguments may still be on their way: the next word of the agent shows it at the latest.
    if (status === "pending") return this.#pending.size > PENDING_MAX ? this.#startPending() : [];
    return [...this.#start(id, tool), ...progress(id, tool, update)];
  }

  #add(id: string, update: Fields): ToolState | undefined {
    if (this.#tools.size >= TOOLS_MAX) return undefined;
    const name = textOf(update["name"]) ?? textOf(update["title"]) ?? textOf(update["kind"]) ?? "tool";
    const tool = { name: oneLine(name), args: "{}", shown: "", isStarted: false, isDone: false };
    this.#tools.set(id, tool);
    this.#pending.add(id);
    return tool;
  }

  #startPending(): AgentEvent[] {
    return [...this.#pending].flatMap((id) => {
      const tool = this.#tools.get(id);
      return tool === undefined ? [] : this.#start(id, tool);
    });
  }

  #start(id: string, tool: ToolState): AgentEvent[] {
    if (tool.isStarted) return [];
    tool.isStarted = true;
    this.#pending.delete(id);
    const { name, args } = tool;
    tool.args = "";
    return [{ type: "tool_start", id, name, args }];
  }
}

function progress(id: string, tool: ToolState, update: Fields): AgentEvent[] {
  const { status, content, rawOutput } = update;
  const text = content === undefined || content === null ? "" : contentText(content);
  if (status === "completed" || status === "failed") {
    tool.isDone = true;
    const said = text || outputText(rawOutput) || tool.shown;
    tool.shown = "";
    return [{ type: "tool_result", id, text: said, isError: status === "failed" }];
  }
  if (text === "" || text === tool.shown) return [];
  tool.shown = text;
  return [{ type: "tool_update", id, text }];
}

function words(type: "text" | "thinking", text: string): AgentEvent[] {
  return text === "" ? [] : [{ type, text }];
}

const PLAN_MARKS: Readonly<Record<string, string>> = { completed: "[x]", in_progress: "[>]" };

function planText(entries: unknown): string {
  const lines = listOf(entries).map((entry) => {
    const { content, status } = record(entry);
    return `${PLAN_MARKS[textOf(status) ?? ""] ?? "[ ]"} ${oneLine(textOf(content) ?? "")}`;
  });
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/** Kinds of tokens are counted apart, unless their sum says that those of a cache are a part of the input. */
function usageOf(usage: unknown): AgentEvent[] {
  const said = record(usage);
  const count = (name: string): number => {
    const value = said[name];
    return isCount(value) ? value : 0;
  };
  const input = count("inputTokens");
  const output = count("outputTokens");
  if (input + output === 0) return [];
  const cachedTokens = count("cachedReadTokens");
  const isPart = count("totalTokens") === input + output;
  const inputTokens = isPart ? input : input + cachedTokens + count("cachedWriteTokens");
  const outputTokens = isPart ? output : output + count("thoughtTokens");
  return [{ type: "usage", inputTokens, outputTokens, ...(cachedTokens > 0 && { cachedTokens }) }];
}

function endOf(stopReason: unknown): AgentEvent {
  if (stopReason === "max_tokens" || stopReason === "max_turn_requests")
    return { type: "end", reason: "length" };
  return { type: "end", reason: stopReason === "refusal" ? "filter" : "stop" };
}
