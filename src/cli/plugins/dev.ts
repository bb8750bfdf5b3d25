import { createGatewayClient, type GatewayClient, GatewayError, type ResultOf } from "../../client/mod.ts";
import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { GatewayServer } from "../../gateway.ts";
import { EXIT } from "../../gateway/errors.ts";
import { readHolder } from "../../gateway/holder.ts";
import { lookAt } from "../../plugins/find/found.ts";
import { isPluginId, MANIFEST, readManifest } from "../../plugins/find/manifest.ts";
import { VERSION } from "../../version.ts";
import type { CommandInput, RunCommand } from "../command.ts";
import { CliError } from "../errors.ts";
import { runGateway } from "../run.ts";
import { shellWord } from "../shell-word.ts";
import { describeGrants, formatGrants, lacking, parseGrants } from "./grants.ts";
import { SourceWatch } from "./source-watch.ts";

/** A load that fails takes at most so long, and the old version's last calls are not waited for. */
const RELOAD_MS = LIMITS.pluginStartMs + 10_000;

const BESIDE = "To run beside it: --state-dir DIR --port 0";

/** Runs a gateway with a plugin, and loads that anew at each save. */
export const dev: RunCommand = async (input) => {
  const { platform, args } = input;
  const directory = await folderOf(input, args.positional[0] ?? ".");
  const id = await idOf(input, directory);
  const typed = args.text("grant");
  const development = { id, directory, ...(typed !== undefined && { grants: parseGrants(typed) }) };
  let reload = (): void => {};
  // From before it is loaded: what is saved meanwhile is loaded again.
  let isDue = false;
  const changed = (): void => {
    isDue = true;
    reload();
  };
  const watch = new SourceWatch(directory, { ...platform, watcher: platform, changed });
  await watch.begin();
  try {
    return await runGateway(input, {
      development,
      async beside(server, signal) {
        const client = await connectTo(input, server);
        signal.addEventListener("abort", () => {
          watch.stop();
          void client.close();
        });
        const reloads = new Reloads(input, client, { id, directory });
        await server.ready;
        await reloads.tellState();
        reload = () => reloads.ask();
        if (isDue) reload();
      },
    });
  } catch (error) {
    if (!(error instanceof CliError) || error.exitCode !== EXIT.busy) throw error;
    throw new CliError(EXIT.busy, error.message, { hint: BESIDE });
  } finally {
    watch.stop();
  }
};

type Plugin = ResultOf<"plugins.reload">;

/** Loads one after the other; what is saved during one is loaded after it. */
class Reloads {
  readonly #input: CommandInput;
  readonly #client: GatewayClient;
  readonly #id: string;
  readonly #directory: string;
  #isBegun = false;
  #isDue = false;
  #running: Promise<void> | undefined;
  #lastProblem = "";

  constructor(
    input: CommandInput,
    client: GatewayClient,
    { id, directory }: { readonly id: string; readonly directory: string },
  ) {
    this.#input = input;
    this.#client = client;
    this.#id = id;
    this.#directory = directory;
    // What stops it later than at a load: nobody has asked then.
    client.on("plugins.changed", ({ id: changed, state, error = "" }) => {
      if (changed !== id || !this.#isBegun || this.#running) return;
      if (state === "running") this.#lastProblem = "";
      // The gateway tries again by itself: the same code fails in the same way.
      if (state === "failed" && !this.#lastProblem.endsWith(error)) this.#problem(`${id} failed: ${error}`);
    });
  }

  ask(): void {
    this.#isDue = true;
    this.#running ??= this.#run();
  }

  async tellState(): Promise<void> {
    await this.#tellState();
    this.#isBegun = true;
  }

  async #tellState(): Promise<void> {
    const problem = await this.#problemOfFolder();
    if (problem !== undefined) return this.#problem(problem);
    const plugin = await this.#client.call("plugins.info", { id: this.#id });
    const { state, error, methods, wants = {}, grants = {} } = plugin;
    if (state === "running") this.#say(`${this.#id} runs (${offered(methods)})`);
    else this.#problem(`${this.#id} does not run: ${error ?? state}`);
    const missing = describeGrants(lacking(wants, grants));
    if (missing.length === 0) return;
    const whole = shellWord(formatGrants(wants));
    this.#problem(`It may not ${missing.join("; ")}. To let it: --grant ${whole}`);
  }

  async #run(): Promise<void> {
    while (this.#isDue) {
      this.#isDue = false;
      await this.#reload();
    }
    this.#running = undefined;
  }

  async #reload(): Promise<void> {
    const { clock } = this.#input.platform;
    const beganMs = clock.elapsed();
    try {
      const { methods } = await this.#load();
      const tookMs = Math.max(1, Math.round(clock.elapsed() - beganMs));
      this.#say(`reloaded ${this.#id} in ${tookMs} ms (${offered(methods)})`);
    } catch (error) {
      // The connection ends with the gateway.
      if (error instanceof GatewayError && error.from === "client") return;
      this.#problem(messageOf(error));
    }
  }

  /** @throws GatewayError, or Error when the folder's is not the one that would be loaded */
  async #load(): Promise<Plugin> {
    const ask = (): Promise<Plugin> =>
      this.#client.call("plugins.reload", { id: this.#id }, { timeoutMs: RELOAD_MS });
    try {
      const plugin = await ask();
      if (plugin.directory === this.#directory) return plugin;
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === "not_found")) throw error;
    }
    // Another of that id took its place, while its own manifest said something else.
    const problem = await this.#problemOfFolder();
    if (problem !== undefined) throw new Error(problem);
    return ask();
  }

  /** Why its id does not stand for this folder. */
  async #problemOfFolder(): Promise<string | undefined> {
    const path = this.#directory;
    // The gateway looks at all folders for that.
    const { plugins } = await this.#client.call("plugins.list", {});
    if (plugins.some(({ id, directory }) => id === this.#id && directory === path)) return undefined;
    const { id, problem } = await lookAt(this.#input.platform.files, {
      path,
      place: { path, origin: "path" },
    });
    // It has been mended in this moment.
    if (problem === undefined && id === this.#id) return undefined;
    return `Cannot use plugin "${path}": ${problem ?? `its id is "${id}" now: end this, and begin again`}`;
  }

  #say(text: string): void {
    this.#lastProblem = "";
    this.#input.screen.line(this.#input.screen.foreign(text));
  }

  #problem(text: string): void {
    this.#lastProblem = text;
    this.#input.screen.problem(this.#input.screen.foreign(text));
  }
}

function offered(methods: readonly string[]): string {
  return methods.length === 0 ? "no methods" : methods.join(", ");
}

async function folderOf({ platform }: CommandInput, typed: string): Promise<string> {
  const directory = await platform.files.realPath(typed);
  if (directory !== undefined && (await platform.files.stat(`${directory}/${MANIFEST}`))) return directory;
  throw new CliError(EXIT.failed, `Cannot run plugin "${typed}": there is no ${MANIFEST}`, {
    hint: "Begin one with: gateway plugins new NAME",
  });
}

async function idOf({ platform }: CommandInput, directory: string): Promise<string> {
  const path = `${directory}/${MANIFEST}`;
  const refuse = (state: string): CliError =>
    new CliError(EXIT.failed, `Cannot run plugin "${directory}": ${MANIFEST}: ${state}`);
  let text: string;
  let manifest: unknown;
  try {
    text = (await platform.files.readText(path, LIMITS.pluginManifestBytesMax)) ?? "";
    manifest = JSON.parse(text);
  } catch (error) {
    throw refuse(messageOf(error));
  }
  // What else is wrong with it is told while the gateway runs, and can be mended meanwhile.
  if (typeof manifest !== "object" || manifest === null || !("id" in manifest)) throw refuse("it has no id");
  if (typeof manifest.id === "string" && isPluginId(manifest.id)) return manifest.id;
  const read = readManifest(text);
  throw refuse("problem" in read ? read.problem : "its id cannot be used");
}

async function connectTo({ platform }: CommandInput, server: GatewayServer): Promise<GatewayClient> {
  const holder = await readHolder(platform.files, server.stateDir);
  const client = createGatewayClient({
    url: `${server.urls[0].replace(/^http/, "ws")}/ws`,
    // Counts whatever the configuration says, and as long as this process lives.
    token: holder?.localToken,
    client: { id: "cli", version: VERSION, platform: platform.runtime, mode: "dev" },
    reconnect: { initialMs: 50, maxMs: 1_000 },
  });
  await client.connect();
  return client;
}
