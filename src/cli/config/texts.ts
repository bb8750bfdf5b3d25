import { isObject, keyOf } from "../../config/leaves.ts";
import { readDocument } from "../../config/text/document.ts";
import { settingsOf } from "../../config/judge.ts";
import { convertJson5 } from "../../config/text/json5.ts";
import { redactValue } from "../../config/show/redact.ts";
import { configSections } from "../../features/contracts.ts";
import { type Difference, differences, hidden } from "./differences.ts";
import { formatProblem } from "../problem.ts";

/** Why a text is no configuration whatever it says, as `FILE:LINE:COLUMN: REASON`. */
export async function mistakesIn(text: string, file: string): Promise<readonly string[]> {
  const reading = readDocument(text);
  if (reading.ok || (await convertJson5(text)).ok) return [];
  return reading.errors.map(({ line, column, reason }) =>
    formatProblem({ file, line, column, message: `Cannot read configuration: ${reason}` }),
  );
}

/** The settings of one file that differ between two texts of it, secrets hidden. */
export async function rowsBetween(before: string, after: string): Promise<readonly Difference[]> {
  const { schema } = settingsOf(configSections());
  const [old, now] = [await valueOfText(before), await valueOfText(after)];
  return hidden(differences(old, now), redactValue(schema, old), redactValue(schema, now));
}

async function valueOfText(text: string): Promise<unknown> {
  const reading = readDocument(text);
  if (reading.ok) return reading.document.value;
  const converted = await convertJson5(text);
  const again = converted.ok ? readDocument(converted.text) : reading;
  return again.ok ? again.document.value : {};
}

/** Names all that is written: whoever shows a whole file has seen what is not in it any more. */
export function everyKey(parsed: unknown): string[] {
  return Object.keys(isObject(parsed) ? parsed : {}).map((name) => keyOf([name]));
}
