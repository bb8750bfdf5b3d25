import { z } from "zod";
import { method, once, type Output } from "../../contract/define.ts";
import { Subscription } from "../../contract/frames.ts";
import { contract } from "../../feature.ts";

/** A run that goes on, with its text as far as clients have been sent it. */
export const ActiveRun = once(() =>
  z.strictObject({
    runId: z.string(),
    sessionKey: z.string(),
    text: z
      .string()
      .optional()
      .describe("so far, the next piece fits it; absent where all of it is too long for one answer"),
    startedAt: z.int().describe("ms since 1970"),
  }),
);
export type ActiveRun = Output<typeof ActiveRun>;

export const eventsContract = contract({
  name: "events",
  methods: {
    "events.subscribe": method({
      scope: "read",
      summary:
        "Says what this connection is told of, in place of what it said before; runs that go on with it",
      params: Subscription,
      result: () =>
        Subscription().extend({
          seq: z.int().describe("of the last event before this holds"),
          active: z.array(ActiveRun()).describe("of the sessions that are followed"),
        }),
      errors: ["invalid_params", "invalid_request", "forbidden"],
    }),
    "events.unsubscribe": method({
      scope: "read",
      summary:
        "As if this connection had never said what it is told of: what is no session's, and its own runs",
      params: () => z.strictObject({}),
      result: () => z.strictObject({ seq: z.int().describe("of the last event before this holds") }),
      errors: ["invalid_request"],
    }),
  },
  events: {},
});
