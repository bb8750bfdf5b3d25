import { EXIT } from "../gateway/errors.ts";
import { VERSION } from "../version.ts";
import type { RunCommand } from "./command.ts";

/** Prints which version this is. */
export const version: RunCommand = ({ platform, screen, args }) => {
  const { runtime } = platform;
  screen.line(
    args.has("json") ? JSON.stringify({ version: VERSION, runtime }) : `gateway ${VERSION} (${runtime})`,
  );
  return Promise.resolve(EXIT.ok);
};
