import { EXIT } from "../../gateway/errors.ts";
import type { RunCommand } from "../command.ts";
import { CliError } from "../errors.ts";
import { withGateway, wordOf } from "./with-gateway.ts";

/** Begins a session anew. */
export const reset: RunCommand = (input) => {
  const { screen, args } = input;
  const key = wordOf(input, "Cannot reset a session: none is named");
  return withGateway(input, async ({ client, timeoutMs }) => {
    const { session } = await client.call("sessions.reset", { key }, { timeoutMs });
    const done = { key: session.key, sessionId: session.sessionId };
    if (args.has("json")) return screen.line(screen.foreign(JSON.stringify(done)));
    screen.line(screen.foreign(`Session "${session.key}" begins anew`));
  });
};

/** Deletes a session with its history. */
export const remove: RunCommand = (input) => {
  const { screen, args } = input;
  const key = wordOf(input, "Cannot delete a session: none is named");
  return withGateway(input, async ({ client, timeoutMs }) => {
    const { deleted } = await client.call("sessions.delete", { key }, { timeoutMs });
    if (!deleted) throw new CliError(EXIT.failed, `Cannot delete session "${key}": there is none`);
    if (args.has("json")) return screen.line(screen.foreign(JSON.stringify({ key, deleted })));
    screen.line(screen.foreign(`Session "${key}" is deleted`));
  });
};
