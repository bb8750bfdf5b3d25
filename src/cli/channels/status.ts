import type { ResultOf } from "../../client/mod.ts";
import type { RunCommand } from "../command.ts";
import type { Screen } from "../screen.ts";
import { withGateway } from "../sessions/with-gateway.ts";

type Status = ResultOf<"channels.status">;

/** Shows every channel and how its accounts are. */
export const status: RunCommand = (input) => {
  const { screen, args } = input;
  return withGateway(
    input,
    async ({ client, timeoutMs }) => {
      const result = await client.call("channels.status", {}, { timeoutMs });
      if (args.has("json")) return screen.line(screen.foreign(JSON.stringify(result)));
      screen.write(describeChannels(result, screen));
    },
    "channels",
  );
};

/** One account a line: its channel, itself, its state; below it what is wrong. */
export function describeChannels(
  { channelOrder, channelLabels, channelAccounts }: Status,
  { bold, foreign }: Pick<Screen, "bold" | "foreign">,
): string {
  if (channelOrder.length === 0) return "There are no channels\n";
  const lines = channelOrder.flatMap((channel) => [
    bold(foreign(`${channelLabels[channel] ?? channel} (${channel})`)),
    ...(channelAccounts[channel] ?? []).flatMap(({ accountId, name, state, lastError, waiting }) => [
      foreign(`  ${accountId}${name === undefined ? "" : ` ${name}`}  ${state}${unsent(waiting)}`),
      ...(lastError === undefined ? [] : [foreign(`    ${lastError}`)]),
    ]),
  ]);
  return [...lines, ""].join("\n");
}

function unsent(waiting: number): string {
  if (waiting === 0) return "";
  return `, ${waiting} ${waiting === 1 ? "message has" : "messages have"} not left yet`;
}
