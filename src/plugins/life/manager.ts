import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Grants, InstallRequest, PluginInfo, PluginSummary } from "../../features/plugins/contract.ts";
import type { PluginsManager } from "../../features/plugins/feature.ts";
import type { Held } from "../../ports.ts";
import { applyPluginAutoEnable, entryOf, type Verdict } from "../find/auto-enable.ts";
import type { BundledPlugin } from "../bundled.ts";
import { digestOf } from "../find/code.ts";
import {
  type FilesOfPlugins,
  findPlugins,
  type Found,
  lookAt,
  type Place,
  type Usable,
} from "../find/found.ts";
import type { InstallPorts } from "../install/install.ts";
import { type LifePorts, PluginLife } from "./life.ts";
import { isPluginId } from "../find/manifest.ts";
import { infoOf, type Known, type ProcessFacts, reasonOf, summaryOf } from "./summary.ts";
import { planOf, type TermsPorts, termsOf } from "./terms.ts";
import { within } from "../run/time.ts";

export type { PluginsConfig } from "../find/auto-enable.ts";

export interface ManagerPorts extends LifePorts, TermsPorts, InstallPorts {
  readonly files: FilesOfPlugins & LifePorts["files"] & InstallPorts["files"];
  /** Where plugins are looked for, the first one first. */
  readonly places: () => readonly Place[];
  readonly bundled: readonly BundledPlugin[];
  /** The process a plugin runs in, where that is not the gateway's. */
  readonly facts: (id: string) => ProcessFacts | undefined | Promise<ProcessFacts | undefined>;
  /** What holds its capabilities back there. */
  readonly held: (id: string) => readonly Held[];
  /**
   * Writes settings into the user's file, all or none; resolves when they are in force.
   *
   * @throws RpcError `conflict`, `unavailable`
   */
  readonly edit: (changes: readonly { readonly key: string; readonly value: unknown }[]) => Promise<void>;
  /** Forgets what a plugin has stored. */
  readonly dropValues: (id: string) => Promise<void>;
}

/** Brings what runs in line with what the configuration wants, each plugin for itself. */
export class PluginManager implements PluginsManager {
  readonly #ports: ManagerPorts;
  readonly #lives = new Map<string, PluginLife>();
  #found: ReadonlyMap<string, Found> = new Map();
  #looking: Promise<void> = Promise.resolve();
  #tidied: Promise<void> | undefined;
  #installing: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  constructor(ports: ManagerPorts) {
    this.#ports = ports;
  }

  /** The configuration may be another one. Resolves when what runs is what it wants; never rejects. */
  async configure(): Promise<void> {
    try {
      await this.#look();
    } catch (error) {
      this.#ports.log.error("plugins not looked for", { error: messageOf(error) });
    }
    const verdicts = this.#verdicts();
    const ids = new Set([...this.#lives.keys(), ...this.#found.keys()]);
    await Promise.all([...ids].map((id) => this.#follow(id, verdicts.get(id))));
  }

  /** Folders are looked at anew. */
  async list(): Promise<PluginSummary[]> {
    await this.#look();
    const verdicts = this.#verdicts();
    return [...this.#found.values()].map((found) => summaryOf(this.#known(found, verdicts.get(found.id))));
  }

  /** @throws RpcError `not_found` */
  async info(id: string): Promise<PluginInfo> {
    await this.#look();
    return this.#info(this.#mustFind(id, "show"));
  }

  /** @throws RpcError `not_found`; `conflict` it may not run whatever its entry says; and as `edit` does */
  async enable(id: string, grants: Grants | undefined): Promise<PluginInfo> {
    await this.#look();
    const found = this.#mustFind(id, "enable");
    const refuse = (because: string): never => {
      throw new RpcError("conflict", `Cannot enable plugin "${id}": ${because}`);
    };
    if (found.problem !== undefined) refuse(found.problem);
    const { config } = this.#ports;
    const { entries, ...rest } = config();
    const asked = { ...rest, entries: { ...entries, [id]: { enabled: true } } };
    const then = applyPluginAutoEnable(asked, [candidateOf(found)], this.#ports).get(id);
    if (then && !then.isOn) refuse(then.because);
    await this.#ports.edit([
      { key: `plugins.entries.${id}.enabled`, value: true },
      ...(grants ? [{ key: `plugins.entries.${id}.grants`, value: grants }] : []),
    ]);
    const verdict = this.#verdicts().get(id);
    if (!verdict?.isOn) refuse("the configuration in force says otherwise");
    await this.#follow(id, verdict, this.#lives.get(id)?.state === "failed");
    return this.#info(this.#mustFind(id, "enable"));
  }

  /** @throws RpcError `not_found`; `conflict` it is on all the same; and as `edit` does */
  async disable(id: string): Promise<PluginSummary> {
    await this.#look();
    this.#mustFind(id, "disable");
    if (!isPluginId(id))
      throw new RpcError("conflict", `Cannot disable plugin "${id}": it is only the name of its folder`);
    await this.#ports.edit([{ key: `plugins.entries.${id}.enabled`, value: false }]);
    const verdict = this.#verdicts().get(id);
    await this.#follow(id, verdict);
    if (verdict?.isOn)
      throw new RpcError(
        "conflict",
        `Cannot disable plugin "${id}": ${verdict.by} in the configuration in force`,
      );
    return summaryOf(this.#known(this.#mustFind(id, "disable")));
  }

  /** @throws RpcError `not_found`, `conflict` nobody wants it, `unavailable` it cannot start */
  async reload(id: string): Promise<PluginSummary> {
    await this.#lookAgain(id);
    const found = this.#mustFind(id, "reload");
    const verdict = this.#verdicts().get(id);
    if (found.problem !== undefined || !verdict?.isOn) {
      const reason = found.problem ?? (verdict && reasonOf(verdict)) ?? "it is not enabled";
      throw new RpcError("conflict", `Cannot reload plugin "${id}": ${reason}`);
    }
    await this.#follow(id, verdict, true);
    const error = this.#lives.get(id)?.error;
    if (error !== undefined) throw new RpcError("unavailable", `Cannot reload plugin "${id}": ${error}`);
    return summaryOf(this.#known(found));
  }

  /**
   * One after the other. One that is installed in place of a running one takes over from it.
   *
   * @throws RpcError `not_found`, `conflict`, `forbidden`, `too_large`, `unavailable`
   */
  install(request: InstallRequest): Promise<PluginInfo> {
    const mine = this.#installing.then(async () => {
      const { installPlugin } = await import("../install/install.ts");
      await this.#look();
      const id = await installPlugin(this.#ports, request, (wanted) => this.#found.get(wanted));
      await this.#look();
      await this.#follow(id, this.#verdicts().get(id), this.#lives.has(id));
      return this.#info(this.#mustFind(id, "install"));
    });
    this.#installing = mine.catch(() => undefined);
    return mine;
  }

  /**
   * Its entry in the configuration stays, switched off: whoever installs it again decides anew.
   *
   * @throws RpcError `not_found`; `conflict` it is not in the state directory; and as `edit` does
   */
  async remove(id: string, { data }: { readonly data: boolean }): Promise<{ readonly removed: boolean }> {
    await this.#look();
    const { folder, origin } = this.#mustFind(id, "remove");
    const refuse = (because: string): never => {
      throw new RpcError("conflict", `Cannot remove plugin "${id}": ${because}`);
    };
    if (!folder) return refuse("it is part of the gateway");
    if (origin === "path") refuse(`its folder "${folder.path}" is named in plugins.paths, and not ours`);
    if (isPluginId(id) && entryOf(this.#ports.config(), id))
      await this.#ports.edit([{ key: `plugins.entries.${id}.enabled`, value: false }]);
    await this.#lives.get(id)?.want(undefined);
    // Until it has stopped it needs its files, and may store something.
    await this.#lives.get(id)?.gone();
    const { removeInstalled } = await import("../install/install.ts");
    const removed = await removeInstalled(this.#ports, folder.path);
    // Somebody else may have had it started meanwhile.
    await this.#lives.get(id)?.want(undefined);
    await this.#lives.get(id)?.gone();
    if (data) await this.#ports.dropValues(id);
    await this.#look();
    await this.#follow(id, this.#verdicts().get(id));
    return { removed };
  }

  /** Ends all of them, for good: those that came last first. Bounded, and never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const stopping = [...this.#lives.values()].toReversed().map((life) => life.stop());
    await within(this.#ports.timers, Promise.all(stopping), {
      ms: LIMITS.pluginStopMs + 1_000,
      late: "plugins took too long to stop",
    }).catch((error: unknown) => this.#ports.log.warn("plugins cut off", { error: messageOf(error) }));
  }

  /** One look after the other: the last one has the last word. */
  #look(): Promise<void> {
    const { files, places, bundled } = this.#ports;
    this.#looking = this.#looking
      .catch(() => undefined)
      .then(async () => {
        await (this.#tidied ??= this.#tidy());
        this.#found = await findPlugins(files, places(), bundled);
      });
    return this.#looking;
  }

  /** Once, before anything is looked at: what a killed gateway was about to replace is in its place again. */
  async #tidy(): Promise<void> {
    const { files, folder, log } = this.#ports;
    try {
      const names = await files.list(folder);
      if (!names.some((name) => name.startsWith("."))) return;
      const { tidyInstalled } = await import("../install/install.ts");
      await tidyInstalled(this.#ports);
    } catch (error) {
      log.warn("installed plugins not tidied", { error: messageOf(error) });
    }
  }

  /** One folder instead of all of them, where it is known. */
  async #lookAgain(id: string): Promise<void> {
    const known = this.#found.get(id);
    if (!known?.folder) return this.#look();
    const now = await lookAt(this.#ports.files, known.folder);
    if (now.id !== id) return this.#look();
    this.#found = new Map(this.#found).set(id, { ...now, overridden: known.overridden });
  }

  #mustFind(id: string, verb: string): Found {
    const found = this.#found.get(id);
    if (found) return found;
    throw new RpcError("not_found", `Cannot ${verb} plugin "${id}": there is none`);
  }

  #verdicts(): ReadonlyMap<string, Verdict> {
    const { config } = this.#ports;
    const candidates = new Map([...this.#found.values()].map((found) => [found.id, candidateOf(found)]));
    // One whose folder is gone for a moment, while an editor or a copy is at work, goes on.
    for (const [id, { running, plan }] of this.#lives) {
      const isTorn = this.#found.get(id)?.problem !== undefined || !this.#found.has(id);
      if (running && plan && isTorn) candidates.set(id, candidateOf(plan.usable));
    }
    return applyPluginAutoEnable(config(), [...candidates.values()], this.#ports);
  }

  async #follow(id: string, verdict: Verdict | undefined, isAsked = false): Promise<void> {
    const found = this.#found.get(id);
    const life = this.#lives.get(id);
    if (!verdict?.isOn) {
      await life?.want(undefined);
      if (!found && !life?.running) this.#lives.delete(id);
      return;
    }
    if (!found || found.problem !== undefined) {
      if (!life?.running) await life?.want(undefined);
      return;
    }
    await this.#lifeOf(found)?.want(planOf(this.#ports, found, verdict.by), isAsked);
  }

  #lifeOf({ id }: Usable): PluginLife | undefined {
    if (this.#isStopped) return undefined;
    const life = this.#lives.get(id) ?? new PluginLife(id, this.#ports);
    this.#lives.set(id, life);
    return life;
  }

  #known(found: Found, verdict = this.#verdicts().get(found.id)): Known {
    return {
      found,
      life: this.#lives.get(found.id),
      verdict: verdict ?? { isOn: false, because: "it is not enabled" },
      terms: termsOf(this.#ports, found),
    };
  }

  async #info(found: Found): Promise<PluginInfo> {
    const { files, facts, held } = this.#ports;
    const { id, directory } = found;
    return infoOf(this.#known(found), {
      digest: directory === undefined ? undefined : await digestOf(files, directory),
      process: await facts(id),
      held: held(id),
    });
  }
}

function candidateOf(found: Found) {
  const rules = found.problem === undefined ? found.manifest.autoEnable : [];
  return { id: found.id, origin: found.origin, rules };
}
