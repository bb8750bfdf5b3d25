import { messageOf } from "../contract/errors.ts";
import { GatewayError } from "../client/mod.ts";
import { nearest } from "../config/nearest.ts";
import { usage } from "./args.ts";
import type { CommandInput, RunCommand } from "./command.ts";
import { connect, toCliError } from "./connect.ts";
import { EXIT } from "../gateway/errors.ts";
import { CliError } from "./errors.ts";

/** Calls one method and prints its result. */
export const call: RunCommand = async (input) => {
  const { screen, args } = input;
  const [method, json] = args.positional;
  if (method === undefined) throw usage("Cannot call a method: none is named");
  const params = await readParams(input, json);
  const { client, target, timeoutMs } = await connect(input, "call");
  try {
    const result = await client.request(method, params, { timeoutMs });
    screen.line(screen.foreign(args.has("json") ? JSON.stringify(result) : JSON.stringify(result, null, 2)));
    return EXIT.ok;
  } catch (error) {
    throw withNearest(error, method, client.hello?.features.methods ?? []) ?? toCliError(error, target);
  } finally {
    await client.close();
  }
};

async function readParams(
  { platform }: CommandInput,
  json: string | undefined,
): Promise<Record<string, unknown>> {
  if (json === undefined) return {};
  const isStdin = json === "-";
  const text = isStdin ? await readAll(platform.process.lines()) : json;
  const from = isStdin ? "standard input" : "the parameters";
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = messageOf(error).replace(/^JSON Parse error: /, "");
    throw usage(`Cannot read ${from} as JSON: ${reason}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw usage(`Cannot use ${from}: wanted a JSON object such as {"limit":5}`);
  }
  return { ...value };
}

async function readAll(lines: AsyncIterable<string>): Promise<string> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all.join("\n");
}

/** The gateway knows its methods, plugins' ones too; a mistyped one gets the nearest. */
function withNearest(error: unknown, method: string, methods: readonly string[]): CliError | undefined {
  if (!(error instanceof GatewayError) || error.code !== "unknown_method") return undefined;
  const near = nearest(method, methods);
  const names = near ? `Did you mean ${near}?` : `There are: ${methods.join(", ")}`;
  return new CliError(EXIT.failed, error.message, { hint: names, code: error.code });
}
