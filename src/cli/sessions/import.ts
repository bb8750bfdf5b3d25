import { GatewayError, type ResultOf } from "../../client/mod.ts";
import { LIMITS } from "../../contract/limits.ts";
import { EXIT } from "../../gateway/errors.ts";
import { usage } from "../args.ts";
import type { RunCommand } from "../command.ts";
import { type Connection, toCliError } from "../connect.ts";
import { CliError } from "../errors.ts";
import { inGroups, type Line, readLines } from "./lines.ts";
import { createProgress, type Progress } from "./progress.ts";
import { withGateway, wordOf } from "./with-gateway.ts";

interface Job {
  readonly file: string;
  readonly key: string;
  readonly lines: readonly Line[];
  readonly progress: Progress;
}

type Sums = Pick<ResultOf<"sessions.import">, "key" | "imported" | "skipped" | "leftOut" | "isTorn">;

/** What a request is beside its lines. */
const REQUEST_BYTES = 4_096;

/** Makes a session of a transcript. */
export const importSession: RunCommand = async (input) => {
  const { screen, args, platform } = input;
  const file = wordOf(input, "Cannot import a session: no file is named");
  const lines = await readLines(input, file);
  const key = args.text("key") ?? keyIn(lines[0]);
  if (key === undefined) throw usage(`Cannot import "${file}": it names no session, --key KEY does`);
  return withGateway(input, async (connection) => {
    const progress = createProgress(platform);
    const sums = await send({ file, key, lines, progress }, connection).finally(progress.clear);
    if (args.has("json")) return screen.line(screen.foreign(JSON.stringify(sums)));
    screen.line(screen.foreign(describeImport(sums)));
  });
};

/** What is there now, and what is not. */
export function describeImport({ key, imported, skipped, leftOut, isTorn }: Sums): string {
  const parts = [
    `Imported session "${key}": ${imported - leftOut} messages`,
    ...(skipped === 0 ? [] : [`${skipped} lines were no messages`]),
    ...(leftOut === 0 ? [] : [`${leftOut} messages of other branches were left out`]),
    ...(isTorn ? ["the last line was cut off and was left out"] : []),
  ];
  return parts.join(", ");
}

async function send(
  { file, key, lines, progress }: Job,
  { client, target, timeoutMs }: Connection,
): Promise<Sums> {
  const frameBytes = client.hello?.policy.maxPayload ?? LIMITS.helloFrameBytesMax;
  const groups = inGroups(lines, frameBytes - REQUEST_BYTES, file);
  if (groups.length === 0) throw new CliError(EXIT.failed, `Cannot import "${file}": it is empty`);
  let sums: Sums = { key, imported: 0, skipped: 0, leftOut: 0, isTorn: false };
  for (const [place, group] of groups.entries()) {
    const isLast = place === groups.length - 1;
    try {
      const texts = group.map(({ text }) => text);
      const done = await client.call("sessions.import", { key, lines: texts, isLast }, { timeoutMs });
      sums = {
        key: done.key,
        imported: sums.imported + done.imported,
        skipped: sums.skipped + done.skipped,
        leftOut: sums.leftOut + done.leftOut,
        isTorn: done.isTorn,
      };
    } catch (error) {
      throw failed(error, { file, group, place, key }) ?? toCliError(error, target);
    }
    if (!isLast) progress.show(`${sums.imported} messages, more follow`);
  }
  return sums;
}

/** The gateway counts the lines of one request; a person counts those of the file. */
function failed(
  error: unknown,
  { file, group, place, key }: { file: string; group: readonly Line[]; place: number; key: string },
): CliError | undefined {
  if (!(error instanceof GatewayError) || error.from !== "gateway") return undefined;
  const { code, message, details } = error;
  const hint =
    place > 0
      ? `What came before is there: gateway sessions delete ${key}`
      : code === "conflict"
        ? "--key KEY gives it another key"
        : undefined;
  const at = typeof details?.["line"] === "number" ? group[details["line"] - 1] : undefined;
  const said = at ? message.replace(/^.*?: line \d+/, `Cannot import "${file}": line ${at.number}`) : message;
  return new CliError(EXIT.failed, said, { hint, code });
}

function keyIn(first: Line | undefined): string | undefined {
  try {
    const header: unknown = JSON.parse(first?.text ?? "");
    if (typeof header !== "object" || header === null || !("key" in header)) return undefined;
    return typeof header.key === "string" ? header.key : undefined;
  } catch {
    // No header: then the key has to be given, and the gateway says what is wrong with the line.
    return undefined;
  }
}
