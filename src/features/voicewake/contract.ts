import { z } from "zod";
import { effect, event, method, once } from "../../contract/define.ts";
import { LIMITS } from "../../contract/limits.ts";
import { contract } from "../../feature.ts";

/** Words that wake a listening device: trimmed, none empty, none twice. */
const Triggers = once(() =>
  z
    .array(z.string().trim().min(1).max(LIMITS.wakeTriggerCharsMax))
    .max(LIMITS.wakeTriggersMax)
    .refine((words) => new Set(words).size === words.length, "the same word twice"),
);

const State = once(() => z.strictObject({ triggers: z.array(z.string()) }));

export const voicewakeContract = contract({
  name: "voicewake",
  methods: {
    "voicewake.get": method({
      scope: "read",
      summary: "The wake words in force",
      params: () => z.strictObject({}),
      result: State,
    }),
    "voicewake.set": effect({
      scope: "write",
      summary: "Replaces the wake words; an empty list brings the default ones back",
      params: () => z.strictObject({ triggers: Triggers() }),
      result: State,
    }),
  },
  events: {
    "voicewake.changed": event({
      scope: "read",
      delivery: "latest",
      summary: "The wake words are different now",
      data: State,
    }),
  },
});
