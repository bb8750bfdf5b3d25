import { RESERVED_KEYS } from "../../contract/reserved-keys.ts";
import type { Draft } from "../tree/draft.ts";
import { isObject, type Path } from "../leaves.ts";
import {
  type Changes,
  defineMigration,
  isFree,
  moveWhole,
  name,
  objectAt,
  removeEmpty,
} from "./migration.ts";

const DEFAULTS = ["agents", "defaults"];
const at = (key: string): Path => [...DEFAULTS, key];
const MODELS = at("models");

/** Comes after `agent` has become `agents.defaults`, so that there is one place to look at. */
export const modelChoice = defineMigration({
  id: "agent.model-config-v2",
  describe: "A model has its fallbacks with it, and all that may be used are in one map with their aliases",
  old: ["allowedModels", "modelAliases", "modelFallbacks", "imageModelFallbacks"].map(at),
  run(draft, changes) {
    moveFallbacks(draft, changes, { from: at("modelFallbacks"), choice: at("model") });
    moveFallbacks(draft, changes, { from: at("imageModelFallbacks"), choice: at("imageModel") });
    fillModels(draft, changes);
  },
});

interface Fallbacks {
  readonly from: Path;
  readonly choice: Path;
}

function moveFallbacks(draft: Draft, changes: Changes, { from, choice }: Fallbacks): void {
  const old = textsAt(draft, from);
  if (!old) return;
  if (old.length === 0) return removeUnsaid(draft, changes, from);
  const to = [...choice, "fallbacks"];
  const chosen = draft.get(choice);
  if (typeof chosen === "string") draft.set(choice, { primary: chosen });
  if (textsAt(draft, to)?.length === 0) draft.remove(to);
  moveWhole(draft, changes, { from, to, otherwise: "goes" });
}

function removeUnsaid(draft: Draft, changes: Changes, path: Path): void {
  draft.remove(path);
  changes.did(`removed ${name(path)}: it says nothing`);
}

/** The map is also the list of what may be used: every model named anywhere goes into it, or none. */
function fillModels(draft: Draft, changes: Changes): void {
  const allowed = textsAt(draft, at("allowedModels"));
  const aliases = objectAt(draft, at("modelAliases"));
  if (allowed?.length === 0) removeUnsaid(draft, changes, at("allowedModels"));
  if (aliases && Object.keys(aliases).length === 0) removeUnsaid(draft, changes, at("modelAliases"));
  const targets = Object.values(aliases ?? {}).filter((target) => typeof target === "string");
  const named = [...(allowed ?? []), ...targets].map((model) => model.trim()).filter(Boolean);
  const canFill = isFree(draft, MODELS) || objectAt(draft, MODELS) !== undefined;
  if (named.length === 0 || !canFill || named.some((model) => RESERVED_KEYS.has(model))) return;
  const chosen = ["model", "imageModel"].flatMap((key) => modelsOf(draft.get(at(key))));
  for (const model of [...chosen, ...named]) {
    const entry = [...MODELS, model];
    if (draft.get(entry) !== undefined || RESERVED_KEYS.has(model)) continue;
    draft.set(entry, {});
    changes.did(`added ${name(entry)}`);
  }
  if (allowed && allowed.length > 0) {
    draft.remove(at("allowedModels"));
    changes.did(`moved ${name(at("allowedModels"))} to ${name(MODELS)}`);
  }
  for (const [alias, target] of Object.entries(aliases ?? {})) moveAlias(draft, changes, { alias, target });
  removeEmpty(draft, at("modelAliases"));
}

/** A model has one alias now; a second one stays where it was. */
function moveAlias(
  draft: Draft,
  changes: Changes,
  { alias, target }: Record<"alias" | "target", unknown>,
): void {
  const model = typeof target === "string" ? target.trim() : "";
  if (model === "" || typeof alias !== "string") return;
  const from = [...at("modelAliases"), alias];
  const to = [...MODELS, model, "alias"];
  if (isFree(draft, to)) draft.set(to, alias);
  else if (draft.get(to) !== alias) return changes.kept(from, `${name(to)} is set to something else`);
  draft.remove(from);
  changes.did(`moved ${name(from)} to ${name(to)}`);
}

function modelsOf(choice: unknown): readonly string[] {
  if (typeof choice === "string") return modelsOf({ primary: choice });
  if (!isObject(choice)) return [];
  const fallbacks: readonly unknown[] = Array.isArray(choice["fallbacks"]) ? choice["fallbacks"] : [];
  return [choice["primary"], ...fallbacks]
    .filter((model) => typeof model === "string")
    .map((model) => model.trim())
    .filter(Boolean);
}

function textsAt(draft: Draft, path: Path): readonly string[] | undefined {
  const list = draft.get(path);
  if (!Array.isArray(list)) return undefined;
  const texts = list.filter((item) => typeof item === "string");
  return texts.length === list.length ? texts : undefined;
}
