import { contracts } from "../features/contracts.ts";
import { EXIT } from "../gateway/errors.ts";
import { describeApi } from "../rpc/describe.ts";
import { VERSION } from "../version.ts";
import type { RunCommand } from "./command.ts";

/** Prints what the gateway itself serves; a running one's /schema has its plugins too. */
export const schema: RunCommand = ({ screen }) => {
  screen.line(JSON.stringify(describeApi(VERSION, contracts), null, 2));
  return Promise.resolve(EXIT.ok);
};
