import { LinearRouter } from "hono/router/linear-router";
import type { PluginMatch, PluginRoutes } from "../../http/plugins.ts";
import { BUNDLED } from "../bundled.ts";
import type { RunningPlugin } from "../running.ts";

/** Below it each plugin has its own: `/plugins/ID`. */
const PLUGINS = "/plugins/";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

interface Routes {
  readonly plugin: RunningPlugin;
  readonly router: LinearRouter<number>;
}

/** Finds routes of the plugins in force; what is sorted out for one is kept as long as it runs. */
export function createPluginRoutes(running: (id: string) => RunningPlugin | undefined): PluginRoutes {
  const known = new Map<string, Routes>();

  function routesOf(id: string): Routes | undefined {
    const plugin = running(id);
    if (!plugin || plugin.offers.routes.length === 0) return void known.delete(id);
    const kept = known.get(id);
    if (kept?.plugin === plugin) return kept;
    const router = new LinearRouter<number>();
    for (const [index, { method, path }] of plugin.offers.routes.entries()) router.add(method, path, index);
    const made = { plugin, router };
    known.set(id, made);
    return made;
  }

  return {
    find(method, path) {
      const place = placeOf(path);
      const routes = place && routesOf(place.id);
      if (!place || !routes) return undefined;
      const match = firstOf(routes, method, place.rest);
      if (match) return toMatch(place, routes, match);
      const others = METHODS.filter((other) => firstOf(routes, other, place.rest));
      return others.length > 0 ? others : undefined;
    },
  };
}

interface Place {
  readonly id: string;
  readonly rest: string;
}

function placeOf(path: string): Place | undefined {
  for (const { id, mount } of BUNDLED) {
    if (mount === undefined) continue;
    if (path === mount) return { id, rest: "/" };
    if (path.startsWith(`${mount}/`)) return { id, rest: path.slice(mount.length) };
  }
  if (!path.startsWith(PLUGINS)) return undefined;
  const below = path.slice(PLUGINS.length);
  const slash = below.indexOf("/");
  return slash < 0 ? { id: below, rest: "/" } : { id: below.slice(0, slash), rest: below.slice(slash) };
}

interface Match {
  readonly index: number;
  readonly params: Readonly<Record<string, string>>;
}

function firstOf({ router }: Routes, method: string, path: string): Match | undefined {
  // This router says what its parameters stand for; others say where that is in a list.
  const [[first] = []] = router.match(method, path);
  if (!first) return undefined;
  const [index, given] = first;
  const params: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) params[name] = decoded(String(value));
  return { index, params };
}

function toMatch({ id, rest }: Place, { plugin }: Routes, { index, params }: Match): PluginMatch | undefined {
  const route = plugin.offers.routes[index];
  if (!route) return undefined;
  return {
    plugin: id,
    route,
    path: rest,
    params,
    allow: (head) => plugin.allow(index, head),
    answer: (request) => plugin.http(index, request),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // As it was sent: a stray percent sign is a name like any other.
    return text;
  }
}
