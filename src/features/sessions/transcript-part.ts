import { RpcError } from "../../contract/errors.ts";
import type { Content } from "../runs/contract.ts";
import type { TreePlace } from "./branches.ts";
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
  /** Where each line stands in the tree, and how many of the messages come up to it. */
  readonly entries: readonly { readonly place: TreePlace | undefined; readonly messages: number }[];
  readonly isTorn: boolean;
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
 * @param mayBeTorn the last line may have been cut off, and is left out then
 * @throws RpcError `invalid_params` naming the line that cannot be read
 */
export function readMessages(
  key: string,
  lines: readonly string[],
  { from, mayBeTorn }: { readonly from: number; readonly mayBeTorn: boolean },
): TranscriptPart {
  const messages: TranscriptMessage[] = [];
  const results: ToolResult[] = [];
  const calls = new Map<string, ToolCall>();
  const entries: { place: TreePlace | undefined; messages: number }[] = [];
  let skipped = 0;
  let isTorn = false;
  for (const [at, text] of lines.entries()) {
    if (at < from) continue;
    const line = readLine(text);
    isTorn = line.isTorn === true && mayBeTorn && at === lines.length - 1;
    if (isTorn) break;
    if (line.kind === "bad") throw badLine(key, at + 1, line.state);
    if (line.kind === "message") {
      messages.push(line.message);
      for (const call of callsIn(line.message.content)) calls.set(call.id, call);
    } else if (line.kind === "result") {
      // Some models give their calls the same ids in every turn: the newest one is meant.
      const call = calls.get(line.id);
      if (call) answerCall(call, line);
      else results.push(line);
    } else skipped++;
    entries.push({ place: line.place, messages: messages.length });
  }
  return { messages, results, skipped, entries, isTorn };
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
