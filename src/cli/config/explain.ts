import { describeExplained, type Explained } from "../../config/show/explain.ts";
import { settingsOf } from "../../config/judge.ts";
import { parseKey } from "../../config/key.ts";
import { isObject, keyOf } from "../../config/leaves.ts";
import type { Leaf, Path } from "../../config/leaves.ts";
import { configSections } from "../../features/contracts.ts";
import { EXIT } from "../../gateway/errors.ts";
import type { CommandInput, RunCommand } from "../command.ts";
import { type Desk, type ResultOf, withDesk } from "./desk.ts";
import { invalid, warnUnusable } from "./failures.ts";
import { valueText } from "./outcome.ts";

/** Tells where values are from. */
export const explain: RunCommand = (input) =>
  withDesk(input, async (desk) => {
    const [key] = input.args.positional;
    const { leaves } = settingsOf(configSections());
    const path = key === undefined ? [] : parseKey(key);
    const inside = path ? leaves.filter((leaf) => isInside(leaf, path)) : [];
    const { config, valid, issues } = await desk.call("config.get", {});
    if (!valid && !desk.gateway) throw invalid(issues);
    if (!valid) warnUnusable(input.screen, issues);
    if (key !== undefined && inside.length === 0) return explainOne(input, desk, key);
    const keys = [...new Set([...inside.map((leaf) => leaf.key), ...keysIn(config, path ?? [], leaves)])];
    const all = await Promise.all(keys.map((one) => desk.call("config.explain", { key: one })));
    // Of everything, only what somebody has set: the rest is what the manual says.
    return tellAll(input, key === undefined ? all.filter(({ layer }) => layer !== "default") : all);
  });

function isInside(leaf: Leaf, path: Path): boolean {
  return leaf.path.length > path.length && path.every((step, at) => leaf.path[at] === String(step));
}

/** Settings in a configuration that are in no schema known here, such as names of the section `env`. */
function keysIn(config: unknown, inside: Path, leaves: readonly Leaf[]): string[] {
  const visit = (value: unknown, path: Path): string[] => {
    if (leaves.some((leaf) => leaf.key === keyOf(path))) return [];
    const isSection = path.length < 2 ? isObject(value) : leaves.some((leaf) => isInside(leaf, path));
    if (!isSection || !isObject(value)) return [keyOf(path)];
    return Object.entries(value).flatMap(([name, member]) => visit(member, [...path, name]));
  };
  const isWanted = (key: string): boolean => inside.length === 0 || key.startsWith(`${keyOf(inside)}.`);
  return visit(config, []).filter(isWanted);
}

async function explainOne({ screen, args }: CommandInput, desk: Desk, key: string): Promise<number> {
  const explained = await desk.call("config.explain", { key });
  if (args.has("json")) {
    screen.line(JSON.stringify(explained));
    return EXIT.ok;
  }
  // In JSON what is undefined is absent, which is all that the two types differ in.
  screen.line(describeExplained(explained as Explained, screen));
  if (explained.restartOwed) screen.line(`  ${screen.bold("waits for a restart")}`);
  return EXIT.ok;
}

type Told = ResultOf<"config.explain">;

function tellAll({ screen, args }: CommandInput, all: readonly Told[]): number {
  if (args.has("json")) {
    screen.line(JSON.stringify({ settings: all }));
    return EXIT.ok;
  }
  if (all.length === 0) screen.line("nothing is set: every setting has its default");
  const texts = all.map(({ key, value }) => screen.foreign(settingText(key, value)));
  const width = Math.min(Math.max(0, ...texts.map((text) => text.length)), WIDTH_MAX);
  for (const [index, told] of all.entries()) {
    const text = texts[index] ?? "";
    screen.line(`${text.padEnd(width)}  ${screen.dim(screen.foreign(originOf(told)))}`);
  }
  return EXIT.ok;
}

const WIDTH_MAX = 60;

function settingText(key: string, value: unknown): string {
  if (value === undefined) return `${key} is not set`;
  return `${key} = ${valueText(value, Math.max(WIDTH_MAX - key.length - 3, 12))}`;
}

function originOf({ layer, source, name, restartOwed }: Told): string {
  const place = source ? `${source.file}:${source.line}:${source.column}` : name;
  const origin = place === undefined ? layer : `${layer} ${place}`;
  return restartOwed ? `${origin}, waits for a restart` : origin;
}
