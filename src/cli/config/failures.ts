import { GatewayError } from "../../client/mod.ts";
import { RpcError } from "../../contract/errors.ts";
import { EXIT } from "../../gateway/errors.ts";
import { toCliError } from "../connect.ts";
import { CliError } from "../errors.ts";
import { formatProblem } from "../problem.ts";
import type { Screen } from "../screen.ts";
import type { Target } from "../target.ts";
import type { Problem } from "./desk.ts";

/** What the program says when the configuration could not be read or written. */
export function toConfigError(error: unknown, target: Target): unknown {
  const problems = problemsOf(error);
  if (problems.length > 0) return invalid(problems);
  const isKnown = error instanceof GatewayError || error instanceof RpcError;
  // What waits for a confirmation is no race: trying again would be refused again.
  if (isKnown && error.code === "conflict" && detailsOf(error)?.["unconfirmed"] !== true) {
    const hint = "Somebody else has written it meanwhile: try again";
    return new CliError(EXIT.failed, error.message, { hint, code: error.code });
  }
  if (error instanceof GatewayError) return toCliError(error, target);
  if (error instanceof RpcError) return new CliError(EXIT.failed, error.message, { code: error.code });
  return error;
}

/** It was refused for what it says. */
export function isInvalid(error: unknown): boolean {
  return (error instanceof GatewayError || error instanceof RpcError) && error.code === "invalid_params";
}

/** What is wrong with the configuration, where that is why something was refused. */
export function problemsOf(error: unknown): readonly Problem[] {
  const details = detailsOf(error);
  const found = details?.["errors"];
  return Array.isArray(found) ? found.filter(isProblem) : [];
}

function detailsOf(error: unknown): Readonly<Record<string, unknown>> | undefined {
  if (error instanceof GatewayError) return error.details;
  return error instanceof RpcError ? error.extra.details : undefined;
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && isText(value, "key") && isText(value, "message");
}

function isText(value: object, name: string): boolean {
  return typeof Reflect.get(value, name) === "string";
}

/** The configuration cannot be used: each reason on a line of its own. */
export function invalid(problems: readonly Problem[]): CliError {
  const message = problems.map(formatProblem).join("\n") || "Cannot use configuration";
  return new CliError(EXIT.config, message, { code: "invalid_params" });
}

/** What is shown is not what the file says. */
export function warnUnusable({ problem }: Pick<Screen, "problem">, issues: readonly Problem[]): void {
  for (const issue of issues) problem(formatProblem(issue));
  problem("The file cannot be used as it is: this is the last good configuration, which goes on");
}
