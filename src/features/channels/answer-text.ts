import type { Content } from "../runs/contract.ts";
import type { Ended } from "../runs/waits.ts";
import { CUT_OFF, FAILED, TOO_LONG } from "./words.ts";

/**
 * What an agent says that has nothing to say: alone, or between punctuation.
 *
 * @source the original's tokens for silent answers
 */
const SILENT = /^[\s\p{P}]*(?:NO_REPLY|HEARTBEAT_OK)[\s\p{P}]*$/u;

/** What people read of an answer: text before a tool was called and text after it are paragraphs. */
export function readableOf(content: readonly Content[]): string {
  const paragraphs: string[] = [];
  let isOpen = false;
  for (const part of content) {
    if (part.type === "text") {
      if (isOpen) paragraphs.push(`${paragraphs.pop() ?? ""}${part.text}`);
      else paragraphs.push(part.text);
    }
    isOpen = part.type === "text";
  }
  return paragraphs
    .map((paragraph) => paragraph.trim())
    .filter(Boolean)
    .join("\n\n");
}

/** What is sent when a run has ended; undefined for nothing. */
export function answerText(
  { status, error }: Pick<Ended, "status" | "error">,
  said: string,
): string | undefined {
  const text = SILENT.test(said) ? "" : said.trim();
  const note = noteOn(status, error?.code === "timeout");
  // Somebody wanted quiet.
  if (status === "aborted" && note === undefined) return undefined;
  const whole = [text, note].filter(Boolean).join("\n\n");
  return whole === "" ? undefined : whole;
}

function noteOn(status: Ended["status"], isTimeout: boolean): string | undefined {
  if (status === "interrupted") return CUT_OFF;
  if (isTimeout) return TOO_LONG;
  return status === "error" ? FAILED : undefined;
}
