import { RpcError } from "../../contract/errors.ts";
import type { Content } from "../runs/contract.ts";
import {
  readHeader,
  readLine,
  type ToolResult,
  type TranscriptHeader,
  type TranscriptMessage,
} from "./transcript.ts";

/** The lines of one call, read. */
export interface TranscriptPart {
  readonly messages: readonly TranscriptMessage[];
  /** Whose calls are not among them. */
  readonly results: readonly ToolResult[];
  readonly skipped: number;
}

type ToolCall = Extract<Content, { type: "tool_call" }>;

/** @throws RpcError `invalid_params` when the line is no header */
export function toHeader(key: string, line: string | undefined): TranscriptHeader {
  const header = line === undefined ? "it is missing" : readHeader(line);
  if (typeof header === "string") throw badLine(key, 1, header);
  return header;
}

/**
 * The messages, with what their tools answered.
 *
 * @param from lines before it are no messages
 * @throws RpcError `invalid_params` naming the line that cannot be read
 */
export function readMessages(key: string, lines: readonly string[], from: number): TranscriptPart {
  const messages: TranscriptMessage[] = [];
  const results: ToolResult[] = [];
  const calls = new Map<string, ToolCall>();
  let skipped = 0;
  lines.slice(from).forEach((text, place) => {
    const line = readLine(text);
    if (line.kind === "bad") throw badLine(key, from + place + 1, line.state);
    if (line.kind === "nothing") return void skipped++;
    if (line.kind === "message") {
      messages.push(line.message);
      for (const call of callsIn(line.message.content)) calls.set(call.id, call);
      return;
    }
    // Some models give their calls the same ids in every turn: the newest one is meant.
    const call = calls.get(line.id);
    if (call) answerCall(call, line);
    else results.push(line);
  });
  return { messages, results, skipped };
}

export function callsIn(content: readonly Content[]): ToolCall[] {
  return content.filter((part) => part.type === "tool_call");
}

export function answerCall(call: ToolCall, { text, isError }: ToolResult): void {
  call.result = text;
  if (isError) call.isError = true;
}

function badLine(key: string, line: number, state: string): RpcError {
  return new RpcError(
    "invalid_params",
    `Cannot import session "${key}": line ${line} cannot be used, ${state}`,
    {
      details: { line },
    },
  );
}
