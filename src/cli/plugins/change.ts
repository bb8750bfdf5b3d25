import type { ResultOf } from "../../client/mod.ts";
import { EXIT } from "../../gateway/errors.ts";
import type { CommandInput, RunCommand } from "../command.ts";
import { CliError } from "../errors.ts";
import { programName } from "../program.ts";
import { withGateway, wordOf } from "../sessions/with-gateway.ts";
import { onPlugin } from "./on-plugin.ts";

/** Switches a plugin off. */
export const disable: RunCommand = (input) =>
  onPlugin(input, "disable", async ({ client, timeoutMs }, id) => {
    const plugin = await client.call("plugins.disable", { id }, { timeoutMs });
    tell(input, plugin, `Plugin "${id}" is off`);
  });

/** Loads a plugin anew. */
export const reload: RunCommand = (input) =>
  onPlugin(input, "reload", async ({ client, timeoutMs }, id) => {
    const plugin = await client.call("plugins.reload", { id }, { timeoutMs });
    tell(
      input,
      plugin,
      `Plugin "${id}" is loaded anew${plugin.version ? `, version ${plugin.version}` : ""}`,
    );
  });

/** Copies a plugin into the state directory. */
export const install: RunCommand = (input) => {
  const { args, platform } = input;
  const typed = wordOf(input, "Cannot install a plugin: no source is named");
  return withGateway(
    input,
    async ({ client, timeoutMs, target }) => {
      const isNamed = typed.startsWith("npm:");
      // The gateway may have been started elsewhere: a path has to be whole.
      const path = isNamed || !target.isLoopback ? typed : await platform.files.realPath(typed);
      if (path === undefined)
        throw new CliError(EXIT.failed, `Cannot install plugin "${typed}": there is nothing there`);
      const integrity = args.text("integrity");
      const plugin = await client.call(
        "plugins.install",
        {
          source: path,
          ...(integrity !== undefined && { integrity }),
          ...(args.has("replace") && { replace: true }),
        },
        { timeoutMs },
      );
      const enable = `${programName(input.platform)} plugins enable ${plugin.id}`;
      const next = plugin.state === "disabled" ? `; switch it on with: ${enable}` : "";
      tell(input, plugin, `Plugin "${plugin.id}" is installed${next}`);
    },
    "plugins",
  );
};

/** Deletes an installed plugin. */
export const remove: RunCommand = (input) =>
  onPlugin(input, "remove", async ({ client, timeoutMs }, id) => {
    const data = input.args.has("data");
    const done = await client.call("plugins.remove", { id, ...(data && { data }) }, { timeoutMs });
    if (!done.removed) throw new CliError(EXIT.failed, `Cannot remove plugin "${id}": it is not installed`);
    const kept = data ? "" : "; what it has stored is kept";
    tell(input, done, `Plugin "${id}" is removed${kept}`);
  });

type Done = ResultOf<"plugins.disable"> | ResultOf<"plugins.remove">;

function tell({ screen, args }: CommandInput, result: Done, text: string): void {
  screen.line(screen.foreign(args.has("json") ? JSON.stringify(result) : text));
}
