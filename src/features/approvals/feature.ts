import { errorText } from "../../contract/errors.ts";
import type { Feature } from "../../feature.ts";
import type { Approvals } from "./approvals.ts";
import { approvalsContract } from "./contract.ts";

export function createApprovalsFeature(approvals: Approvals): Feature {
  return approvalsContract.implement(({ log }) => {
    // What it tells comes after its first write, when this feature can be heard.
    approvals.recover().catch((error: unknown) => {
      log.error("approvals of before the stop not ended", { error: errorText(error) });
    });
    return {
      handlers: {
        "approvals.list": ({ status, limit }) => approvals.list(status, limit),
        "approvals.resolve": async ({ id, decision }, { caller }) => ({
          approval: await approvals.resolve(id, decision, caller.name),
        }),
      },
    };
  });
}
