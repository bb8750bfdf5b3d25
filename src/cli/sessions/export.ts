import type { GatewayClient } from "../../client/mod.ts";
import { EXIT } from "../../gateway/errors.ts";
import type { RunCommand } from "../command.ts";
import { CliError } from "../errors.ts";
import { withGateway, wordOf } from "./with-gateway.ts";

/** Writes a session as lines of JSON. */
export const exportSession: RunCommand = (input) => {
  const { screen, args, platform } = input;
  const key = wordOf(input, "Cannot export a session: none is named");
  const out = args.text("out");
  return withGateway(input, async ({ client, timeoutMs }) => {
    // Looked at first: nobody waits for a long history to hear that there is such a file.
    if (out !== undefined && (await platform.files.stat(out))) throw taken(out);
    const whole: string[] = [];
    let count = 0;
    for await (const lines of pages(client, { key, all: args.has("all") }, timeoutMs)) {
      if (count > 0) screen.problem(`${count} messages, more follow`);
      count += lines.length - (count === 0 ? 1 : 0);
      const text = lines.map((line) => `${line}\n`).join("");
      if (out === undefined) screen.write(text);
      else whole.push(text);
    }
    if (out === undefined) return;
    if (!(await platform.files.writeNew(out, whole.join("")))) throw taken(out);
    screen.problem(`Exported session "${key}" to "${out}": ${count} messages`);
  });
};

async function* pages(
  client: GatewayClient,
  asked: { readonly key: string; readonly all: boolean },
  timeoutMs: number,
): AsyncGenerator<readonly string[]> {
  let after: string | undefined;
  do {
    const { lines, next } = await client.call("sessions.export", { ...asked, after }, { timeoutMs });
    yield lines;
    after = next;
  } while (after !== undefined);
}

function taken(path: string): CliError {
  return new CliError(EXIT.failed, `Cannot write file "${path}": it exists`);
}
