import { isObject } from "../rpc/json.ts";
import type { Capabilities, Plugin } from "./api.ts";
import type { Rule } from "./find/manifest.ts";

/** A plugin that is part of the gateway; its code is loaded when somebody wants it. */
export interface BundledPlugin {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /**
   * Where its settings stand in the configuration, and what switches it on by being there:
   * `channels.telegram`.
   */
  readonly section: string;
  /** Variables of the environment that switch it on as well. */
  readonly variables?: readonly string[];
  /** What it may do beyond its own, unless its entry in the configuration grants less. */
  readonly capabilities?: Capabilities;
  /** Files that its settings name: it may have those, and is not loaded to be asked. */
  readonly filesOf?: (settings: unknown) => readonly string[];
  /** Its routes are here, not below `/plugins/ID`. */
  readonly mount?: string;
  readonly load: () => Promise<{ readonly default: Plugin }>;
}

/** The entry of a {@link BundledPlugin} in a `PluginStart` begins so, its id behind. */
export const BUNDLED_ENTRY = "bundled:";

export const BUNDLED: readonly BundledPlugin[] = [
  {
    id: "telegram",
    name: "Telegram",
    description: "Chats over a Telegram bot",
    section: "channels.telegram",
    variables: ["TELEGRAM_BOT_TOKEN"],
    capabilities: { network: true, env: ["TELEGRAM_BOT_TOKEN"] },
    filesOf: tokenFilesIn,
    load: () => import("./telegram/plugin.ts"),
  },
  {
    id: "cron",
    name: "Cron",
    description: "Messages to agents at set times",
    section: "cron",
    capabilities: { sessions: true },
    load: () => import("./cron/plugin.ts"),
  },
  {
    id: "webhook",
    name: "Webhook",
    description: "Messages from other services over HTTP",
    section: "hooks",
    mount: "/hooks",
    capabilities: { sessions: true },
    load: () => import("./webhook/plugin.ts"),
  },
];

/** Of all accounts; the settings have not been checked yet. */
function tokenFilesIn(settings: unknown): readonly string[] {
  if (!isObject(settings)) return [];
  const { accounts } = settings;
  return [settings, ...(isObject(accounts) ? Object.values(accounts) : [])].flatMap((one) => {
    const file = isObject(one) ? one["tokenFile"] : undefined;
    return typeof file === "string" ? [file] : [];
  });
}

/** What switches a plugin of the gateway's own on. */
export function rulesOf({ section, variables = [] }: BundledPlugin): readonly Rule[] {
  return [{ config: section }, ...variables.map((env) => ({ env }))];
}
