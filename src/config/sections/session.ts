import { z } from "zod";
import { UNUSED_MESSAGES, UNUSED_QUEUE, UNUSED_SESSION } from "../original.ts";
import { RESET_TRIGGERS } from "../values.ts";
import { whole } from "./common.ts";

/** As many as somebody writes who means never. */
const Minutes = whole(1, Number.MAX_SAFE_INTEGER);

const Reset = z.strictObject({
  mode: z.enum(["daily", "idle"]).optional().meta({
    description: "daily: at an hour of the day; idle: after a time without messages",
    reload: "live",
  }),
  atHour: whole(0, 23)
    .optional()
    .meta({ description: "Hour of the daily reset, local time", reload: "live" }),
  idleMinutes: Minutes.optional().meta({
    description: "Minutes without a message; with daily, whatever comes first",
    reload: "live",
  }),
});

const Session = z.strictObject({
  scope: z.enum(["per-sender", "global"]).default("per-sender").meta({
    description: "global: one session for everything",
    reload: "live",
  }),
  dmScope: z.enum(["main", "per-peer", "per-channel-peer", "per-account-channel-peer"]).default("main").meta({
    description: "How far people who write directly share a session",
    reload: "live",
  }),
  identityLinks: z.record(z.string(), z.array(z.string()).max(1_000)).default({}).meta({
    description: "One person's names on several channels: a name, and CHANNEL:ID of each",
    reload: "live",
  }),
  reset: Reset.prefault({}),
  resetByType: z
    .record(z.string(), Reset)
    .default({})
    .meta({ description: "Resets of dm, group or thread sessions", reload: "live" }),
  resetByChannel: z
    .record(z.string(), Reset)
    .default({})
    .meta({ description: "Resets of one channel's sessions, by its name", reload: "live" }),
  resetTriggers: z
    .array(z.string().max(200))
    .max(1_000)
    .default([...RESET_TRIGGERS])
    .meta({
      description: `Words at the start of a message that begin a new session; none: ${RESET_TRIGGERS.join(" and ")}`,
      reload: "live",
    }),
  idleMinutes: Minutes.optional().meta({
    description: "Older spelling of session.reset.idleMinutes",
    reload: "live",
  }),
});

/** The original's names, its aliases included. */
const QueueMode = z.enum([
  "followup",
  "collect",
  "steer",
  "interrupt",
  "queue",
  "steer-backlog",
  "steer+backlog",
]);

const Queue = z.strictObject({
  mode: QueueMode.default("collect").meta({
    description:
      "A message during a run: followup waits, collect joins those that wait, steer joins the run, interrupt ends it",
    reload: "live",
  }),
  byChannel: z
    .record(z.string(), QueueMode)
    .default({})
    .meta({ description: "The mode of one channel's sessions, by its name", reload: "live" }),
});

/** How conversations are told apart, and when they begin anew. */
export const sessionSection = Session.prefault({}).meta({ unused: UNUSED_SESSION });

/** What happens to messages on their way in. */
export const messagesSection = z
  .strictObject({ queue: Queue.prefault({}).meta({ unused: UNUSED_QUEUE }) })
  .prefault({})
  .meta({ unused: UNUSED_MESSAGES });
