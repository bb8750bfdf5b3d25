import type { Draft } from "../tree/draft.ts";
import { isEqual } from "../equal.ts";
import type { Path } from "../leaves.ts";
import { AGENT_LIST, agentNamed, ensureAgent, markedAgent, nextAgent } from "./agent-list.ts";
import {
  type Changes,
  defineMigration,
  isFree,
  moveMissing,
  moveWhole,
  name,
  objectAt,
  removeEmpty,
  textAt,
} from "./migration.ts";

const ROUTING = ["routing"];
const AGENTS = ["routing", "agents"];
const DEFAULT_ID = ["routing", "defaultAgentId"];

export const routingAgents = defineMigration({
  id: "routing.agents-v2",
  describe: "Agents are in a list, and one of them is marked as default",
  old: [AGENTS, DEFAULT_ID],
  run(draft, changes) {
    const old = Object.keys(objectAt(draft, AGENTS) ?? {});
    for (const id of old) moveAgent(draft, changes, id);
    removeEmpty(draft, AGENTS);
    if (textAt(draft, DEFAULT_ID) !== undefined) moveDefault(draft, changes);
    else if (old.includes("main")) markMain(draft, changes);
    removeEmpty(draft, ROUTING);
  },
});

function moveAgent(draft: Draft, changes: Changes, key: string): void {
  const from = [...AGENTS, key];
  const id = key.trim();
  if (id === "" || !objectAt(draft, from)) return;
  const patterns = { from: [...from, "mentionPatterns"], to: [...from, "groupChat", "mentionPatterns"] };
  moveWhole(draft, changes, patterns);
  const sandbox = { from: [...from, "sandbox", "tools"], to: [...from, "tools", "sandbox", "tools"] };
  if (objectAt(draft, sandbox.from)) moveMissing(draft, changes, sandbox);
  removeEmpty(draft, [...from, "sandbox"]);
  const there = agentNamed(draft, id);
  if (there) return moveMissing(draft, changes, { from, to: there });
  const to = nextAgent(draft);
  if (!to) return changes.kept(from, `there is no place for it in ${name(AGENT_LIST)}`);
  moveWhole(draft, changes, { from, to });
  draft.set([...to, "id"], id);
}

function moveDefault(draft: Draft, changes: Changes): void {
  const id = textAt(draft, DEFAULT_ID) ?? "";
  const marked = markedAgent(draft);
  const named = agentNamed(draft, id);
  if (marked && !(named && isEqual(marked, named)))
    return changes.kept(DEFAULT_ID, `${name([...marked, "default"])} marks another one`);
  const agent = marked ?? ensureAgent(draft, id);
  if (!agent) return changes.kept(DEFAULT_ID, `there is no place for it in ${name(AGENT_LIST)}`);
  if (!marked) draft.set([...agent, "default"], true);
  draft.remove(DEFAULT_ID);
  changes.did(`moved ${name(DEFAULT_ID)} to ${name([...agent, "default"])}`);
}

/** It was the default unless another one was named; in a list, that would be the first. */
function markMain(draft: Draft, changes: Changes): void {
  const main = agentNamed(draft, "main");
  if (!main || main.at(-1) === 0 || markedAgent(draft)) return;
  draft.set([...main, "default"], true);
  changes.did(`set ${name([...main, "default"])} to true, as it was without saying`);
}

const TRANSCRIBERS: readonly Path[] = [
  ["routing", "transcribeAudio"],
  ["audio", "transcription"],
];

const MOVES: readonly (readonly [from: Path, to: Path])[] = [
  [["routing", "bindings"], ["bindings"]],
  [
    ["routing", "agentToAgent"],
    ["tools", "agentToAgent"],
  ],
  [
    ["routing", "queue"],
    ["messages", "queue"],
  ],
  [
    ["routing", "groupChat", "historyLimit"],
    ["messages", "groupChat", "historyLimit"],
  ],
  [
    ["routing", "groupChat", "mentionPatterns"],
    ["messages", "groupChat", "mentionPatterns"],
  ],
];

export const routingRest = defineMigration({
  id: "routing.config-v2",
  describe: "What was in routing is with what it is about: bindings, tools, messages, tools.media.audio",
  old: [ROUTING, ["audio", "transcription"]],
  run(draft, changes) {
    for (const [from, to] of MOVES) moveWhole(draft, changes, { from, to });
    for (const from of TRANSCRIBERS) moveTranscriber(draft, changes, from);
    for (const path of [["routing", "groupChat"], ROUTING, ["audio"]]) removeEmpty(draft, path);
  },
});

const AUDIO = ["tools", "media", "audio"];
const AUDIO_MODELS = [...AUDIO, "models"];

function moveTranscriber(draft: Draft, changes: Changes, from: Path): void {
  const old = objectAt(draft, from);
  if (!old) return;
  const model = toAudioModel(old);
  if (!model) return changes.kept(from, "only a whisper command has a new place");
  const models = draft.get(AUDIO_MODELS);
  const isUnset = isFree(draft, AUDIO_MODELS) || (Array.isArray(models) && models.length === 0);
  const isThere = Array.isArray(models) && models.some((one) => isEqual(one, model));
  if (!isUnset && !isThere) return changes.kept(from, `${name(AUDIO_MODELS)} is set to something else`);
  if (isUnset) {
    draft.set(AUDIO_MODELS, [model]);
    if (isFree(draft, [...AUDIO, "enabled"])) draft.set([...AUDIO, "enabled"], true);
  }
  draft.remove(from);
  changes.did(`moved ${name(from)} to ${name(AUDIO_MODELS)}`);
}

/** A whisper command as a model that runs a command; undefined for anything else. */
function toAudioModel(old: Record<string, unknown>): Record<string, unknown> | undefined {
  const { command, timeoutSeconds, ...rest } = old;
  if (!Array.isArray(command) || Object.keys(rest).length > 0) return undefined;
  const words = command.filter((word) => typeof word === "string");
  const [program = "", ...args] = words;
  const isWhisper = program.trim().split(/[\\/]/).at(-1) === "whisper";
  if (!isWhisper || words.length < command.length) return undefined;
  return {
    type: "cli",
    command: program.trim(),
    ...(args.length > 0 && { args }),
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
  };
}
