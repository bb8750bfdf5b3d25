import type { ParamsOf } from "../../client/mod.ts";
import { usage } from "../args.ts";

/** What a plugin may do beyond its own. */
export type Grants = NonNullable<ParamsOf<"plugins.enable">["grants"]>;

const SWITCHES = ["network", "exec", "sessions"] as const;
const LISTS = ["files", "env"] as const;

/** `network,files=~/notes,env=HELLO_TOKEN` @throws CliError usage naming the part that says nothing */
export function parseGrants(text: string): Grants {
  const lists: Record<(typeof LISTS)[number], string[]> = { files: [], env: [] };
  const grants: Record<string, unknown> = {};
  for (const part of text.split(",").map((one) => one.trim())) {
    const at = part.indexOf("=");
    const [name, value] = at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
    const isSwitch = SWITCHES.some((known) => known === name);
    const list = LISTS.find((known) => known === name);
    if (isSwitch && at < 0) grants[name] = true;
    else if (list !== undefined && value !== "") grants[list] = lists[list] = [...lists[list], value];
    else throw usage(`Cannot use --grant "${part}": wanted ${SWITCHES.join(", ")}, files=PATH or env=NAME`);
  }
  return grants;
}

/** The same as `--grant` takes it; empty for nothing. */
export function formatGrants(grants: Grants): string {
  return [
    ...SWITCHES.filter((name) => grants[name] === true),
    ...LISTS.flatMap((name) => (grants[name] ?? []).map((value) => `${name}=${value}`)),
  ].join(",");
}

/** What each capability is, for who decides about it. */
export function describeGrants(grants: Grants): string[] {
  return [
    ...(grants.network ? ["connect to other machines"] : []),
    ...(grants.exec ? ["start programs, with all your rights"] : []),
    ...(grants.sessions ? ["read your sessions, and talk in them"] : []),
    ...(grants.files ?? []).map((path) => `read and write ${onOneLine(path)}`),
    ...(grants.env ?? []).map((name) => `see the environment variable ${name}`),
  ];
}

/** It is the plugin's own text: what it wants may not look like more than one thing, or like the question. */
function onOneLine(path: string): string {
  return path.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\u{fffd}");
}

/** What is wanted and not granted. */
export function lacking(wants: Grants, grants: Grants): Grants {
  const missing: Record<string, unknown> = {};
  for (const name of SWITCHES) if (wants[name] && !grants[name]) missing[name] = true;
  for (const name of LISTS) {
    const rest = (wants[name] ?? []).filter((value) => !grants[name]?.includes(value));
    if (rest.length > 0) missing[name] = rest;
  }
  return missing;
}
