import { EXIT } from "../../gateway/errors.ts";
import type { RunCommand } from "../command.ts";
import { withDesk } from "./desk.ts";

/** Prints the JSON Schema of the configuration file, for editors. */
export const schema: RunCommand = (input) =>
  withDesk(input, async (desk) => {
    const { screen, args } = input;
    const result = await desk.call("config.schema", {});
    screen.line(JSON.stringify(result.schema, null, args.has("json") ? undefined : 2));
    return EXIT.ok;
  });
