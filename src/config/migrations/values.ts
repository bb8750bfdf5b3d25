import { LIMITS } from "../../contract/limits.ts";
import type { Draft } from "../tree/draft.ts";
import { quote } from "../leaves.ts";
import type { Path } from "../leaves.ts";
import { isIpAddress } from "../values.ts";
import { AGENT_LIST, agentNamed } from "./agent-list.ts";
import {
  type Changes,
  defineMigration,
  elementsAt,
  type Migration,
  name,
  removeEmpty,
  textAt,
} from "./migration.ts";

// Values the system we replace takes and our schema does not, although what they mean is plain.

const BIND = ["gateway", "bind"];
const HOST = ["gateway", "customBindHost"];

/** A host that is neither an address nor a reference is left, and refused: nothing here may widen. */
const bindAddress = defineMigration({
  id: "gateway.bind-address",
  describe: "Where to listen is the address itself",
  old: [BIND],
  run(draft, changes) {
    const host = textAt(draft, HOST)?.replace(/^\[(.*)\]$/, "$1");
    const isLocal = draft.get(BIND) === "localhost";
    if (isLocal) {
      draft.set(BIND, "loopback");
      changes.did(`set ${name(BIND)} to "loopback", it was "localhost"`);
    }
    if (draft.get(BIND) !== "custom" || host === undefined) return;
    const isAddress = isIpAddress(host) || /^\$\{[A-Z_][A-Z0-9_]*\}$/.test(host);
    if (!isAddress && host !== "localhost") return;
    draft.set(BIND, isAddress ? host : "loopback");
    draft.remove(HOST);
    changes.did(`moved ${name(HOST)} to ${name(BIND)}`);
  },
});

interface Bound {
  readonly id: string;
  readonly describe: string;
  readonly path: Path;
  readonly min: number;
  readonly max: number;
}

/** More than the most there is means the most, and less than the least the least. */
function bounded({ id, describe, path, min, max }: Bound): Migration {
  return defineMigration({
    id,
    describe,
    old: [path],
    run(draft, changes) {
      const value = draft.get(path);
      if (typeof value !== "number" || !Number.isInteger(value) || (value >= min && value <= max)) return;
      const [nearest, word] = value < min ? [min, "least"] : [max, "most"];
      draft.set(path, nearest);
      changes.did(`set ${name(path)} to ${nearest}, the ${word} there is; it was ${value}`);
    },
  });
}

const AGENT_ID = /^[a-z0-9][a-z0-9_-]{0,63}$/i;

/** As the system we replace reads them: what cannot be in a session key becomes `-`. */
const agentIds = defineMigration({
  id: "agents.list.id-letters",
  describe: "The name of an agent fits into a session key",
  old: [AGENT_LIST],
  run(draft, changes) {
    for (const agent of elementsAt(draft, AGENT_LIST)) {
      const old = draft.get([...agent, "id"]);
      if (typeof old !== "string" || AGENT_ID.test(old)) continue;
      const id = toAgentId(old);
      const taken = agentNamed(draft, id);
      if (!AGENT_ID.test(id) || (taken && taken.at(-1) !== agent.at(-1))) continue;
      setText(draft, changes, { path: [...agent, "id"], text: id });
      for (const binding of elementsAt(draft, ["bindings"])) {
        const path = [...binding, "agentId"];
        if (draft.get(path) === old) setText(draft, changes, { path, text: id });
      }
    }
  },
});

function toAgentId(text: string): string {
  const dashed = text
    .trim()
    .toLowerCase()
    .slice(0, 256)
    .replaceAll(/[^a-z0-9_-]+/g, "-");
  return dashed
    .replace(/^[-_]+/, "")
    .slice(0, 64)
    .replace(/-+$/, "");
}

function setText(draft: Draft, changes: Changes, { path, text }: { path: Path; text: string }): void {
  const old = quote(String(draft.get(path)));
  draft.set(path, text);
  changes.did(`set ${name(path)} to ${quote(text)}, it was ${old}`);
}

/** An empty name chooses nothing. */
const emptyModels = defineMigration({
  id: "agents.model-empty",
  describe: "A model that is not chosen is not there",
  old: [["agents"]],
  run(draft, changes) {
    for (const agent of [["agents", "defaults"], ...elementsAt(draft, AGENT_LIST)]) {
      const model = [...agent, "model"];
      const fallbacks = elementsAt(draft, [...model, "fallbacks"]).toReversed();
      for (const path of [...fallbacks, [...model, "primary"], model]) {
        const text = draft.get(path);
        if (typeof text !== "string" || text !== "") continue;
        draft.remove(path);
        changes.did(`removed ${name(path)}: it is empty`);
        if (path !== model) removeEmpty(draft, model);
      }
    }
  },
});

/** Texts that choose nothing where they are empty, and lists that may have such. */
const EMPTY_IN_AGENT = ["workspace", "name"];
const EMPTY_IN_LISTS: readonly Path[] = [
  ["session", "resetTriggers"],
  ["tools", "allow"],
  ["tools", "deny"],
];

const emptyTexts = defineMigration({
  id: "empty-texts",
  describe: "What is empty is not there",
  old: [["agents"], ...EMPTY_IN_LISTS],
  run(draft, changes) {
    const agents = [["agents", "defaults"], ...elementsAt(draft, AGENT_LIST)];
    const lists = [
      ...EMPTY_IN_LISTS,
      ...agents.flatMap((agent) => ["allow", "deny"].map((list) => [...agent, "tools", list])),
    ];
    for (const path of [
      ...agents.flatMap((agent) => EMPTY_IN_AGENT.map((key) => [...agent, key])),
      ...lists.flatMap((list) => elementsAt(draft, list).toReversed()),
    ]) {
      const text = draft.get(path);
      if (typeof text !== "string" || text.trim() !== "") continue;
      draft.remove(path);
      changes.did(`removed ${name(path)}: it is empty`);
    }
  },
});

export const plainValues: readonly Migration[] = [
  bindAddress,
  agentIds,
  emptyModels,
  emptyTexts,
  bounded({
    id: "agents.defaults.timeoutSeconds-bounds",
    describe: "A run takes no longer than the most there is",
    path: ["agents", "defaults", "timeoutSeconds"],
    min: -Infinity,
    max: LIMITS.runTimeoutMsMax / 1000,
  }),
  bounded({
    id: "agents.defaults.maxConcurrent-bounds",
    describe: "Runs at the same time are at most as many as there can be",
    path: ["agents", "defaults", "maxConcurrent"],
    min: -Infinity,
    max: 1_000,
  }),
  bounded({
    id: "gateway.reload.debounceMs-bounds",
    describe: "An edit is read neither before it has settled nor after it is forgotten",
    path: ["gateway", "reload", "debounceMs"],
    min: 10,
    max: 60_000,
  }),
];
