import type { CommandInput } from "../command.ts";
import { EXIT } from "../../gateway/errors.ts";
import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import { CliError } from "../errors.ts";

/** A line of a transcript, and where it is in its file. */
export interface Line {
  readonly number: number;
  readonly text: string;
}

/** Larger ones are no transcripts: they would not fit the memory of a small machine. */
const FILE_BYTES_MAX = 256 * 1024 * 1024;

/** The lines of a file, or of standard input, those without text left out. @throws CliError */
export async function readLines({ platform }: CommandInput, file: string): Promise<Line[]> {
  const texts = file === "-" ? await readInput(platform) : (await readFile(platform, file)).split("\n");
  return texts
    .map((text, place) => ({ number: place + 1, text: withoutPictures(text.trim()) }))
    .filter(({ text }) => text !== "");
}

async function readInput({ process }: CommandInput["platform"]): Promise<string[]> {
  const texts: string[] = [];
  let chars = 0;
  for await (const line of process.lines()) {
    chars += line.length + 1;
    if (chars > FILE_BYTES_MAX) {
      throw new CliError(EXIT.failed, `Cannot read standard input: more than ${FILE_BYTES_MAX} characters`);
    }
    texts.push(texts.length === 0 ? line.replace(/^\uFEFF/, "") : line);
  }
  return texts;
}

async function readFile({ files }: CommandInput["platform"], file: string): Promise<string> {
  let text: string | undefined;
  try {
    text = await files.readText(file, FILE_BYTES_MAX);
  } catch (error) {
    throw new CliError(EXIT.failed, messageOf(error));
  }
  if (text === undefined) {
    throw new CliError(EXIT.failed, `Cannot read file "${file}": there is no such file`);
  }
  return text.replace(/^\uFEFF/, "");
}

/** A line of the original may hold whole pictures, which are not imported. */
function withoutPictures(line: string): string {
  if (line.length < LIMITS.helloFrameBytesMax || !line.includes('"image"')) return line;
  try {
    return JSON.stringify(JSON.parse(line), (_, value: unknown) =>
      isPicture(value) ? { type: "image" } : value,
    );
  } catch {
    // No JSON: the gateway says so, with the number of the line.
    return line;
  }
}

function isPicture(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    "type" in value &&
    value.type === "image" &&
    "data" in value
  );
}

/**
 * The lines in groups that each fit one request.
 *
 * @param bytesMax of one group as JSON
 * @throws CliError when one line alone is too long
 */
export function inGroups(lines: readonly Line[], bytesMax: number, file: string): Line[][] {
  const groups: Line[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const line of lines) {
    const own = new TextEncoder().encode(JSON.stringify(line.text)).length + 1;
    if (own > bytesMax || line.text.length > LIMITS.transcriptLineCharsMax) {
      throw new CliError(EXIT.failed, `Cannot import "${file}": line ${line.number} is too long`);
    }
    const group = groups.at(-1);
    bytes += own;
    if (group && bytes <= bytesMax && group.length < LIMITS.transcriptLinesMax) group.push(line);
    else {
      groups.push([line]);
      bytes = own;
    }
  }
  return groups;
}
