import type { ResultOf } from "../../client/mod.ts";
import type { RunCommand } from "../command.ts";
import type { Screen } from "../screen.ts";
import { withGateway } from "../sessions/with-gateway.ts";

type Plugins = ResultOf<"plugins.list">["plugins"];

/** Lists plugins. */
export const list: RunCommand = (input) => {
  const { screen, args } = input;
  return withGateway(
    input,
    async ({ client, timeoutMs }) => {
      const result = await client.call("plugins.list", {}, { timeoutMs });
      if (args.has("json")) return screen.line(screen.foreign(JSON.stringify(result)));
      screen.write(describePlugins(result.plugins, screen));
    },
    "plugins",
  );
};

/** One plugin a line: its id, state, version and what it is; below it what is wrong. */
export function describePlugins(plugins: Plugins, { foreign, dim }: Pick<Screen, "foreign" | "dim">): string {
  if (plugins.length === 0) return "There are no plugins. Begin one with: gateway plugins new NAME\n";
  const rows = plugins.map((plugin) => [
    plugin.id,
    plugin.state,
    plugin.version ?? "",
    plugin.origin,
    plugin.description ?? plugin.name ?? "",
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.flatMap((row, at) => {
    const { error, enabledBy, state, overridden = [] } = plugins[at] ?? { state: "" };
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return [
      foreign(cells.join("  ").trimEnd()),
      ...(error === undefined ? [] : [foreign(`    ${error}`)]),
      ...(enabledBy === undefined || state === "disabled" ? [] : [dim(foreign(`    on by ${enabledBy}`))]),
      ...overridden.map((path) => dim(foreign(`    not used, it has the same id: ${path}`))),
    ];
  });
  return [...lines, ""].join("\n");
}
