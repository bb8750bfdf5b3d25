/**
 * What a plugin is written against, as `gateway/plugin`. A plugin is a folder with a `gateway.plugin.json`
 * and a module whose default export is made by {@link definePlugin}.
 *
 * Version {@link API_VERSION}. Within a version things are only added.
 */
import { z } from "zod";
import type { Events, Methods } from "../contract/define.ts";
import { type Contract, contract, type Feature, type FeatureContext, type Handlers } from "../feature.ts";

export { z };
export { effect, event, method, once } from "../contract/define.ts";

/** The version of this surface. A manifest says which one its plugin was written against. */
export const API_VERSION = 1;

/** What the gateway offers a plugin. What it opens is released when it stops. */
export interface PluginContext<Es extends Events = Events, C extends z.ZodObject = z.ZodObject> extends Pick<
  FeatureContext<Es, C>,
  "publish" | "clock" | "log"
> {
  readonly id: string;
  /** Its folder, absolute. */
  readonly directory: string;
  /** As its schema reads it; the plugin is replaced when that changes. */
  config(): z.output<C>;
  /** Aborted when the plugin stops. */
  readonly signal: AbortSignal;
  /** Called in reverse order when the plugin stops; all of them together have 5 s. */
  onStop(stop: () => void | Promise<void>): void;
}

interface PluginSpec<Ms extends Methods, Es extends Events, C extends z.ZodObject> {
  /** As in its manifest. */
  readonly id: string;
  readonly apiVersion: typeof API_VERSION;
  /** Of `plugins.entries.ID.config`. */
  readonly config?: () => C;
  /** Names begin with the id: `ID.verb`. */
  readonly methods?: Ms;
  /** Names begin with the id: `ID.done`. */
  readonly events?: Es;
  /**
   * Answers with the handlers of its methods. Has 10 s. Nothing of it is in force until it has returned; a
   * throw leaves what was before.
   */
  start(
    ctx: PluginContext<Es, C>,
  ): { readonly handlers: Handlers<Ms> } | Promise<{ readonly handlers: Handlers<Ms> }>;
}

type Started = ReturnType<Feature["start"]>;

/** A plugin whose types have been checked by {@link definePlugin} and forgotten. */
export interface Plugin {
  readonly id: string;
  readonly apiVersion: number;
  readonly contract: Contract<Methods, Events, z.ZodObject>;
  readonly start: (ctx: PluginContext) => Started | Promise<Started>;
}

/**
 * Declares a plugin: what it says, as the gateway's own features do, and how it starts.
 *
 * @example
 * export default definePlugin({
 *   id: "hello",
 *   apiVersion: 1,
 *   methods: {
 *     "hello.greet": method({
 *       scope: "read",
 *       summary: "Greets somebody",
 *       params: () => z.strictObject({ name: z.string() }),
 *       result: () => z.object({ text: z.string() }),
 *     }),
 *   },
 *   start: () => ({ handlers: { "hello.greet": ({ name }) => ({ text: `Hello, ${name}` }) } }),
 * });
 */
export function definePlugin<
  Ms extends Methods = Record<never, never>,
  Es extends Events = Record<never, never>,
  C extends z.ZodObject = z.ZodObject,
>(spec: PluginSpec<Ms, Es, C>): Plugin {
  const { id, apiVersion, config, methods, events, start } = spec;
  const said = contract<Methods, Events, z.ZodObject>({
    name: id,
    methods: methods ?? {},
    events: events ?? {},
    ...(config && { config }),
  });
  return { id, apiVersion, contract: said, start };
}
