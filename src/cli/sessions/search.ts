import type { ResultOf } from "../../client/mod.ts";
import { usage } from "../args.ts";
import type { RunCommand } from "../command.ts";
import type { Screen } from "../screen.ts";
import { agoOf } from "./list.ts";
import { withGateway } from "./with-gateway.ts";

const LIMIT = 20;
const LIMIT_MAX = 100;
const PARTIAL = "The newest messages were not looked at: the gateway cannot write to its disk at present";

type Hit = ResultOf<"sessions.search">["hits"][number];

/** Finds messages by their words. */
export const search: RunCommand = (input) => {
  const { screen, args, platform } = input;
  const query = args.positional.join(" ");
  if (query.trim() === "") throw usage("Cannot search: no words are given");
  return withGateway(input, async ({ client, timeoutMs }) => {
    const limit = args.whole("limit", 1, LIMIT_MAX) ?? LIMIT;
    const result = await client.call(
      "sessions.search",
      { query, limit, key: args.text("session") },
      { timeoutMs },
    );
    if (args.has("json")) return screen.line(screen.foreign(JSON.stringify(result)));
    if (result.hits.length === 0) screen.line("There are no such messages");
    const nowMs = platform.clock.now();
    for (const hit of result.hits) screen.write(describeHit(hit, nowMs, screen));
    if (result.isPartial) screen.problem(PARTIAL);
    if (result.next !== undefined) screen.line(screen.dim("and more"));
  });
};

/** Where it is, then its words. */
export function describeHit(
  { key, role, ts, snippet, marks }: Hit,
  nowMs: number,
  { bold, dim, foreign }: Pick<Screen, "bold" | "dim" | "foreign">,
): string {
  const parts: string[] = [];
  const plain = (from: number, to?: number): string => foreign(snippet.slice(from, to)).replace(/\s+/g, " ");
  let at = 0;
  for (const [from = 0, to = 0] of marks) {
    parts.push(plain(at, from), bold(plain(from, to)));
    at = to;
  }
  return `${dim(foreign(`${key}, ${role}, ${agoOf(nowMs - ts)}`))}\n  ${parts.join("")}${plain(at)}\n`;
}
