import { z } from "zod";
import { effect, event, method, once, type Output } from "../../contract/define.ts";
import { LIMITS } from "../../contract/limits.ts";
import { contract } from "../../feature.ts";

export const Decision = once(() => z.enum(["allow_once", "allow_always", "deny"]));

/** What a person is asked, and what was answered. */
export const Approval = once(() =>
  z.strictObject({
    id: z.string(),
    sessionKey: z.string(),
    runId: z.string(),
    title: z.string().describe("what wants to be done, in one line"),
    tool: z.string().optional().describe("what allow_always is remembered for; absent: it counts once"),
    details: z.string().optional().describe("what it would do, in full"),
    isCut: z.boolean().optional().describe("there is more of the details than is shown"),
    createdAtMs: z.int(),
    expiresAtMs: z.int().describe("denied when nobody has answered by then"),
    decision: Decision().optional().describe("absent: open"),
    resolvedAtMs: z.int().optional(),
    resolvedBy: z
      .string()
      .optional()
      .describe("the client; `timeout`, `cancelled` with its run, `restart` of the gateway"),
  }),
);
export type Approval = Output<typeof Approval>;

export const approvalsContract = contract({
  name: "approvals",
  config: () =>
    z
      .strictObject({
        timeoutSeconds: z
          .int()
          .min(LIMITS.approvalSecondsMin)
          .max(LIMITS.approvalSecondsMax)
          .default(LIMITS.approvalSeconds)
          .meta({ reload: "live", description: "How long a person has to answer before it is a no" }),
      })
      .meta({ unused: ["exec", "plugin"] }),
  methods: {
    "approvals.list": method({
      scope: "approvals",
      summary: "What waits for a person's yes, the newest first; or also what was decided",
      params: () =>
        z.strictObject({
          status: z.enum(["open", "all"]).default("open"),
          limit: z.int().min(1).max(LIMITS.approvalsListedMax).default(LIMITS.approvalsListed),
        }),
      result: () =>
        z.strictObject({
          approvals: z.array(Approval()),
          hasMore: z.boolean().describe("there are older ones"),
        }),
    }),
    "approvals.resolve": effect({
      scope: "approvals",
      summary:
        "Decides; the first decision holds. allow_always: this tool is not asked about in this session again",
      params: () => z.strictObject({ id: z.string().min(1).max(64), decision: Decision() }),
      result: () => z.strictObject({ approval: Approval() }),
      errors: ["not_found", "conflict", "busy", "unavailable"],
    }),
  },
  events: {
    "approval.requested": event({
      scope: "approvals",
      delivery: "must",
      summary: "An agent waits for a person's yes",
      data: () => z.strictObject({ approval: Approval() }),
    }),
    "approval.resolved": event({
      scope: "approvals",
      delivery: "must",
      summary: "It was decided, by whom and how",
      data: () => z.strictObject({ approval: Approval() }),
    }),
  },
});
