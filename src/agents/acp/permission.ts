import type { RequestPermissionRequest, RequestPermissionResponse } from "@agentclientprotocol/sdk";

import type { ApprovalDecision, ApprovalRequest } from "../../ports.ts";
import { record, textOf } from "../values.ts";
import { contentText } from "./contents.ts";
import { bounded, oneLine } from "./texts.ts";

export const CANCELLED: RequestPermissionResponse = { outcome: { outcome: "cancelled" } };

type Kind = RequestPermissionRequest["options"][number]["kind"];

/** A yes that the agent does not offer for ever is one for once; a no is never made one for ever. */
const KINDS: Readonly<Record<ApprovalDecision, readonly Kind[]>> = {
  allow_once: ["allow_once"],
  allow_always: ["allow_always", "allow_once"],
  deny: ["reject_once"],
};

/** What a person is asked. @param title of the tool as it began, for a request that has none */
export function toApproval(
  { toolCall }: RequestPermissionRequest,
  title: string | undefined,
): ApprovalRequest {
  const { name, kind, rawInput, content } = toolCall;
  const command = kind === "execute" ? textOf(record(rawInput)["command"]) : undefined;
  const said = oneLine(toolCall.title ?? title ?? kind ?? "") || "use a tool";
  const details = [rawInput === undefined ? "" : JSON.stringify(rawInput), contentText(content)];
  const shown = bounded(details.filter((text) => text !== "").join("\n"));
  return {
    title: command === undefined ? said : `run "${oneLine(command)}"`,
    ...(typeof name === "string" && name !== "" && { tool: oneLine(name) }),
    ...(shown !== "" && { details: shown }),
  };
}

/** The option that says what the person decided; cancelled, if there is none. */
export function toOutcome(
  { options }: RequestPermissionRequest,
  decision: ApprovalDecision,
): RequestPermissionResponse {
  for (const kind of KINDS[decision]) {
    const option = options.find((candidate) => candidate.kind === kind);
    if (option) return { outcome: { outcome: "selected", optionId: option.optionId } };
  }
  return CANCELLED;
}
