import { LIMITS } from "../contract/limits.ts";
import { type AnyHandler, createLifetime, type Feature } from "../feature.ts";
import type { Clock, Log, PluginLoader, PluginModule, Timers } from "../ports.ts";
import type { Hub } from "../rpc/hub.ts";
import { API_VERSION, type Plugin } from "./api.ts";
import { type Found, wordsOf } from "./found.ts";

export interface VersionPorts {
  readonly loader: PluginLoader;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

export type Usable = Extract<Found, { readonly entry: string }>;

/** One version of a plugin that has started. */
export interface Version {
  readonly feature: Feature;
  readonly handlers: Readonly<Record<string, AnyHandler>>;
  /** Waits for calls that go on, then runs its stops and closes what it opened; each within its time. */
  stop(): Promise<void>;
}

interface Wanted {
  readonly found: Usable;
  /** Its section of the configuration, not checked yet. */
  readonly config: unknown;
  /** An error of it that nobody caught. */
  readonly onError: (error: unknown) => void;
}

/** Loads and starts a plugin, in this process. @throws what the plugin throws; nothing of it is left then */
export async function startVersion(ports: VersionPorts, wanted: Wanted): Promise<Version> {
  const { loader, timers } = ports;
  const loading = loader.load(wanted.found.entry, wanted.onError);
  const module = await within(timers, loading, {
    ms: LIMITS.pluginStartMs,
    tooLate: () =>
      void loading.then(
        (late) => late.dispose(),
        () => {},
      ),
  });
  try {
    return await startModule(ports, wanted, module);
  } catch (error) {
    module.dispose();
    throw error;
  }
}

async function startModule(ports: VersionPorts, wanted: Wanted, module: PluginModule): Promise<Version> {
  const { hub, clock, timers, log } = ports;
  const { found, config } = wanted;
  const plugin = pluginOf(module.exports["default"], found.id);
  const { contract } = plugin;
  const settings = configOf(contract.config?.(), config);
  const ended = new AbortController();
  const lifetime = createLifetime((error) =>
    log.error("plugin's stop failed", { plugin: found.id, error: String(error) }),
  );
  const release = async (): Promise<void> => {
    module.run(() => ended.abort());
    const stopped = module.run(() => lifetime.stop());
    await within(timers, stopped, { ms: LIMITS.pluginStopMs }).catch((error: unknown) =>
      log.warn("plugin took too long to stop", { plugin: found.id, error: String(error) }),
    );
  };
  const begun = Promise.resolve(
    module.run(plugin.start, {
      id: found.id,
      directory: found.directory,
      config: () => settings,
      publish: hub.publisher(contract),
      clock,
      log: logOf(log, found.id),
      signal: ended.signal,
      onStop: lifetime.onStop,
    }),
  );
  const calls = new Calls();
  try {
    const { handlers } = await within(timers, begun, { ms: LIMITS.pluginStartMs });
    return {
      feature: contract.implement(() => ({ handlers: {} })),
      handlers: Object.fromEntries(
        Object.entries(handlers).map(([name, handler]) => [name, calls.counted(module, handler)]),
      ),
      async stop() {
        await within(timers, calls.none(), { ms: LIMITS.pluginDrainMs }).catch(() =>
          log.warn("plugin's calls cut off", { plugin: found.id }),
        );
        await release();
        module.dispose();
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Calls of one version that have not been answered. */
class Calls {
  #open = 0;
  readonly #waiting: (() => void)[] = [];

  /** The handler as the plugin's own code, counted while it works. */
  counted(module: PluginModule, handler: AnyHandler): AnyHandler {
    return (params, call) => {
      const answer: unknown = module.run(handler, params, call);
      if (!(answer instanceof Promise)) return answer;
      this.#open++;
      return answer.finally(() => this.#ended());
    };
  }

  none(): Promise<void> {
    return this.#open === 0 ? Promise.resolve() : new Promise((resolve) => void this.#waiting.push(resolve));
  }

  #ended(): void {
    if (--this.#open === 0) for (const wake of this.#waiting.splice(0)) wake();
  }
}

function pluginOf(exported: unknown, id: string): Plugin {
  if (!isPlugin(exported)) throw new Error("its module has no default export made by definePlugin");
  if (exported.id !== id) throw new Error(`its code says it is "${exported.id}", its manifest "${id}"`);
  if (exported.apiVersion !== API_VERSION)
    throw new Error(`it is for version ${exported.apiVersion} of plugins`);
  const { methods, events } = exported.contract;
  for (const name of [...Object.keys(methods), ...Object.keys(events)])
    if (!name.startsWith(`${id}.`)) throw new Error(`its "${name}" has to begin with "${id}."`);
  return exported;
}

function isPlugin(value: unknown): value is Plugin {
  return (
    typeof value === "object" &&
    value !== null &&
    "contract" in value &&
    "apiVersion" in value &&
    "start" in value &&
    typeof value.start === "function"
  );
}

type ConfigSchema = NonNullable<ReturnType<NonNullable<Plugin["contract"]["config"]>>>;

function configOf(schema: ConfigSchema | undefined, given: unknown): Record<string, unknown> {
  if (!schema) return {};
  const read = schema.safeParse(given ?? {});
  if (read.success) return read.data;
  throw new Error(`its configuration does not fit: ${wordsOf(read.error)}`);
}

function logOf(log: Log, plugin: string): Log {
  return {
    debug: (message, fields) => log.debug(message, { ...fields, plugin }),
    info: (message, fields) => log.info(message, { ...fields, plugin }),
    warn: (message, fields) => log.warn(message, { ...fields, plugin }),
    error: (message, fields) => log.error(message, { ...fields, plugin }),
  };
}

interface Patience {
  readonly ms: number;
  /** Called when the work has not ended by then. */
  readonly tooLate?: () => void;
}

function within<T>(timers: Timers, work: Promise<T>, { ms, tooLate }: Patience): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = timers.after(ms, () => {
      tooLate?.();
      reject(new Error(`it did not end within ${ms / 1_000} s`));
    });
    work.then(resolve, reject).finally(stop);
  });
}
