import { RpcError } from "../../contract/errors.ts";
import type { Held, PluginLoader } from "../../ports.ts";
import { canonicalJson } from "../../rpc/json.ts";
import type { Capabilities } from "../api.ts";
import type { PluginGate, PluginStart, RunningPlugin } from "../running.ts";
import { type Bounds, boundsOf, type BoundsPorts, isWithin } from "./bounds.ts";
import { Host, type HostPorts } from "./host.ts";
import { type Loss, ProcessLost } from "./lost.ts";

export interface HostsPorts extends HostPorts, BoundsPorts {
  /** What our processes load plugins with. */
  readonly loader: Pick<PluginLoader, "loadsOnce">;
  /** Our own environment: of it a process of plugins gets what every program needs. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Where a plugin runs, for its owner. */
export interface HostFacts {
  readonly pid: number;
  readonly rssBytes: number | undefined;
  /** Ids of the others in the same process. */
  readonly sharedWith: readonly string[];
}

/** Plugins in processes of their own. */
export interface Hosts {
  /**
   * Starts a plugin in the process of those with the same grants, or in one of its own. One that has ended a
   * process before, or did not start in time, has its own from then on.
   *
   * @throws Error what the plugin throws, or how its process ended; RpcError `unavailable` once all are ended
   */
  start(isolation: "process" | "own", start: PluginStart, gate: PluginGate): Promise<RunningPlugin>;
  /** Undefined where it is in none. */
  facts(id: string): HostFacts | undefined;
  /** What its process is kept from, and by whom. */
  held(id: string): readonly Held[];
  /** Ends all of them, with what is in them, for good. */
  stop(): Promise<void>;
}

/** Names of variables that mean the same to every program. */
const ENV = /^(?:HOME|PATH|TZ|TMPDIR|LANG|LC_[A-Z]+|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS)$/;

export function createHosts(ports: HostsPorts): Hosts {
  return new AllHosts(ports);
}

class AllHosts implements Hosts {
  readonly #ports: HostsPorts;
  readonly #env: Readonly<Record<string, string>>;
  /** Each with its bounds, and the grants that it is shared by; empty for one that is not. */
  readonly #hosts = new Map<Host, { readonly bounds: Bounds; readonly shared: string }>();
  /** Ids of those that have to have a process of their own. */
  readonly #apart = new Set<string>();
  #isStopped = false;

  constructor(ports: HostsPorts) {
    this.#ports = ports;
    this.#env = Object.fromEntries(
      Object.entries(ports.env).flatMap(([name, value]) =>
        ENV.test(name) && value !== undefined ? [[name, value]] : [],
      ),
    );
  }

  async start(isolation: "process" | "own", start: PluginStart, gate: PluginGate): Promise<RunningPlugin> {
    for (;;) {
      const host = await this.#hostFor(isolation, start);
      try {
        return await host.start(start, gate);
      } catch (error) {
        // It waited while another one ended the process: a new one is there for it.
        if (!(error instanceof ProcessLost && error.isBystander)) throw error;
      }
    }
  }

  facts(id: string): HostFacts | undefined {
    const host = this.#hostOf(id);
    if (host?.pid === undefined) return undefined;
    const { pid, rssBytes } = host;
    return { pid, rssBytes, sharedWith: host.ids.filter((other) => other !== id) };
  }

  held(id: string): readonly Held[] {
    return this.#hostOf(id)?.held ?? [];
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#hosts.keys()].map((host) => host.end()));
    this.#hosts.clear();
  }

  #hostOf(id: string): Host | undefined {
    return [...this.#hosts.keys()].findLast((host) => !host.isOver && host.ids.includes(id));
  }

  async #hostFor(isolation: "process" | "own", start: PluginStart): Promise<Host> {
    const { loadsOnce } = this.#ports.loader;
    const isOwn = isolation === "own" || loadsOnce || this.#apart.has(start.id);
    const bounds = await boundsOf(this.#ports, start, isOwn);
    if (this.#isStopped) throw new RpcError("unavailable", "Cannot start plugin: the gateway stops");
    for (const path of bounds.missing)
      this.#ports.log.warn("plugin started without a path it is granted: there is nothing yet", {
        plugin: start.id,
        path,
      });
    if (isOwn) return this.#open(bounds, "");
    const shared = sharedBy(start.grants);
    const existing = [...this.#hosts].find(
      ([host, had]) => had.shared === shared && !host.isOver && isWithin(had.bounds, bounds, start.directory),
    );
    return existing?.[0] ?? this.#open(bounds, shared);
  }

  #open(bounds: Bounds, shared: string): Host {
    // Those that have ended because nobody was in them.
    for (const host of this.#hosts.keys()) if (host.isOver) this.#hosts.delete(host);
    const host = new Host(this.#ports, {
      confinement: bounds.confinement,
      env: this.#env,
      onLost: (loss) => this.#lost(host, loss),
      onLate: (id) => this.#apart.add(id),
    });
    this.#hosts.set(host, { bounds, shared });
    return host;
  }

  #lost(host: Host, { why, ids, culprit }: Loss): void {
    this.#hosts.delete(host);
    const plugins = ids.join(", ");
    this.#ports.log.error("process of plugins lost", { plugins, why, ...(culprit && { culprit }) });
    for (const id of culprit === undefined ? ids : [culprit]) this.#apart.add(id);
  }
}

/** The same for plugins that may do the same. */
function sharedBy({
  network = false,
  exec = false,
  sessions = false,
  files = [],
  env = [],
}: Capabilities): string {
  return canonicalJson({ network, exec, sessions, files: files.toSorted(), env: env.toSorted() });
}
