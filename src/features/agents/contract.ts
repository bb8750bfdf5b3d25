import { z } from "zod";
import { method, once, type Output } from "../../contract/define.ts";
import { contract } from "../../feature.ts";

/** An agent as it is configured. */
export const AgentInfo = once(() =>
  z.strictObject({
    id: z.string(),
    name: z.string().optional(),
    model: z.string().describe("the first to use; empty while it is being looked for"),
    fallbacks: z.array(z.string()),
    mainKey: z.string().describe("key of its main session"),
  }),
);
export type AgentInfo = Output<typeof AgentInfo>;

/** A model that can be named. */
export const ModelInfo = once(() =>
  z.strictObject({
    id: z.string().describe("PROVIDER/MODEL"),
    name: z.string(),
    provider: z.string(),
    contextWindow: z.int().optional().describe("tokens it reads at most"),
    reasoning: z.boolean().optional(),
    isConfigured: z.boolean().describe("named in the configuration, not only by its server"),
  }),
);
export type ModelInfo = Output<typeof ModelInfo>;

export const agentsContract = contract({
  name: "agents",
  methods: {
    "agents.list": method({
      scope: "read",
      summary: "The agents of this gateway",
      params: () => z.strictObject({}),
      result: () =>
        z.strictObject({
          defaultId: z.string().describe("answers where no agent is named"),
          mainKey: z.string().describe("key of the default agent's main session"),
          scope: z.enum(["per-sender", "global"]),
          agents: z.array(AgentInfo()),
        }),
    }),
    "models.list": method({
      scope: "read",
      summary: "Models of the configuration, and those that its servers say they have",
      params: () => z.strictObject({}),
      result: () =>
        z.strictObject({
          models: z.array(ModelInfo()),
          failed: z
            .array(z.strictObject({ provider: z.string(), message: z.string() }))
            .describe("servers that could not be asked"),
        }),
    }),
  },
  events: {},
});
