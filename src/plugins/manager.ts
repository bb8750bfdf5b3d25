import { isEqual } from "../config/equal.ts";
import { messageOf, RpcError } from "../contract/errors.ts";
import type { PluginState, PluginSummary } from "../features/plugins/contract.ts";
import type { Files, Stop } from "../ports.ts";
import type { Table } from "../rpc/table.ts";
import { findPlugins, type Found } from "./found.ts";
import { startVersion, type Version, type VersionPorts } from "./version.ts";

/** The section `plugins` of the configuration. */
export interface PluginsConfig {
  readonly enabled: boolean;
  readonly allow?: readonly string[] | undefined;
  readonly deny: readonly string[];
  readonly entries: Readonly<
    Record<string, { readonly enabled?: boolean | undefined; readonly config?: unknown }>
  >;
}

export interface ManagerPorts extends VersionPorts {
  readonly files: Pick<Files, "readText" | "realPath" | "stat" | "list" | "distrust">;
  readonly table: Table;
  readonly config: () => PluginsConfig;
  /** Where plugins are looked for, absolute, the first one first. */
  readonly places: () => readonly string[];
  readonly onChanged: (id: string, state: PluginState, error: string | undefined) => void;
}

/** A plugin that runs: which version of which settings. */
interface Active {
  readonly version: Version;
  readonly config: unknown;
  readonly leave: Stop;
}

/** Brings what runs in line with what the configuration wants, one thing after the other. */
export class PluginManager {
  readonly #ports: ManagerPorts;
  readonly #active = new Map<string, Active>();
  readonly #errors = new Map<string, string>();
  readonly #loads = new Map<string, number>();
  #found: ReadonlyMap<string, Found> = new Map();
  #turn: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  constructor(ports: ManagerPorts) {
    this.#ports = ports;
  }

  /** The configuration may be another one. Resolves when what runs is what it wants; never rejects. */
  configure(): Promise<void> {
    return this.#next(async () => {
      await this.#look();
      const { entries } = this.#ports.config();
      for (const id of new Set([...this.#active.keys(), ...this.#found.keys()])) {
        const active = this.#active.get(id);
        if (!this.#isWanted(id)) await this.#end(id);
        else if (!active || !isEqual(active.config, entries[id]?.config)) await this.#begin(id);
      }
    });
  }

  /** @throws RpcError `not_found`, `conflict` nobody wants it, `unavailable` it cannot start */
  reload(id: string): Promise<PluginSummary> {
    return this.#next(async () => {
      await this.#look();
      const found = this.#found.get(id);
      if (!found) throw new RpcError("not_found", `Cannot reload plugin "${id}": there is none`);
      if (!this.#isWanted(id))
        throw new RpcError(
          "conflict",
          `Cannot reload plugin "${id}": ${found.problem ?? "it is not enabled"}`,
        );
      await this.#begin(id);
      const error = this.#errors.get(id);
      if (error !== undefined) throw new RpcError("unavailable", `Cannot reload plugin "${id}": ${error}`);
      return this.#summary(found);
    });
  }

  /** Folders are looked at anew. */
  list(): Promise<PluginSummary[]> {
    return this.#next(async () => {
      await this.#look();
      return [...this.#found.values()].map((found) => this.#summary(found));
    });
  }

  /** Ends all of them, for good. */
  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#next(async () => {
      for (const id of [...this.#active.keys()].toReversed()) await this.#end(id);
    });
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #look(): Promise<void> {
    this.#found = await findPlugins(this.#ports.files, this.#ports.places());
  }

  #isWanted(id: string): boolean {
    const { enabled, allow, deny, entries } = this.#ports.config();
    const found = this.#found.get(id);
    // One whose folder is gone for a moment, while an editor or a copy is at work, goes on.
    const isThere = found ? found.problem === undefined : this.#active.has(id);
    const isAllowed = !deny.includes(id) && (allow === undefined || allow.includes(id));
    return enabled && isThere && isAllowed && entries[id]?.enabled === true && !this.#isStopped;
  }

  /** New one up, swap, old one down; the old one stays where the new one cannot start. */
  async #begin(id: string): Promise<void> {
    const { log, config } = this.#ports;
    const found = this.#found.get(id);
    if (!found || found.problem !== undefined) return;
    const settings = config().entries[id]?.config;
    const old = this.#active.get(id);
    let version: Version | undefined;
    try {
      version = await startVersion(this.#ports, {
        found,
        config: settings,
        onError: (error) => this.#faulted(id, version, error),
      });
      old?.leave();
      this.#active.set(id, { version, config: settings, leave: this.#enter(version, old) });
    } catch (error) {
      this.#errors.set(id, messageOf(error));
      log.warn("plugin not started", { plugin: id, error: messageOf(error) });
      this.#changed(id);
      await version?.stop();
      return;
    }
    this.#errors.delete(id);
    this.#loads.set(id, (this.#loads.get(id) ?? 0) + 1);
    const { methods } = version.feature;
    log.info("plugin started", {
      plugin: id,
      methods: Object.keys(methods).length,
      version: found.manifest.version,
    });
    this.#changed(id);
    // Nobody waits for the last calls of what is no longer in force.
    void old?.version.stop();
  }

  /** What stood there comes back when the new one wants a name that somebody else has. */
  #enter(version: Version, old: Active | undefined): Stop {
    const { table } = this.#ports;
    try {
      return table.add(version.feature, version.handlers);
    } catch (error) {
      if (old) {
        const leave = table.add(old.version.feature, old.version.handlers);
        const id = old.version.feature.name;
        this.#active.set(id, { ...old, leave });
      }
      throw error;
    }
  }

  async #end(id: string): Promise<void> {
    const active = this.#active.get(id);
    this.#errors.delete(id);
    if (!active) return;
    this.#active.delete(id);
    active.leave();
    this.#changed(id);
    await active.version.stop();
  }

  /** Stopped for it: what is left of it after an error nobody caught is anybody's guess. */
  #faulted(id: string, version: Version | undefined, error: unknown): void {
    this.#ports.log.error("plugin failed", { plugin: id, error: messageOf(error) });
    void this.#next(async () => {
      if (version === undefined || this.#active.get(id)?.version !== version) return;
      const active = this.#active.get(id);
      this.#active.delete(id);
      active?.leave();
      this.#errors.set(id, messageOf(error));
      this.#changed(id);
      await version.stop();
    });
  }

  #stateOf(id: string): PluginState {
    if (this.#active.has(id)) return "running";
    if (this.#found.get(id)?.problem !== undefined) return "quarantined";
    return this.#errors.has(id) ? "failed" : "disabled";
  }

  #changed(id: string): void {
    this.#ports.onChanged(id, this.#stateOf(id), this.#errors.get(id));
  }

  #summary(found: Found): PluginSummary {
    const { id, directory, overridden, problem } = found;
    const manifest = problem === undefined ? found.manifest : undefined;
    const feature = this.#active.get(id)?.version.feature;
    const error = problem ?? this.#errors.get(id);
    return {
      id,
      ...(manifest?.name !== undefined && { name: manifest.name }),
      ...(manifest?.version !== undefined && { version: manifest.version }),
      ...(manifest?.description !== undefined && { description: manifest.description }),
      state: this.#stateOf(id),
      directory,
      ...(error !== undefined && { error }),
      loads: this.#loads.get(id) ?? 0,
      methods: Object.keys(feature?.methods ?? {}).toSorted(),
      events: Object.keys(feature?.events ?? {}).toSorted(),
      ...(overridden.length > 0 && { overridden }),
    };
  }
}
