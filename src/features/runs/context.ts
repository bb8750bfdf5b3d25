import type { AgentMessage, AgentPart, Crypto, SqlRow } from "../../ports.ts";
import { utf8Bytes } from "../../rpc/json.ts";
import type { Content } from "./contract.ts";
import { intactContent } from "./rows.ts";

/** A message on its way to a model, with what is needed to leave it out or sum it up. */
export interface Line {
  readonly messageId: number;
  readonly runSeq: number;
  readonly message: AgentMessage;
  readonly tokens: number;
  /** Said by a person for the run to answer. */
  readonly isQuestion: boolean;
}

interface LineOptions {
  /** Nothing of later runs: their messages wait. */
  readonly run: { readonly seq: number; readonly retryOf: string | undefined };
  readonly crypto: Pick<Crypto, "sha256">;
  image(id: string): { readonly mimeType: string; readonly data: string } | undefined;
}

/** Pictures that are shown again to the model; older ones are only named. */
const IMAGES_SHOWN_MAX = 10;

/** A picture costs about as much as a page of text, whatever the model. */
const IMAGE_TOKENS = 1_200;

/** What a message costs beside its text. */
const MESSAGE_TOKENS = 4;

/** Between the 4 of English prose and the 3 of code and other languages. */
const BYTES_PER_TOKEN = 3.5;

/**
 * The conversation up to a run's question, as its agent should see it.
 *
 * In order of runs, not of time: a question that waits is older than the answer before it. What a run said
 * that is being tried again is left out, and what is damaged.
 */
export function linesOf(rows: readonly SqlRow[], options: LineOptions): Line[] {
  const { run, crypto } = options;
  let before = 0;
  const placed = rows.map((row) => {
    // What was put in without a run stays where it was put.
    const runSeq = typeof row["run_seq"] === "number" ? row["run_seq"] : before;
    before = runSeq;
    return { row, runSeq };
  });
  const wanted = placed
    .filter(({ row, runSeq }) => runSeq <= run.seq && !isTriedAgain(row, run.retryOf))
    .toSorted((a, b) => a.runSeq - b.runSeq || Number(a.row["id"]) - Number(b.row["id"]));
  let images = IMAGES_SHOWN_MAX;
  const lines: Line[] = [];
  for (const { row, runSeq } of questionLast(wanted, run).toReversed()) {
    const content = intactContent(row, crypto);
    if (!content) continue;
    const parts = content.flatMap((part) => {
      if (part.type !== "image") return toPart(part);
      const image = images-- > 0 ? options.image(part.id) : undefined;
      return image
        ? [{ type: "image" as const, ...image }]
        : [{ type: "text" as const, text: "[a picture]" }];
    });
    if (parts.length === 0) continue;
    const message: AgentMessage = { role: row["role"] === "user" ? "user" : "assistant", parts };
    const isQuestion = isAsked({ row, runSeq }, run);
    lines.push({ messageId: Number(row["id"]), runSeq, message, tokens: tokensOf(message), isQuestion });
  }
  return lines.reverse();
}

interface Placed {
  readonly row: SqlRow;
  readonly runSeq: number;
}

/** What was put in after the question, and nobody asked, stands before it: models answer what comes last. */
function questionLast(placed: readonly Placed[], run: LineOptions["run"]): Placed[] {
  const last = placed.findLastIndex((one) => isAsked(one, run));
  const first = placed.findIndex((one) => isAsked(one, run));
  if (last < 0) return [...placed];
  return [...placed.slice(0, first), ...placed.slice(last + 1), ...placed.slice(first, last + 1)];
}

function isAsked({ row, runSeq }: Placed, { seq, retryOf }: LineOptions["run"]): boolean {
  if (row["role"] !== "user" || typeof row["run_seq"] !== "number") return false;
  return runSeq === seq || (retryOf !== undefined && row["run_id"] === retryOf);
}

function isTriedAgain(row: SqlRow, retryOf: string | undefined): boolean {
  if (retryOf === undefined || row["role"] === "user") return false;
  return row["run_id"] === retryOf || row["retry_of"] === retryOf;
}

function toPart(part: Exclude<Content, { type: "image" }>): AgentPart[] {
  // What it thought it thinks anew; servers refuse or charge for it.
  if (part.type === "thinking") return [];
  if (part.type === "text") return [part];
  const { result, isError, ...call } = part;
  return [{ ...call, ...(result !== undefined && { result }), ...(isError !== undefined && { isError }) }];
}

/** About how many tokens a message is; models count differently, by a fifth or so. */
export function tokensOf({ parts }: AgentMessage): number {
  return parts.reduce((sum, part) => sum + tokensOfPart(part), MESSAGE_TOKENS);
}

function tokensOfPart(part: AgentPart): number {
  if (part.type === "image") return IMAGE_TOKENS;
  if (part.type === "text") return tokensOfText(part.text);
  return tokensOfText(part.name + part.args + (part.result ?? ""));
}

export function tokensOfText(text: string): number {
  return Math.ceil(utf8Bytes(text) / BYTES_PER_TOKEN);
}

/** The newest lines within so many tokens, the question always; none begins in the middle of a run. */
export function newestWithin(lines: readonly Line[], tokensMax: number): Line[] {
  let tokens = 0;
  let from = lines.length;
  while (from > 0 && (tokens += lines[from - 1]?.tokens ?? 0) <= tokensMax) from--;
  const question = lines.findLastIndex(({ message }) => message.role === "user");
  const start = lines.findIndex(({ message }, place) => place >= from && message.role === "user");
  return lines.slice(start < 0 ? Math.max(question, 0) : Math.min(start, Math.max(question, 0)));
}
