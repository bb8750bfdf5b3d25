import type { GatewayClient } from "../../client/mod.ts";
import { messageOf } from "../../contract/errors.ts";
import { EXIT } from "../../gateway/errors.ts";
import type { Files } from "../../ports.ts";
import type { RunCommand } from "../command.ts";
import { CliError } from "../errors.ts";
import { createProgress } from "./progress.ts";
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
    const progress = createProgress(platform, out === undefined && screen.isTerminal);
    try {
      for await (const lines of pages(client, { key, all: args.has("all") }, timeoutMs)) {
        if (count > 0) progress.show(`${count} messages, more follow`);
        count += lines.length - (count === 0 ? 1 : 0);
        const text = lines.map((line) => `${line}\n`).join("");
        if (out === undefined) screen.write(text);
        else whole.push(text);
      }
    } finally {
      progress.clear();
    }
    if (out === undefined) return;
    await write(platform.files, out, whole.join(""));
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

async function write(files: Files, path: string, text: string): Promise<void> {
  if (!(await files.writeNew(path, text).catch(toFailed))) throw taken(path);
}

/** What the system says of a file is the person's to mend. */
function toFailed(error: unknown): never {
  throw new CliError(EXIT.failed, messageOf(error));
}

function taken(path: string): CliError {
  return new CliError(EXIT.failed, `Cannot write file "${path}": it exists`);
}
