import type { ResultOf } from "../../client/mod.ts";
import { EXIT } from "../../gateway/errors.ts";
import { type Arguments, usage } from "../args.ts";
import type { CommandInput, RunCommand } from "../command.ts";
import type { Connection } from "../connect.ts";
import { CliError } from "../errors.ts";
import type { Screen } from "../screen.ts";
import { withGateway } from "../sessions/with-gateway.ts";
import { formatDuration } from "../status.ts";

type Senders = ResultOf<"channels.pairing.list">["senders"];
type Work = (input: CommandInput, connection: Connection) => Promise<void>;

/** Shows who wants in, lets them in by their code, or forgets them. */
export const pairing: RunCommand = (input) => {
  const work = workOf(input.args);
  return withGateway(input, (connection) => work(input, connection), "channels");
};

/** @throws CliError usage, before anything is asked of a gateway */
function workOf(args: Arguments): Work {
  const [word = "list", first, second] = args.positional;
  const idle = word === "remove" ? "channel" : "account";
  if (args.text(idle) !== undefined) throw usage(`Cannot use --${idle} with pairing ${word}`);
  if (word === "list" && first === undefined) return list;
  if (word === "approve" && first !== undefined && second === undefined) return approve(first);
  if (word === "remove" && first !== undefined && second !== undefined) return remove(first, second);
  throw usage("Cannot do that with pairing: there are list, approve CODE and remove CHANNEL SENDER");
}

const list: Work = async ({ screen, args, platform }, { client, timeoutMs }) => {
  const result = await client.call("channels.pairing.list", ofChannel(args), { timeoutMs });
  if (args.has("json")) return screen.line(screen.foreign(JSON.stringify(result)));
  screen.write(describeSenders(result.senders, platform.clock.now(), screen));
};

const approve =
  (code: string): Work =>
  async ({ screen, args }, { client, timeoutMs }) => {
    const sender = await client.call("channels.pairing.approve", { code, ...ofChannel(args) }, { timeoutMs });
    if (args.has("json")) return screen.line(screen.foreign(JSON.stringify(sender)));
    screen.line(screen.foreign(`${nameOf(sender)} may write on ${sender.channel}`));
  };

const remove =
  (channel: string, senderId: string): Work =>
  async ({ screen, args }, { client, timeoutMs }) => {
    const accountId = args.text("account");
    const { removed } = await client.call(
      "channels.pairing.remove",
      { channel, senderId, ...(accountId !== undefined && { accountId }) },
      { timeoutMs },
    );
    if (!removed)
      throw new CliError(
        EXIT.failed,
        `Cannot remove "${senderId}" from "${channel}": nobody of that name is known`,
      );
    if (args.has("json")) return screen.line(JSON.stringify({ channel, senderId, removed }));
    screen.line(screen.foreign(`${senderId} is a stranger on ${channel} again`));
  };

function ofChannel(args: Arguments): { readonly channel?: string } {
  const channel = args.text("channel");
  return channel === undefined ? {} : { channel };
}

/** One person a line; who waits comes with the code that lets them in. */
export function describeSenders(
  senders: Senders,
  nowMs: number,
  { bold, foreign }: Pick<Screen, "bold" | "foreign">,
): string {
  if (senders.length === 0) return "Nobody waits, and nobody was let in\n";
  const lines = senders.map((sender) => {
    const { channel, accountId, state, code = "", expiresAtMs } = sender;
    const who = `${channel}/${accountId}  ${nameOf(sender)}`;
    if (state === "approved") return foreign(`${who}  may write`);
    const left = expiresAtMs === undefined ? "" : `, for ${formatDuration(Math.max(expiresAtMs - nowMs, 0))}`;
    return `${foreign(`${who}  waits with the code`)} ${bold(foreign(code))}${left}`;
  });
  return [...lines, ""].join("\n");
}

function nameOf({ senderId, name }: Pick<Senders[number], "senderId" | "name">): string {
  return name === undefined ? senderId : `${name} (${senderId})`;
}
