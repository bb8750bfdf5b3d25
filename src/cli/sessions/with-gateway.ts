import { EXIT } from "../../gateway/errors.ts";
import { usage } from "../args.ts";
import type { CommandInput } from "../command.ts";
import { type Connection, connect, toCliError } from "../connect.ts";

/**
 * Connects, does the work, closes.
 *
 * @param mode shown to others who look at the gateway's clients
 * @returns the exit code. @throws CliError
 */
export async function withGateway(
  input: CommandInput,
  work: (connection: Connection) => Promise<void>,
  mode = "sessions",
): Promise<number> {
  const connection = await connect(input, mode);
  try {
    await work(connection);
    return EXIT.ok;
  } catch (error) {
    throw toCliError(error, connection.target);
  } finally {
    await connection.client.close();
  }
}

/** The word after the command. @throws CliError usage when there is none */
export function wordOf({ args }: CommandInput, problem: string): string {
  const [word] = args.positional;
  if (word === undefined) throw usage(problem);
  return word;
}
