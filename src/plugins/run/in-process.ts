import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import { createLifetime, type FeatureContext } from "../../feature.ts";
import type { Clock, Log, PluginLoader, PluginModule, Timers } from "../../ports.ts";
import { API_VERSION, type Plugin, type PluginContext } from "../api.ts";
import { Calls } from "./calls.ts";
import { wordsOf } from "../find/words.ts";
import { placed } from "./fault-place.ts";
import { createPluginParts } from "./parts.ts";
import { Registration } from "./registration.ts";
import type { PluginGate, PluginStart, RunningPlugin, StartPlugin } from "../running.ts";
import { createPluginSend } from "./send.ts";
import { createPluginSessions } from "./sessions.ts";
import { seconds, within } from "./time.ts";

/** What a plugin may reach beyond its own, as its grants have it. */
export type Capable = Pick<PluginContext, "fetch" | "env" | "files" | "exec"> & {
  /** For its code, in place of the runtime's own. */
  readonly globals: Readonly<Record<string, unknown>>;
};

export interface InProcessPorts {
  readonly loader: PluginLoader;
  readonly clock: Clock;
  readonly timers: Timers;
  /** A name nobody else has. */
  readonly newKey: () => string;
  readonly capable: (start: PluginStart, gate: PluginGate, signal: AbortSignal) => Capable;
}

/** For its code to be loaded, and for its start. */
const STARTING = {
  ms: LIMITS.pluginStartMs,
  late: `it has not started within ${seconds(LIMITS.pluginStartMs)}`,
};

/** Loads and starts plugins in this process, be it the gateway's or one of plugins. */
export function createInProcess(ports: InProcessPorts): StartPlugin {
  const begin: StartPlugin = async (start, gate) => {
    const ended = new AbortController();
    const capable = ports.capable(start, gate, ended.signal);
    const loading = ports.loader.load(start.entry, {
      onError: (error) => gate.failed(placed(error, start.directory)),
      globals: capable.globals,
    });
    const module = await within(ports.timers, loading, {
      ...STARTING,
      tooLate: () =>
        void loading.then(
          (tooLate) => tooLate.dispose(),
          () => {},
        ),
    });
    try {
      return await startModule(ports, { start, gate, module, ended, capable });
    } catch (error) {
      module.dispose();
      throw error;
    }
  };
  return async (start, gate) => {
    try {
      return await begin(start, gate);
    } catch (error) {
      throw placed(error, start.directory);
    }
  };
}

interface Loaded {
  readonly start: PluginStart;
  readonly gate: PluginGate;
  readonly module: PluginModule;
  readonly ended: AbortController;
  readonly capable: Capable;
}

async function startModule(ports: InProcessPorts, loaded: Loaded): Promise<RunningPlugin> {
  const { timers } = ports;
  const { start, gate, module, ended } = loaded;
  const plugin = pluginOf(module.exports["default"], start.id);
  const registration = new Registration();
  const log = logOf(gate);
  const lifetime = createLifetime((error) => log.error("stop failed", { error: messageOf(error) }));
  const release = async (): Promise<void> => {
    module.run(() => ended.abort());
    await within(timers, module.run(lifetime.stop), {
      ms: LIMITS.pluginStopMs,
      late: "it took too long to stop",
    }).catch((error: unknown) => log.warn("stop cut off", { error: messageOf(error) }));
  };
  try {
    const context = contextOf(ports, loaded, { plugin, registration, log, onStop: lifetime.onStop });
    const begun = Promise.resolve(module.run(plugin.start, context));
    const { handlers } = handlersOf(await within(timers, begun, STARTING));
    registration.close();
    const calls = new Calls(start.id, timers);
    const feature = plugin.contract.implement(() => ({ handlers: {} }));
    let stopped: Promise<void> | undefined;
    return {
      feature,
      handlers: countedAll(handlers, module, calls),
      ...createPluginParts({
        ...ports,
        id: start.id,
        feature,
        gate,
        module,
        registration,
        calls,
        signal: ended.signal,
      }),
      active: () => calls.active,
      stop: () => (stopped ??= release().finally(() => module.dispose())),
    };
  } catch (error) {
    await release();
    throw error;
  }
}

interface Made {
  readonly plugin: Plugin;
  readonly registration: Registration;
  readonly log: Log;
  readonly onStop: PluginContext["onStop"];
}

function contextOf(ports: InProcessPorts, loaded: Loaded, made: Made): PluginContext {
  const { start, gate, ended, capable } = loaded;
  const settings = settingsOf(made.plugin, start.config);
  const { fetch, env, files, exec } = capable;
  return {
    id: start.id,
    directory: start.directory,
    config: () => settings,
    publish: (event, payload, options) => gate.publish(event, payload, options),
    log: made.log,
    clock: ports.clock,
    timers: ports.timers,
    store: gate.store,
    sessions: createPluginSessions(gate, ports.newKey),
    signal: ended.signal,
    ...made.registration.context,
    onStop: made.onStop,
    fetch,
    env,
    files,
    exec,
    send: createPluginSend(gate, ports.newKey),
  };
}

type Handlers = RunningPlugin["handlers"];
type Begun = Awaited<ReturnType<Plugin["start"]>>;

function handlersOf(begun: Begun | undefined): Begun {
  if (begun?.handlers) return begun;
  throw new Error("its start answers no handlers");
}

/** The handlers as the plugin's own code, counted while they work. */
function countedAll(handlers: Handlers, module: PluginModule, calls: Calls): Handlers {
  return Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [
      name,
      (params: never, call: Parameters<typeof handler>[1]) => {
        // Each call comes by here: no function is made for it.
        calls.checkRoom();
        return calls.counted(module.run(handler, params, call));
      },
    ]),
  );
}

function pluginOf(exported: unknown, id: string): Plugin {
  if (!isPlugin(exported)) throw new Error("its module has no default export made by definePlugin");
  if (exported.id !== id) throw new Error(`its code says it is "${exported.id}", its manifest "${id}"`);
  if (exported.apiVersion !== API_VERSION)
    throw new Error(`it is for version ${exported.apiVersion} of plugins`);
  const { methods, events } = exported.contract;
  const names = [...Object.keys(methods), ...Object.keys(events)];
  if (names.length > LIMITS.pluginMethodsMax)
    throw new Error(`it has more than ${LIMITS.pluginMethodsMax} methods and events`);
  for (const name of names)
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

function settingsOf({ contract }: Plugin, given: unknown): ReturnType<FeatureContext["config"]> {
  const schema = contract.config?.();
  if (!schema) return {};
  const read = schema.safeParse(given ?? {});
  if (read.success) return read.data;
  throw new Error(`its configuration does not fit: ${wordsOf(read.error)}`);
}

function logOf(gate: PluginGate): Log {
  return {
    debug: (message, fields) => gate.log("debug", message, fields),
    info: (message, fields) => gate.log("info", message, fields),
    warn: (message, fields) => gate.log("warn", message, fields),
    error: (message, fields) => gate.log("error", message, fields),
  };
}
