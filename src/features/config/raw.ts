import { readDocument } from "../../config/text/document.ts";
import { convertJson5 } from "../../config/text/json5.ts";

/** JSON with comments as it is; JSON5, which older clients send, converted. */
export async function jsonc(raw: string): Promise<string> {
  if (readDocument(raw).ok) return raw;
  const converted = await convertJson5(raw);
  return converted.ok ? converted.text : raw;
}
