import type { PluginInfo, PluginSummary } from "../../features/plugins/contract.ts";
import type { Held } from "../../ports.ts";
import type { Capabilities } from "../api.ts";
import type { Verdict } from "../find/auto-enable.ts";
import type { Found } from "../find/found.ts";
import type { PluginLife } from "./life.ts";
import type { Terms } from "./terms.ts";

/** A process that runs plugins. */
export interface ProcessFacts {
  readonly pid: number;
  readonly rssBytes?: number | undefined;
  /** Ids of the others in it. */
  readonly sharedWith: readonly string[];
}

/** What is known of one plugin. */
export interface Known {
  readonly found: Found;
  readonly life: PluginLife | undefined;
  readonly verdict: Verdict;
  readonly terms: Terms;
}

export function summaryOf({ found, life, verdict, terms }: Known): PluginSummary {
  const { id, origin, directory, overridden, problem } = found;
  const isRunning = life?.running !== undefined;
  // What is in its folder may be newer than what runs.
  const ours = isRunning || problem !== undefined ? life?.plan?.usable : found;
  const manifest = ours?.manifest;
  const offers = life?.running?.offers;
  const error = problem ?? life?.error ?? (terms.isContradicted ? reasonOf(verdict) : undefined);
  return {
    id,
    ...given({ name: manifest?.name, version: manifest?.version, description: manifest?.description }),
    state: problem !== undefined && !isRunning ? "quarantined" : (life?.state ?? "disabled"),
    origin,
    isolation: life?.running ? (life.plan?.isolation ?? terms.isolation) : terms.isolation,
    ...given({ directory, enabledBy: verdict.isOn ? verdict.by : undefined, error }),
    loads: life?.loads ?? 0,
    methods: (offers?.methods ?? []).map(({ name }) => name).toSorted(),
    events: (offers?.events ?? []).map(({ name }) => name).toSorted(),
    ...(overridden.length > 0 && { overridden: [...overridden] }),
  };
}

export function reasonOf(verdict: Verdict): string | undefined {
  return verdict.isOn ? undefined : verdict.because;
}

interface Measured {
  readonly digest: string | undefined;
  readonly process: ProcessFacts | undefined;
  readonly held: readonly Held[];
}

export function infoOf(known: Known, { digest, process, held }: Measured): PluginInfo {
  const { found, life, terms } = known;
  const manifest = found.problem === undefined ? found.manifest : undefined;
  const { running, observed } = life ?? {};
  const denied = observed?.denied ?? [];
  const complaints = [...terms.misfits, ...terms.ignored];
  return {
    ...summaryOf(known),
    ...given({ apiVersion: manifest?.apiVersion, digest, configSchema: manifest?.configSchema }),
    ...(manifest && { wants: plain(terms.wants) }),
    ...(manifest && { grants: plain((running && life?.plan?.start.grants) ?? terms.grants) }),
    ...(running && { limits: limitsOf(life?.plan?.isolation === "none", held) }),
    ...(denied.length > 0 && { denied: denied.map((one) => ({ ...one })) }),
    ...(complaints.length > 0 && { configErrors: complaints }),
    ...given({ startedAtMs: life?.startedAtMs }),
    ...(running && offered(running.offers)),
    ...(running && { services: servicesOf(running.offers.services, observed?.services ?? []) }),
    ...(process && {
      process: {
        pid: process.pid,
        ...given({ rssBytes: process.rssBytes }),
        sharedWith: [...process.sharedWith],
      },
    }),
  };
}

type Offers = NonNullable<PluginLife["running"]>["offers"];

function offered({ routes, tools, hooks, agents, channels }: Offers) {
  return {
    routes: routes.map(({ method, path, auth }) => ({
      method,
      path,
      auth: auth.kind === "gateway" ? `gateway: ${auth.scope}` : auth.kind,
    })),
    tools: tools.map(({ name }) => name),
    hooks: [...hooks],
    agents: [...agents],
    channels: channels.map(({ id }) => id),
  };
}

type Services = NonNullable<PluginInfo["services"]>;

/** One that has not said anything yet is there too. */
function servicesOf(offeredNames: readonly string[], said: Readonly<Services>): Services {
  const silent = offeredNames.filter((name) => !said.some((one) => one.name === name));
  return [
    ...said.map((one) => ({ ...one })),
    ...silent.map((name) => ({ name, state: "starting", restarts: 0 })),
  ];
}

function limitsOf(isInside: boolean, held: readonly Held[]): NonNullable<PluginInfo["limits"]> {
  const sessions = { capability: "sessions", held: "by the gateway, which it has to ask", isHeld: true };
  if (isInside) {
    const open = "only where it asks the gateway: its code runs in the gateway's process";
    return [
      ...["network", "files", "env", "exec"].map((capability) => ({ capability, held: open, isHeld: false })),
      sessions,
    ];
  }
  const env = { capability: "env", held: "by the gateway: its process is given no other", isHeld: true };
  return [...held.map(({ capability, by, isHeld }) => ({ capability, held: by, isHeld })), env, sessions];
}

function plain({ files, env, ...flags }: Capabilities) {
  return { ...flags, ...(files && { files: [...files] }), ...(env && { env: [...env] }) };
}

/** What there is of it. */
function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // Members that are undefined have been left out.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
