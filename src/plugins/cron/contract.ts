import { effect, event, method, once, z } from "../api.ts";
import { Entry, Job, JobFields, RUNS_KEPT } from "./job.ts";

const Id = once(() => z.string().min(1).max(64));
const Which = once(() =>
  z.strictObject({ id: Id().optional(), jobId: Id().optional().describe("the same") }),
);
export type Which = z.output<ReturnType<typeof Which>>;

export const settings = () =>
  z.strictObject({
    enabled: z.boolean().default(true).describe("off: jobs run only when somebody runs them"),
    maxConcurrentRuns: z.int().min(1).max(20).default(1),
    catchUp: z.enum(["once", "skip"]).default("once").describe("when times of a job were missed"),
    store: z.string().optional().describe("without effect: jobs are in the gateway's database"),
  });

export const methods = {
  "cron.list": method({
    scope: "read",
    summary: "Jobs, the next one first",
    params: () => z.strictObject({ includeDisabled: z.boolean().default(false) }),
    result: () => z.strictObject({ jobs: z.array(Job()) }),
  }),
  "cron.status": method({
    scope: "read",
    summary: "Whether jobs run by themselves, and when the next one does",
    params: () => z.strictObject({}),
    result: () =>
      z.strictObject({
        enabled: z.boolean(),
        storePath: z.string(),
        jobs: z.int(),
        nextWakeAtMs: z.int().optional(),
      }),
  }),
  "cron.add": effect({
    scope: "admin",
    summary: "Adds a job: what an agent is told, and when",
    params: JobFields,
    result: Job,
    errors: ["invalid_params", "busy"],
  }),
  "cron.update": effect({
    scope: "admin",
    summary: "Changes what a job says; absent fields stay",
    params: () => Which().extend({ patch: JobFields().partial() }),
    result: Job,
    errors: ["invalid_params", "not_found"],
  }),
  "cron.remove": effect({
    scope: "admin",
    summary: "Removes a job and its history; a run of it goes on",
    params: Which,
    result: () => z.strictObject({ ok: z.literal(true), removed: z.boolean() }),
    errors: ["invalid_params"],
  }),
  "cron.run": effect({
    scope: "admin",
    summary: "Runs a job now; its schedule stays",
    params: () => Which().extend({ mode: z.enum(["due", "force"]).default("force") }),
    result: () => z.strictObject({ ok: z.literal(true), ran: z.boolean(), reason: z.string().optional() }),
    errors: ["invalid_params", "not_found"],
  }),
  "cron.runs": method({
    scope: "read",
    summary: `The newest runs of a job, the last one last; ${RUNS_KEPT} are kept`,
    params: () => Which().extend({ limit: z.int().min(1).max(5_000).default(RUNS_KEPT) }),
    result: () => z.strictObject({ entries: z.array(Entry()) }),
    errors: ["invalid_params"],
  }),
};

const ACTIONS = ["added", "updated", "removed", "started", "finished"] as const;
export type Action = (typeof ACTIONS)[number];

export const events = {
  "cron.changed": event({
    scope: "read",
    delivery: "latest",
    summary: "A job was added, changed or removed, or a run of it began or ended",
    data: () =>
      Entry()
        .partial()
        .extend({ jobId: Id(), action: z.enum(ACTIONS) }),
  }),
};
