import { EXIT } from "../../gateway/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import { RESERVED_KEYS } from "../../contract/reserved-keys.ts";
import { messageOf } from "../../contract/errors.ts";
import type { Files } from "../../ports.ts";
import { usage } from "../args.ts";
import type { RunCommand } from "../command.ts";
import { CliError } from "../errors.ts";
import { programName } from "../program.ts";
import scaffold from "./scaffold.json" with { type: "json" };

/** What the scaffold is named throughout. */
const PLACEHOLDER = "sample-plugin";

/** What may be there before: the folder is one of a repository's. */
const TOLERATED = [".git"];

/** Writes a new plugin. */
export const create: RunCommand = async ({ platform, screen, args }) => {
  const { files } = platform;
  const [name, place = name] = args.positional;
  if (name === undefined || place === undefined) throw usage("Cannot make a plugin: it has no name");
  const misfit = await misfitOf(name);
  if (misfit !== undefined) throw usage(`Cannot make plugin "${name}": ${misfit}`);
  const directory = await emptyFolder(files, name, place);
  for (const [path, text] of Object.entries(scaffold))
    await write(files, `${directory}/${path}`, named(text, name));
  const doubt = await files.distrust(`${directory}/gateway.plugin.json`);
  if (args.has("json")) {
    screen.line(
      JSON.stringify({ id: name, directory, files: Object.keys(scaffold), ...(doubt && { doubt }) }),
    );
    return EXIT.ok;
  }
  const program = programName(platform);
  screen.line(`Plugin "${name}" is in ${screen.foreign(directory)}`);
  screen.line("");
  screen.line(`Try it, loaded anew at each save:  ${program} plugins dev ${screen.foreign(place)}`);
  screen.line(`Call it, from another terminal:    ${program} call ${name}.greet '{"name":"Ada"}'`);
  screen.line("Test it, in its folder:            bun install && bun test");
  // A gateway would not run it where it is.
  if (doubt !== undefined) screen.problem(`Cannot be used where it is: ${doubt}`);
  return EXIT.ok;
};

/** Why no gateway would run a plugin of this name as one of its owner's. */
async function misfitOf(name: string): Promise<string | undefined> {
  if (!/^[a-z][a-z0-9-]*$/.test(name) || name.length > LIMITS.pluginIdCharsMax)
    return `wanted at most ${LIMITS.pluginIdCharsMax} lower case letters, digits and -, a letter first`;
  if (RESERVED_KEYS.has(name)) return "that name has a meaning of its own";
  const { contracts } = await import("../../features/contracts.ts");
  const { BUNDLED } = await import("../../plugins/bundled.ts");
  const taken = [...contracts.map((part) => part.name), ...BUNDLED.map(({ id }) => id)];
  return taken.includes(name) ? "the gateway has a part of that name" : undefined;
}

function named(text: string, name: string): string {
  return text.replaceAll(PLACEHOLDER, name);
}

/** Makes the folder, or takes an empty one. @returns its path without links. @throws CliError */
async function emptyFolder(files: Files, name: string, place: string): Promise<string> {
  const refuse = (state: string): CliError =>
    new CliError(EXIT.failed, `Cannot make plugin "${name}" in "${place}": ${state}`);
  const there = await files.stat(place);
  if (there && there.kind !== "directory") throw refuse("it is no folder");
  const inside = there ? (await files.list(place)).filter((one) => !TOLERATED.includes(one)) : [];
  if (inside.length > 0) throw refuse("it is not empty");
  try {
    await files.ensurePrivateDir(place);
  } catch (error) {
    throw refuse(messageOf(error));
  }
  return (await files.realPath(place)) ?? place;
}

async function write(files: Files, path: string, text: string): Promise<void> {
  try {
    await files.ensurePrivateDir(path.slice(0, path.lastIndexOf("/")));
    if (await files.writeNew(path, text)) return;
  } catch (error) {
    throw new CliError(EXIT.failed, messageOf(error));
  }
  throw new CliError(EXIT.failed, `Cannot write file "${path}": it is there already`);
}
