import { z } from "zod";
import { method, once } from "../../contract/define.ts";
import { LIMITS } from "../../contract/limits.ts";
import { contract } from "../../feature.ts";

const Days = once(() =>
  z.strictObject({
    days: z
      .int()
      .min(1)
      .max(LIMITS.usageDaysMax)
      .default(LIMITS.usageDays)
      .describe("back from today, which counts; days are UTC"),
  }),
);

const counts = once(() => ({
  runs: z.int(),
  inputTokens: z.int().describe("with those the provider had kept"),
  outputTokens: z.int(),
  cachedTokens: z.int().describe("of the input"),
}));

const day = once(() => z.string().describe("2026-01-31, UTC"));

export const usageContract = contract({
  name: "usage",
  methods: {
    "usage.status": method({
      scope: "read",
      summary: "Runs and tokens by day, agent and model, the newest day first",
      params: Days,
      result: () =>
        z.strictObject({
          days: z.array(z.strictObject({ day: day(), agentId: z.string(), model: z.string(), ...counts() })),
          total: z.strictObject(counts()).describe("of all these days"),
          isCut: z.boolean().optional().describe("there are more rows, of older days, than fit one answer"),
        }),
    }),
    "usage.cost": method({
      scope: "read",
      summary: "What the tokens cost by the prices in the configuration, the newest day first",
      params: Days,
      result: () =>
        z.strictObject({
          currency: z.literal("USD"),
          days: z.array(z.strictObject({ day: day(), cost: z.number() })),
          total: z.number(),
          unpriced: z.array(z.string()).describe("models without a price: their tokens are in no sum"),
        }),
    }),
  },
  events: {},
});
