import type { ContentBlock } from "@agentclientprotocol/sdk";

import type { AgentMessage, AgentPart } from "../../ports.ts";
import { bounded } from "./texts.ts";

/** Characters of a conversation that is handed over; its end says most. */
const HANDOVER_CHARS_MAX = 100_000;

/** Characters of one tool's arguments or answer in it. */
const TOOL_CHARS_MAX = 2_000;

/** What the person has said since the agent's last word: several messages where they were collected. */
export function newestMessages(messages: readonly AgentMessage[]): readonly AgentMessage[] {
  const lastAnswer = messages.findLastIndex(({ role }) => role === "assistant");
  const newest = messages.slice(lastAnswer + 1).filter(({ role }) => role === "user");
  if (newest.length > 0) return newest;
  // An answer that was cut is asked for again.
  const lastQuestion = messages.findLastIndex(({ role }) => role === "user");
  return messages.slice(lastQuestion).slice(0, lastQuestion === -1 ? 0 : 1);
}

export function hasImages(messages: readonly AgentMessage[]): boolean {
  return messages.some(({ parts }) => parts.some(({ type }) => type === "image"));
}

/**
 * One prompt of these messages. With `handover` for an agent that knows nothing yet: instructions and what was
 * said before come first, as text.
 */
export function promptBlocks(all: readonly AgentMessage[], handover: boolean): ContentBlock[] {
  const newest = newestMessages(all);
  const blocks = newest.flatMap(({ parts }) => parts.flatMap((part) => toBlocks(part)));
  const before = handover ? handoverText(all, newest) : "";
  return before === "" ? blocks : [{ type: "text", text: before }, ...blocks];
}

function toBlocks(part: AgentPart): ContentBlock[] {
  if (part.type === "text") return [{ type: "text", text: part.text }];
  if (part.type === "image") return [{ type: "image", mimeType: part.mimeType, data: part.data }];
  return [];
}

function handoverText(all: readonly AgentMessage[], newest: readonly AgentMessage[]): string {
  const instructions = all.filter(({ role }) => role === "system").map((message) => plainText(message));
  const end = newest[0] === undefined ? all.length : all.indexOf(newest[0]);
  const said = all
    .slice(0, end)
    .filter(({ role }) => role !== "system")
    .map((message) => `${message.role === "user" ? "Person" : "You"}: ${plainText(message)}`)
    .join("\n\n");
  const parts = [];
  if (instructions.length > 0) parts.push(`Your instructions:\n\n${instructions.join("\n\n")}`);
  if (said !== "") parts.push(`What was said in this conversation before:\n\n${lastOf(said)}`);
  if (parts.length > 0) parts.push("The message to answer now:\n\n");
  return parts.join("\n\n");
}

function lastOf(text: string): string {
  return text.length <= HANDOVER_CHARS_MAX ? text : `(…) ${text.slice(-HANDOVER_CHARS_MAX)}`;
}

function plainText({ parts }: AgentMessage): string {
  return parts.map((part) => partText(part)).join("\n");
}

function partText(part: AgentPart): string {
  if (part.type === "text") return part.text;
  if (part.type === "image") return "(an image)";
  const result = part.result === undefined ? "it was cut off" : bounded(part.result, TOOL_CHARS_MAX);
  return `(tool ${part.name} ${bounded(part.args, TOOL_CHARS_MAX)}: ${result})`;
}
