import { TOKEN_FILE } from "../gateway/names.ts";
import { formatIssue } from "../config/issues.ts";
import { EXIT } from "../gateway/errors.ts";
import type { CommandInput, RunCommand } from "./command.ts";
import { readConfiguration } from "./config.ts";
import { fromTokenFile } from "./credentials.ts";
import { CliError } from "./errors.ts";
import { stateDirOf } from "./places.ts";
import { programName } from "./program.ts";

/** Prints the token that this machine's gateway asks for: the configured one, else the one it made. */
export const token: RunCommand = async (input) => {
  const { screen, args } = input;
  const found = await findToken(input);
  screen.line(args.has("json") ? JSON.stringify(found) : found.token);
  return EXIT.ok;
};

async function findToken({ platform, args }: CommandInput): Promise<{ token: string; source: string }> {
  const snapshot = await readConfiguration({ platform, args });
  if (!snapshot.valid) throw new CliError(EXIT.config, snapshot.errors.map(formatIssue).join("\n"));
  const { mode, token: configured, password } = snapshot.config.gateway.auth;
  const effective = mode ?? (password !== undefined && configured === undefined ? "password" : "token");
  if (effective !== "token") {
    throw new CliError(
      EXIT.failed,
      `Cannot print the token: this gateway has none, gateway.auth.mode is "${effective}"`,
    );
  }
  if (configured !== undefined) {
    const [setting] = snapshot.provenance.get("gateway.auth.token") ?? [];
    return { token: configured, source: setting?.name ?? `gateway.auth.token of ${snapshot.path}` };
  }
  const stored = await fromTokenFile(platform, args);
  if (stored?.token !== undefined) return { token: stored.token, source: stored.source };
  const path = `${stateDirOf(platform.process, args)}/${TOKEN_FILE}`;
  throw new CliError(EXIT.failed, `Cannot read token "${path}": there is no such file`, {
    hint: `The gateway makes it at its first start: ${programName(platform)}`,
  });
}
