import type { z } from "zod";
import { RpcError } from "../contract/errors.ts";

type Issue = z.core.$ZodIssue;

/** Issues told to a client; the rest only by number. */
const ISSUES_SHOWN_MAX = 8;

/** What is wrong with the params of a method, each with the key it is about. */
export function invalidParams(methodName: string, issues: readonly Issue[]): RpcError {
  const told = issues
    .slice(0, ISSUES_SHOWN_MAX)
    .map((issue) => ({ key: keyOf(issue), problem: problemOf(issue) }));
  const first = told[0];
  const subject = first?.key ? `"${first.key}" ` : "";
  const message = `Cannot call "${methodName}": ${subject}${first?.problem ?? "params do not fit"}`;
  return new RpcError("invalid_params", message, { details: { issues: told, count: issues.length } });
}

function keyOf(issue: Issue): string {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") path.push(issue.keys[0]?.slice(0, 64) ?? "");
  return path.join(".");
}

function problemOf(issue: Issue): string {
  if (issue.code === "unrecognized_keys") return "is not a parameter";
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined")) return "is missing";
  return issue.message;
}
