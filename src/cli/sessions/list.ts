import type { ResultOf } from "../../client/mod.ts";
import type { RunCommand } from "../command.ts";
import type { Screen } from "../screen.ts";
import { formatDuration } from "../status.ts";
import { withGateway } from "./with-gateway.ts";

const LIMIT = 20;
const LIMIT_MAX = 1_000;

type Sessions = ResultOf<"sessions.list">;
type Kind = Sessions["sessions"][number]["kind"];

/** Lists sessions. */
export const list: RunCommand = (input) => {
  const { screen, args, platform } = input;
  return withGateway(input, async ({ client, timeoutMs }) => {
    const result = await client.call(
      "sessions.list",
      {
        limit: args.whole("limit", 1, LIMIT_MAX) ?? LIMIT,
        search: args.text("search"),
        agentId: args.text("agent"),
        // One of the option's choices.
        kind: args.text("kind") as Kind | undefined,
      },
      { timeoutMs },
    );
    if (args.has("json")) return screen.line(screen.foreign(JSON.stringify(result)));
    screen.write(describeSessions(result, platform.clock.now(), screen));
  });
};

/** One session a line: its key, when it was used, how much was said, what about. */
export function describeSessions(
  { sessions, total }: Sessions,
  nowMs: number,
  { foreign, dim }: Pick<Screen, "foreign" | "dim">,
): string {
  if (total === 0) return "There are no such sessions\n";
  const rows = sessions.map((session) => [
    session.key,
    session.active ? "running" : agoOf(nowMs - session.updatedAtMs),
    `${session.messages} ${session.messages === 1 ? "message" : "messages"}`,
    session.label ?? session.title ?? "",
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return foreign(cells.join("  ").trimEnd());
  });
  const rest = total - sessions.length;
  return [...lines, ...(rest > 0 ? [dim(`and ${rest} more`)] : []), ""].join("\n");
}

/** `5 min ago`: the larger of its units is near enough. */
export function agoOf(ms: number): string {
  const [largest = ""] = /^\d+ \w+/.exec(formatDuration(Math.max(ms, 0))) ?? [];
  return `${largest} ago`;
}
