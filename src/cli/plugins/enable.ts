import { type GatewayClient, GatewayError, type ResultOf } from "../../client/mod.ts";
import { EXIT } from "../../gateway/errors.ts";
import type { CommandInput, RunCommand } from "../command.ts";
import { type Grants, describeGrants, formatGrants, lacking, parseGrants } from "./grants.ts";
import { programName } from "../program.ts";
import { shellWord } from "../shell-word.ts";
import { onPlugin } from "./on-plugin.ts";

/** Switches a plugin on, after a look at what it wants to do beyond its own. */
export const enable: RunCommand = async (input) => {
  const { screen, args, platform } = input;
  const typed = args.text("grant");
  // A mistake in what was typed is told before anything is asked of the gateway.
  const given = typed === undefined ? undefined : parseGrants(typed);
  let isFailed = false;
  await onPlugin(input, "enable", async ({ client, timeoutMs }, id) => {
    const { wants = {}, grants: had = {} } = await rightsOf(client, id, timeoutMs);
    const grants = given ?? (await decide(input, id, lacking(wants, had)));
    // What it was granted before stays: what is added now is all that was asked about.
    const all = grants && (given ?? merge(had, grants));
    const plugin = await client.call("plugins.enable", { id, ...(all && { grants: all }) }, { timeoutMs });
    isFailed = plugin.state === "failed";
    if (args.has("json")) return screen.line(screen.foreign(JSON.stringify(plugin)));
    screen.line(
      screen.foreign(`Plugin "${id}" is on${plugin.state === "running" ? "" : `: ${plugin.state}`}`),
    );
    if (plugin.error !== undefined) screen.problem(screen.foreign(plugin.error));
    for (const problem of plugin.configErrors ?? []) screen.problem(screen.foreign(problem));
    const missing = lacking(plugin.wants ?? {}, plugin.grants ?? {});
    if (formatGrants(missing) === "") return;
    screen.problem(screen.foreign(`It may not ${describeGrants(missing).join("; ")}`));
    const whole = shellWord(formatGrants(wants));
    const command = `${programName(platform)} plugins enable ${id} --grant ${whole}`;
    screen.problem(screen.foreign(`To let it: ${command}`));
  });
  return isFailed ? EXIT.failed : EXIT.ok;
};

type Rights = Pick<ResultOf<"plugins.info">, "wants" | "grants">;

async function rightsOf(client: GatewayClient, id: string, timeoutMs: number): Promise<Rights> {
  try {
    return await client.call("plugins.info", { id }, { timeoutMs });
  } catch (error) {
    // It is told where it is switched on, in the words for that.
    if (error instanceof GatewayError && error.code === "not_found") return {};
    throw error;
  }
}

/** What it is to get besides what it has; undefined for nothing. */
async function decide(
  { screen, args, platform }: CommandInput,
  id: string,
  missing: Grants,
): Promise<Grants | undefined> {
  const asked = describeGrants(missing);
  if (asked.length === 0) return undefined;
  if (args.has("yes")) return missing;
  const { process } = platform;
  if (!process.stdinIsTerminal || !screen.isTerminal || args.has("json")) return undefined;
  screen.line(screen.foreign(`Plugin "${id}" wants to`));
  for (const what of asked) screen.line(screen.foreign(`  ${what}`));
  screen.write("Let it? y or n: ");
  for await (const line of process.lines()) return /^y(es)?$/i.test(line.trim()) ? missing : undefined;
  return undefined;
}

function merge(had: Grants, more: Grants): Grants {
  const files = [...(had.files ?? []), ...(more.files ?? [])];
  const env = [...(had.env ?? []), ...(more.env ?? [])];
  return { ...had, ...more, ...(files.length > 0 && { files }), ...(env.length > 0 && { env }) };
}
