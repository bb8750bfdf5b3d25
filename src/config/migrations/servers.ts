import type { Draft } from "../tree/draft.ts";
import type { Path } from "../leaves.ts";
import { type Changes, defineMigration, elementsAt, isFree, moveWhole, name, objectAt } from "./migration.ts";
import { AGENT_LIST } from "./agent-list.ts";

const SERVERS = ["mcp", "servers"];

function serversIn(draft: Draft): readonly Path[] {
  const tables = [SERVERS, ...elementsAt(draft, AGENT_LIST).map((agent) => [...agent, ...SERVERS])];
  return tables.flatMap((table) =>
    Object.keys(objectAt(draft, table) ?? {}).map((server) => [...table, server]),
  );
}

export const serverDirectory = defineMigration({
  id: "mcp.servers.workingDirectory->cwd",
  describe: "Where a server of tools runs is called cwd",
  old: [SERVERS, AGENT_LIST],
  run(draft, changes) {
    for (const server of serversIn(draft))
      moveWhole(draft, changes, {
        from: [...server, "workingDirectory"],
        to: [...server, "cwd"],
        otherwise: "goes",
      });
  },
});

/** Other programs say it so; an agent that says it of a common server must not have that server. */
export const serverDisabled = defineMigration({
  id: "mcp.servers.disabled->enabled",
  describe: "A server of tools that is off has enabled: false",
  old: [SERVERS, AGENT_LIST],
  run(draft, changes) {
    for (const server of serversIn(draft)) {
      const [disabled, enabled] = [
        [...server, "disabled"],
        [...server, "enabled"],
      ] as const;
      const hasPlace = draft.get(enabled) !== undefined || isFree(draft, enabled);
      if (draft.get(disabled) !== true || !hasPlace) continue;
      draft.set(enabled, false);
      draft.remove(disabled);
      changes.did(`set ${name(enabled)} to false in place of ${name(disabled)}`);
    }
  },
});

/** The system we replace turns them into text itself. */
export const serverTexts = defineMigration({
  id: "mcp.servers.values-text",
  describe: "Variables and headers of a server of tools are text",
  old: [SERVERS, AGENT_LIST],
  run(draft, changes) {
    for (const server of serversIn(draft)) {
      for (const table of [
        [...server, "env"],
        [...server, "headers"],
      ])
        for (const member of Object.keys(objectAt(draft, table) ?? {}))
          toText(draft, changes, [...table, member]);
    }
  },
});

function toText(draft: Draft, changes: Changes, path: Path): void {
  const value = draft.get(path);
  if (typeof value !== "number" && typeof value !== "boolean") return;
  draft.set(path, String(value));
  changes.did(
    `set ${name(path)} to text, it was ${typeof value === "number" ? "a number" : "true or false"}`,
  );
}

const ANTHROPIC = ["models", "providers", "anthropic"];

/** That system knows how to talk to it, so that its entry has a key and nothing more. */
export const anthropicApi = defineMigration({
  id: "models.providers.anthropic-api",
  describe: "Anthropic is talked to in its own way",
  old: [ANTHROPIC],
  run(draft, changes) {
    const api = [...ANTHROPIC, "api"];
    const isBare = !["baseUrl", "command"].some((key) => draft.get([...ANTHROPIC, key]) !== undefined);
    if (!objectAt(draft, ANTHROPIC) || !isBare || !isFree(draft, api)) return;
    draft.set(api, "anthropic-messages");
    changes.did(`set ${name(api)} to "anthropic-messages"`);
  },
});
