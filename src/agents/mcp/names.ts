import { MCP } from "./bounds.ts";

/** A tool by its server and its own name. */
export interface Named {
  readonly server: string;
  readonly tool: string;
}

/**
 * The names that models are told, `server__tool`, in the same order; undefined for one that cannot have a name
 * of its own. The same for the same tools, in whatever order they come: a yes to one must not reach another.
 */
export function modelNames(tools: readonly Named[]): (string | undefined)[] {
  const wanted = tools.map(wantedName);
  const sharing = new Map<string, number[]>();
  wanted.forEach((name, index) => sharing.set(name, [...(sharing.get(name) ?? []), index]));
  const names = tools.map((tool, index) => {
    const name = wanted[index] ?? "";
    const others = sharing.get(name) ?? [];
    const exact = others.filter((other) => isExact(tools[other], name));
    const keeps = others.length === 1 || (exact.length === 1 && exact[0] === index);
    return keeps && name.length <= MCP.modelNameCharsMax ? name : withHash(name, tool);
  });
  const taken = new Set<string>();
  return names.map((name) => {
    if (taken.has(name)) return undefined;
    taken.add(name);
    return name;
  });
}

function wantedName({ server, tool }: Named): string {
  return `${clean(server)}__${clean(tool)}`;
}

function isExact(named: Named | undefined, name: string): boolean {
  return named !== undefined && `${named.server}__${named.tool}` === name;
}

function clean(name: string): string {
  return name.replace(/[^a-zA-Z0-9_-]/gu, "_");
}

function withHash(name: string, { server, tool }: Named): string {
  const hash = hashOf(`${server}\0${tool}`);
  return `${name.slice(0, MCP.modelNameCharsMax - hash.length - 1)}_${hash}`;
}

/** FNV-1a, 32 bits: it tells apart what happens to look alike, no more. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
