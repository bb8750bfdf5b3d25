import type { ResultOf } from "../../client/mod.ts";
import type { RunCommand } from "../command.ts";
import type { Screen } from "../screen.ts";
import { describeGrants, lacking } from "./grants.ts";
import { onPlugin } from "./on-plugin.ts";

export type PluginInfo = ResultOf<"plugins.info">;
type Row = readonly [name: string, values: readonly string[]];

/** Shows all about one plugin. */
export const info: RunCommand = (input) => {
  const { screen, args } = input;
  return onPlugin(input, "show", async ({ client, timeoutMs }, id) => {
    const result = await client.call("plugins.info", { id }, { timeoutMs });
    if (args.has("json")) return screen.line(screen.foreign(JSON.stringify(result)));
    screen.write(describePlugin(result, screen));
  });
};

/** The same facts for people. */
export function describePlugin(
  plugin: PluginInfo,
  { bold, foreign }: Pick<Screen, "bold" | "foreign">,
): string {
  const { id, name, version, state, description, error } = plugin;
  const head = [id, version, name].filter((part) => part !== undefined).join(" ");
  const rows = [...stateRows(plugin), ...rightRows(plugin), ...offerRows(plugin)];
  const told = rows.filter(([, values]) => values.length > 0);
  const width = Math.max(...told.map(([title]) => title.length));
  const lines = told.flatMap(([title, values]) =>
    values.map((value, at) => `${bold((at === 0 ? title : "").padEnd(width))}  ${foreign(value)}`),
  );
  return [
    `${bold(foreign(head))}: ${state}`,
    ...(description === undefined ? [] : [foreign(description)]),
    ...(error === undefined ? [] : ["", bold(foreign(error))]),
    "",
    ...lines,
    "",
  ].join("\n");
}

function stateRows(plugin: PluginInfo): Row[] {
  const { origin, directory, isolation, enabledBy, process, loads, digest, overridden = [] } = plugin;
  const where = {
    own: "a process of its own",
    process: "the process of plugins",
    none: "the gateway's process",
  };
  const memory =
    process?.rssBytes === undefined ? "" : `, ${(process.rssBytes / 1024 / 1024).toFixed(0)} MiB`;
  const others = process?.sharedWith.length ? `, with ${process.sharedWith.join(", ")}` : "";
  return [
    ["From", [directory === undefined ? "part of the gateway" : `${directory} (${origin})`]],
    ["Not used", overridden],
    ["On by", enabledBy === undefined ? [] : [enabledBy]],
    ["Runs in", [`${where[isolation]}${process ? ` (${process.pid}${memory}${others})` : ""}`]],
    ["Loaded", [timesOf(loads)]],
    ["Files", digest === undefined ? [] : [`SHA-256 ${digest}`]],
    ["Config", plugin.configErrors ?? []],
  ];
}

function timesOf(count: number): string {
  return ["never", "once"][count] ?? `${count} times`;
}

function rightRows({ wants = {}, grants = {}, limits = [], denied = [] }: PluginInfo): Row[] {
  return [
    ["May", describeGrants(grants)],
    ["May not", describeGrants(lacking(wants, grants)).map((what) => `${what}, which it wants`)],
    ["Held", limits.map(({ capability, held }) => `${capability}: ${held}`)],
    ["Denied", denied.map(({ capability, what, times }) => `${capability} ${timesOf(times)}: ${what}`)],
  ];
}

function offerRows(plugin: PluginInfo): Row[] {
  const { methods, events, routes = [], tools = [], hooks = [], agents = [], channels = [] } = plugin;
  const services = plugin.services ?? [];
  return [
    ["Methods", methods],
    ["Events", events],
    ["Routes", routes.map(({ method, path, auth }) => `${method} ${path} (${auth})`)],
    ["Tools", tools],
    ["Hooks", hooks],
    ["Agents", agents],
    ["Channels", channels],
    ["Services", services.map(({ name, state, error }) => `${name}: ${state}${error ? `, ${error}` : ""}`)],
  ];
}
