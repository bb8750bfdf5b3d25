import process from "node:process";

/** The variables in the text of a `.env` file, read as the runtime reads one. */
export function parseEnv(text: string): Record<string, string> {
  // Most have no such file, and the module is not needed otherwise.
  const { parseEnv: parse } = process.getBuiltinModule("node:util");
  const lines = text.replace(/^\uFEFF/, "");
  return Object.fromEntries(
    Object.entries(parse(lines)).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
