import { defaultAgent, ensureAgent } from "./agent-list.ts";
import { defineMigration, moveMissing, moveWhole, name, objectAt, removeEmpty } from "./migration.ts";

const AGENT = ["agent"];

/**
 * Nothing may stay in `agent`: where the new place is set, the system we replace never read the old one, and
 * a file that carries it would not start.
 */
export const agentIntoDefaults = defineMigration({
  id: "agent.defaults-v2",
  describe: "What holds for every agent is in agents.defaults, and what tools may do in tools",
  old: [AGENT],
  run(draft, changes) {
    const agent = objectAt(draft, AGENT);
    if (!agent) return;
    const otherwise = "goes";
    if (objectAt(draft, [...AGENT, "tools"]))
      moveMissing(draft, changes, { from: [...AGENT, "tools"], to: ["tools"], otherwise });
    if (objectAt(draft, [...AGENT, "elevated"]))
      moveWhole(draft, changes, { from: [...AGENT, "elevated"], to: ["tools", "elevated"], otherwise });
    if (objectAt(draft, [...AGENT, "bash"]))
      moveWhole(draft, changes, { from: [...AGENT, "bash"], to: ["tools", "exec"], otherwise });
    for (const part of ["sandbox", "subagents"]) {
      const from = [...AGENT, part, "tools"];
      if (!objectAt(draft, from)) continue;
      moveMissing(draft, changes, { from, to: ["tools", part, "tools"], otherwise });
      removeEmpty(draft, [...AGENT, part]);
    }
    const left = objectAt(draft, AGENT) ?? {};
    if (Object.keys(left).length > 0 || Object.keys(agent).length === 0)
      moveMissing(draft, changes, { from: AGENT, to: ["agents", "defaults"], otherwise });
    else removeEmpty(draft, AGENT);
  },
});

const IDENTITY = ["identity"];
/** The agent of an installation that never named one. */
const FIRST_AGENT = "main";

export const identityIntoAgent = defineMigration({
  id: "identity->agents.list",
  describe: "Who an agent is, is set with the agent",
  old: [IDENTITY],
  run(draft, changes) {
    if (!objectAt(draft, IDENTITY)) return;
    const agent = defaultAgent(draft) ?? ensureAgent(draft, FIRST_AGENT);
    if (!agent) return changes.kept(IDENTITY, `there is no place for it in ${name(["agents", "list"])}`);
    moveWhole(draft, changes, { from: IDENTITY, to: [...agent, "identity"] });
  },
});
