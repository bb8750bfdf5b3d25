import type { Draft } from "../tree/draft.ts";
import type { Path } from "../leaves.ts";
import { elementsAt, isFree, textAt } from "./migration.ts";

export const AGENT_LIST = ["agents", "list"];

/** The agent of a name; names differ by more than case and space around them. */
export function agentNamed(draft: Draft, id: string): Path | undefined {
  const wanted = id.trim().toLowerCase();
  return elementsAt(draft, AGENT_LIST).find(
    (agent) => textAt(draft, [...agent, "id"])?.toLowerCase() === wanted,
  );
}

/** The one marked as default, if any is. */
export function markedAgent(draft: Draft): Path | undefined {
  return elementsAt(draft, AGENT_LIST).find((agent) => draft.get([...agent, "default"]) === true);
}

/** The agent that answers where none is named: the marked one, else the first. */
export function defaultAgent(draft: Draft): Path | undefined {
  const first = elementsAt(draft, AGENT_LIST).find((agent) => textAt(draft, [...agent, "id"]) !== undefined);
  return markedAgent(draft) ?? first;
}

/** Where one more agent can be put, its list made if there is none; undefined where neither is possible. */
export function nextAgent(draft: Draft): Path | undefined {
  if (isFree(draft, AGENT_LIST)) draft.set(AGENT_LIST, []);
  const list = draft.get(AGENT_LIST);
  return Array.isArray(list) ? [...AGENT_LIST, list.length] : undefined;
}

/** The agent of a name, added where there is none. */
export function ensureAgent(draft: Draft, id: string): Path | undefined {
  const there = agentNamed(draft, id);
  if (there) return there;
  const next = nextAgent(draft);
  if (next) draft.set(next, { id });
  return next;
}
