import { isObject } from "../../rpc/json.ts";
import { MCP } from "./bounds.ts";

/** A tool as its server lists it, as far as it can be used. */
export interface ListedTool {
  /** Its own name, which its server knows it by. */
  readonly name: string;
  readonly description: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

export interface Listing {
  readonly tools: readonly ListedTool[];
  /** What was left out, and why. */
  readonly left: readonly string[];
}

/** One bad tool costs the others nothing: it is left out. Of two with one name the first is taken. */
export function readListing(listed: readonly unknown[]): Listing {
  const tools = new Map<string, ListedTool>();
  const left: string[] = [];
  for (const raw of listed) {
    const tool = readTool(raw);
    if (typeof tool === "string") left.push(tool);
    else if (tools.has(tool.name)) left.push(`"${tool.name}": listed twice`);
    else tools.set(tool.name, tool);
  }
  return { tools: [...tools.values()], left };
}

/** @returns why not, where it cannot be used */
function readTool(raw: unknown): ListedTool | string {
  const name = isObject(raw) ? raw["name"] : undefined;
  if (!isObject(raw) || typeof name !== "string" || name === "") return "a tool without a name";
  if (name.length > MCP.nameCharsMax) return `a tool with a name of ${name.length} characters`;
  if (!name.isWellFormed()) return "a tool with half of a character in its name";
  const inputSchema = raw["inputSchema"];
  // Providers refuse a whole request for one schema that is of no object.
  if (!isObject(inputSchema) || (inputSchema["type"] ?? "object") !== "object") {
    return `"${name}": its input schema is of no object`;
  }
  const chars = jsonChars(inputSchema);
  if (chars > MCP.schemaCharsMax)
    return `"${name}": its input schema is over ${MCP.schemaCharsMax} characters`;
  return { name, description: describe(raw), inputSchema: { ...inputSchema, type: "object" } };
}

function describe(raw: Readonly<Record<string, unknown>>): string {
  const said = [raw["description"], raw["title"]].find((text) => typeof text === "string" && text !== "");
  return typeof said === "string" ? said.slice(0, MCP.descriptionCharsMax).toWellFormed() : "";
}

function jsonChars(value: unknown): number {
  try {
    return JSON.stringify(value).length;
  } catch {
    // Nested deeper than the stack: as good as endless.
    return Infinity;
  }
}
