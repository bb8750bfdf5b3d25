import type { ToolPolicy } from "../ports.ts";

/** May the agent use this tool? `deny` wins; without `allow` it may use all, with an empty one none. */
export function isAllowed(policy: ToolPolicy, name: string): boolean {
  if (matchesAny(policy.deny, name)) return false;
  return policy.allow === undefined || matchesAny(policy.allow, name);
}

/** Is a person asked before this tool is called? */
export function needsApproval(policy: ToolPolicy, name: string): boolean {
  return matchesAny(policy.approve, name);
}

function matchesAny(patterns: readonly string[] | undefined, name: string): boolean {
  return patterns?.some((pattern) => matches(pattern, name)) ?? false;
}

/** `*` is any text, also none. Each piece is looked for once, so that no pattern takes long. */
function matches(pattern: string, name: string): boolean {
  const [first = "", ...pieces] = pattern.split("*");
  const last = pieces.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const piece of pieces) {
    const found = name.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
