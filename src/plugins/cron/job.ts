import { once, z } from "../api.ts";

/** Jobs, and the runs of each that are remembered: with the texts below they fit a plugin's store. */
export const JOBS_MAX = 100;
export const RUNS_KEPT = 200;
export const TEXT_CHARS_KEPT = 160;

const EVERY_MS_MIN = 10_000;
const EVERY_MS_MAX = 100 * 366 * 86_400_000;
const TIME_MS_MAX = 8.64e15;

const Time = once(() => z.int().min(0).max(TIME_MS_MAX).describe("ms since 1970"));
const Text = once(() => z.string().min(1).max(8_000));
const Count = once(() => z.int().min(0));
const Status = once(() => z.enum(["ok", "error", "skipped"]));

export const Schedule = once(() =>
  z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("at"),
      atMs: Time().optional(),
      at: z.iso.datetime({ offset: true }).optional().describe("the same as a date with its zone"),
    }),
    z.strictObject({
      kind: z.literal("every"),
      everyMs: z.int().min(EVERY_MS_MIN).max(EVERY_MS_MAX),
      anchorMs: Time().optional().describe("one of its times; absent: when the job was made"),
    }),
    z.strictObject({
      kind: z.literal("cron"),
      expr: z.string().min(1).max(200),
      tz: z.string().min(1).max(64).optional().describe("Europe/Berlin; absent: the zone of this machine"),
    }),
  ]),
);
export type Schedule = z.output<ReturnType<typeof Schedule>>;

const Turn = once(() =>
  z
    .strictObject({
      kind: z.literal("agentTurn"),
      message: Text(),
      model: z.string().min(1).max(256).optional(),
      timeoutSeconds: z.int().min(1).max(86_400).optional().describe("absent: 600"),
      deliver: z.boolean().optional().describe("the answer is sent; absent: when `to` is there"),
      channel: z.string().min(1).max(256).optional().describe("absent and `last`: the only one there is"),
      to: z.string().min(1).max(256).optional().describe("the chat, as the channel names it"),
      bestEffortDeliver: z.boolean().optional().describe("what cannot be sent is no failure of the job"),
      thinking: z.string().max(64).optional().describe("without effect: the session's settings have it"),
    })
    .refine(({ deliver, to }) => deliver !== true || to !== undefined, {
      error: "an answer that is delivered has to say to whom",
      path: ["to"],
    }),
);
export type Turn = z.output<ReturnType<typeof Turn>>;

/** What is said when a job is added. */
export const JobFields = once(() =>
  z.strictObject({
    name: z.string().trim().min(1).max(100),
    description: z.string().max(1_000).optional(),
    agentId: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/i)
      .nullish(),
    enabled: z.boolean().optional(),
    deleteAfterRun: z
      .boolean()
      .optional()
      .describe("for kind at: removed after a good run, not only disabled"),
    schedule: Schedule(),
    sessionTarget: z.enum(["main", "isolated"]).optional().describe("absent: as the payload's kind wants it"),
    wakeMode: z
      .enum(["now", "next-heartbeat"])
      .optional()
      .describe("for main. next-heartbeat: a note that is read with the next message; absent: now"),
    payload: z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("systemEvent"), text: Text() }),
      Turn(),
    ]),
    catchUp: z
      .enum(["once", "skip"])
      .optional()
      .describe("when times were missed: one run for all of them, or none; absent: as cron.catchUp"),
  }),
);

export const Job = once(() =>
  JobFields()
    .required({ enabled: true, sessionTarget: true, wakeMode: true })
    .extend({
      id: z.string(),
      createdAtMs: Time(),
      updatedAtMs: Time(),
      state: z.strictObject({
        nextRunAtMs: Time().optional(),
        runningAtMs: Time().optional(),
        runningDueMs: z.int().optional().describe("which of its times that run is for"),
        runId: z.string().optional(),
        deliveryTries: Count().optional().describe("of its answer: no such channel was there"),
        lastRunAtMs: Time().optional(),
        lastStatus: Status().optional(),
        lastError: z.string().optional(),
        lastDurationMs: Count().optional(),
        failures: Count().describe("in a row"),
        runs: Count(),
      }),
    }),
);
export type Job = z.output<ReturnType<typeof Job>>;

/** One line of a job's history. */
export const Entry = once(() =>
  z.strictObject({
    ts: Time(),
    jobId: z.string(),
    action: z.literal("finished"),
    status: Status(),
    error: z.string().optional(),
    summary: z.string().optional().describe("how the answer begins; all of it is in the session"),
    delivered: z.enum(["sent", "waiting", "failed"]).optional().describe("what became of the answer"),
    runAtMs: Time(),
    dueAtMs: Time(),
    durationMs: Count(),
    nextRunAtMs: Time().optional(),
    runId: z.string().optional(),
    sessionKey: z.string().optional(),
  }),
);
export type Entry = z.output<ReturnType<typeof Entry>>;

/** How a run of a job went. */
export type Outcome = Pick<Entry, "status" | "error" | "summary" | "delivered" | "runId" | "sessionKey">;
