import type { Fetch } from "../api.ts";
import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Platform } from "../../ports.ts";
import { createExec } from "./capable-exec.ts";
import { createCapableFiles } from "./capable-files.ts";
import { guardProcess } from "./capable-process.ts";
import type { Capable } from "../run/in-process.ts";
import type { PluginGate, PluginStart } from "../running.ts";

/** What capabilities are made of, in the gateway and in a process of plugins. */
export type CapablePorts = Pick<Platform, "files" | "process" | "timers">;

/** Refuses what needs a capability that was not granted, and has that told. `what`: `read file "/x"` */
export type Deny = (capability: string, what: string) => RpcError;

export interface CapableOf {
  readonly start: PluginStart;
  readonly gate: Pick<PluginGate, "denied">;
  /** The plugin stops: connections and programs of it end. */
  readonly signal: AbortSignal;
}

/**
 * What a plugin may reach beyond its own, as its grants have it. This is a wall against mistakes: code that
 * wants to can import the runtime's own modules, and only the system itself keeps it from using them.
 */
export function createCapable(ports: CapablePorts, { start, gate, signal }: CapableOf): Capable {
  const { grants } = start;
  const deny: Deny = (capability, what) => {
    gate.denied(capability, what);
    return new RpcError("forbidden", `Cannot ${what}: plugin "${start.id}" has no grant for ${capability}`, {
      details: { missingGrant: capability },
    });
  };
  const names = new Set(grants.env ?? []);
  const env = Object.fromEntries(Object.entries(start.env).filter(([name]) => names.has(name)));
  const fetch = fetchFor({ deny, signal, isGranted: grants.network === true });
  return {
    fetch,
    env(name) {
      if (!names.has(name)) throw deny("env", `read variable "${cut(name)}"`);
      return Object.hasOwn(env, name) ? env[name] : undefined;
    },
    files: createCapableFiles(ports, start, deny),
    exec: createExec(ports, { start, env, signal, deny }),
    globals: {
      fetch,
      // What the runtime itself calls so: the port of that name is smaller.
      process: guardProcess(Reflect.get(globalThis, "process"), env, deny),
      ...(grants.network !== true && socketsRefused(deny)),
    },
  };
}

interface FetchOf {
  readonly deny: Deny;
  readonly signal: AbortSignal;
  readonly isGranted: boolean;
}

/** What these say is in the address itself, or in memory. */
const INLINE: ReadonlySet<string> = new Set(["data:", "blob:"]);

function fetchFor({ deny, signal, isGranted }: FetchOf): Fetch {
  const check = (address: string): void => {
    // One that is none is for the real one to refuse.
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (url && INLINE.has(url.protocol)) return;
    if (!isGranted) throw deny("network", `connect to "${cut(url?.host ?? "")}"`);
    // The runtime would read files of this machine, whatever files the plugin may read.
    if (url && url.protocol !== "http:" && url.protocol !== "https:")
      throw new RpcError("forbidden", `Cannot fetch "${cut(url.protocol)}": wanted http: or https:`);
  };
  return async (input, init) => {
    const request = input instanceof Request ? input : String(input);
    check(typeof request === "string" ? request : request.url);
    const asked = init?.signal ?? (typeof request === "string" ? undefined : request.signal);
    const ended = asked ? AbortSignal.any([asked, signal]) : signal;
    return globalThis.fetch(request, { ...init, signal: ended });
  };
}

/** Connections that are made otherwise than by `fetch`. */
function socketsRefused(deny: Deny): Readonly<Record<string, unknown>> {
  const refused = ["WebSocket", "EventSource", "XMLHttpRequest"].map((name) => {
    function Refused(url: unknown): never {
      const address = String(url);
      throw deny("network", `connect to "${cut(URL.canParse(address) ? new URL(address).host : "")}"`);
    }
    return [name, Refused] as const;
  });
  return Object.fromEntries(refused);
}

function cut(text: unknown): string {
  return String(text).slice(0, LIMITS.labelCharsMax).toWellFormed();
}
