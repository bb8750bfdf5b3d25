import { EXIT } from "../gateway/errors.ts";
import type { Confinement } from "../ports.ts";
import { isObject } from "../rpc/json.ts";
import { usage } from "./args.ts";
import type { RunCommand } from "./command.ts";

/** Runs plugins for the gateway that has started this, until that is gone. */
export const pluginHost: RunCommand = async ({ platform, args }) => {
  const confinement = confinementOf(args.positional[0]);
  platform.process.keepFilesPrivate();
  const end = platform.process.pluginProcessEnd();
  const held = await end.confine(confinement);
  // Not before: to be confined this process may have to begin once more.
  const { servePlugins } = await import("../plugins/host/child.ts");
  await servePlugins(platform, end, held);
  return EXIT.ok;
};

/** @throws CliError for anything else than a gateway writes: nothing runs with less than all of it */
function confinementOf(given: string | undefined): Confinement {
  const { network, exec, readable, writable } = objectOf(given);
  if (typeof network === "boolean" && typeof exec === "boolean" && isTexts(readable) && isTexts(writable))
    return { network, exec, readable, writable };
  throw usage("Cannot run plugins: only a gateway starts this, with what they may do");
}

function objectOf(json: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json ?? "");
    return isObject(value) ? value : {};
  } catch {
    // Typed by a person: what it has to be is said for all of it.
    return {};
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
