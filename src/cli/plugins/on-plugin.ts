import type { CommandInput } from "../command.ts";
import type { Connection } from "../connect.ts";
import { withGateway, wordOf } from "../sessions/with-gateway.ts";

type Work = (connection: Connection, id: string) => Promise<void>;

/** Does something with the plugin that was named. @returns the exit code. @throws CliError */
export function onPlugin(input: CommandInput, verb: string, work: Work): Promise<number> {
  const id = wordOf(input, `Cannot ${verb} a plugin: none is named`);
  return withGateway(input, (connection) => work(connection, id), "plugins");
}
