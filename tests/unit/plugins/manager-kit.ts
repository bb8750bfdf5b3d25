import { join } from "node:path";
import { createFiles } from "../../../src/platform/files.ts";
import type { Told } from "../../../src/plugins/life/attempt.ts";
import type { PluginEntry, PluginsConfig } from "../../../src/plugins/find/auto-enable.ts";
import type { BundledPlugin } from "../../../src/plugins/bundled.ts";
import type { OpenGate } from "../../../src/plugins/gate/gate.ts";
import { PluginManager } from "../../../src/plugins/life/manager.ts";
import type { PluginGate, PluginStart, RunningPlugin } from "../../../src/plugins/running.ts";
import type { Log } from "../../../src/ports.ts";
import { writePlugin } from "../../support/plugin.ts";
import { tempDir } from "../../support/temp.ts";
import { createFakeTime } from "../../support/time.ts";

/** One start that was asked for, and what became of it. */
export interface Started {
  readonly isolation: string;
  readonly start: PluginStart;
  readonly told: Told;
  begun: number;
  stopped: number;
  /** Calls that have not been answered. */
  open: number;
}

/** How the next start of a plugin goes: by itself it is up at once. */
type Behaviour = (started: Started) => Promise<void> | void;

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** A manager over real folders; what starts is known by what it was started with. */
export function createManagerKit({ bundled = [] as readonly BundledPlugin[] } = {}) {
  const state = tempDir();
  const time = createFakeTime();
  const config = { enabled: true, deny: [] as string[], entries: {} as Record<string, PluginEntry> };
  const settings: Record<string, unknown> = {};
  const env: Record<string, string> = {};
  const starts: Started[] = [];
  const changes: string[] = [];
  const dropped: string[] = [];
  const inForce = new Map<string, RunningPlugin>();
  const behaviours = new Map<string, Behaviour>();
  const taken = new Set<string>();
  const gates = new Map<PluginGate, Told>();
  const closed = new Set<Told>();
  const waiting: (() => void)[] = [];
  const background: string[] = [];
  const stopping = new Map<string, Promise<void>>();

  const manager = new PluginManager({
    files: createFiles(),
    timers: time.timers,
    clock: time.clock,
    log,
    home: state,
    folder: join(state, "plugins"),
    newKey: () => crypto.randomUUID(),
    startProgram: () => Promise.reject(new Error("no programs here")),
    config: (): PluginsConfig => config,
    settingsAt: (path) => settings[path],
    env: (name) => env[name],
    places: () => [
      { path: join(state, "plugins"), origin: "installed" },
      { path: join(state, "plugins/node_modules"), origin: "package" },
    ],
    bundled,
    async start(isolation, start, gate) {
      const told = gates.get(gate);
      if (!told) throw new Error("a gate of somebody else");
      const started: Started = { isolation, start, told, begun: 0, stopped: 0, open: 0 };
      starts.push(started);
      for (const wake of waiting.splice(0)) wake();
      await behaviours.get(start.id)?.(started);
      const name = `${start.id} ${starts.filter((one) => one.start.id === start.id).indexOf(started) + 1}`;
      return runningOf(started, {
        told: (what) => void background.push(`${name} ${what}`),
        stopping: () => stopping.get(start.id),
      });
    },
    gate(_start, told) {
      // Nothing of a gate is used by the double but who it is.
      const gate = { close: () => void closed.add(told) } as unknown as OpenGate;
      gates.set(gate, told);
      return gate;
    },
    swap(id, next) {
      if (next && taken.has(id)) throw new Error(`Cannot start plugin "${id}": somebody has its name`);
      if (next) inForce.set(id, next);
      else inForce.delete(id);
    },
    onChanged: (id, now, error) => void changes.push([id, now, ...(error ? [error] : [])].join(" ")),
    onAccount() {},
    facts: () => undefined,
    held: () => [],
    async edit(edits) {
      for (const { key, value } of edits) {
        const [, , id = "", name = ""] = key.split(".");
        config.entries[id] = { ...config.entries[id], [name]: value };
      }
    },
    dropValues: async (id) => void dropped.push(id),
  });

  return {
    manager,
    state,
    time,
    config,
    settings,
    env,
    starts,
    changes,
    background,
    /** What the stops of a plugin wait for. */
    stopping,
    dropped,
    inForce,
    behaviours,
    taken,
    isClosed: (started: Started | undefined) => started !== undefined && closed.has(started.told),
    folder: (id: string) => join(state, "plugins", id),
    /** Writes a plugin's folder. */
    plugin: (id: string, manifest: object = {}) =>
      writePlugin(join(state, "plugins", id), { manifest: { id, apiVersion: 1, ...manifest } }),
    /** Resolves with the next start that is asked for. */
    nextStart: () => new Promise<Started>((resolve) => waiting.push(() => resolve(lastOf(starts)))),
  };
}

function lastOf(starts: readonly Started[]): Started {
  const last = starts.at(-1);
  if (!last) throw new Error("nothing was started");
  return last;
}

interface Life {
  readonly told: (what: string) => void;
  readonly stopping: () => Promise<void> | undefined;
}

function runningOf(started: Started, { told, stopping }: Life): RunningPlugin {
  const nothing = { routes: [], hooks: [], tools: [], agents: [], channels: [], services: ["poll"] };
  const running = {
    feature: { name: started.start.id, methods: {}, events: {} },
    offers: { methods: [], events: [], ...nothing },
    begin() {
      started.begun++;
      told("begins");
    },
    end: () => told("ends"),
    active: () => started.open,
    async stop() {
      started.stopped++;
      await stopping();
    },
  };
  // The manager hands the rest over without looking at it.
  return running as unknown as RunningPlugin;
}
