import { z } from "zod";
import { effect, event, method, once } from "../../contract/define.ts";
import { Health, PresenceEntry } from "../../contract/frames.ts";
import { contract } from "../../feature.ts";

const Status = once(() =>
  z.strictObject({
    version: z.string(),
    runtime: z.string().describe("name and version of the runtime"),
    uptimeMs: z.int(),
    config: z.strictObject({
      path: z.string(),
      hash: z.string().describe("of the files in force; empty when there are none"),
      valid: z.boolean().describe("false: the files cannot be used as they are, what was before goes on"),
      error: z
        .strictObject({
          file: z.string().optional(),
          line: z.int().optional(),
          column: z.int().optional(),
          message: z.string(),
        })
        .optional()
        .describe("the first thing that is wrong with the files"),
      restartOwed: z.array(z.string()).describe("settings that wait for a restart"),
      safeMode: z.boolean().describe("started on a copy of the last files that could be used"),
      confirmWithinMs: z.int().optional().describe("a change is undone after this time unless confirmed"),
      warnings: z.array(z.string()),
    }),
    storage: z.strictObject({
      path: z.string(),
      bytes: z.int(),
      movedAside: z.string().optional().describe("an older database that could not be read, as it was"),
      problem: z.string().optional().describe("why nothing can be written at present"),
    }),
    stateDir: z.string(),
    model: z.string().describe("what a session without a model of its own is answered by"),
    sessions: z.int(),
    runs: z.strictObject({ active: z.int(), queued: z.int() }),
    clients: z.int(),
    memory: z.strictObject({ rssBytes: z.int() }),
  }),
);

export const systemContract = contract({
  name: "system",
  methods: {
    health: method({
      scope: "read",
      summary: "Is it well? Costs nothing",
      params: () => z.strictObject({}),
      result: Health,
    }),
    status: method({
      scope: "read",
      summary: "What an operator wants to know at a glance",
      params: () => z.strictObject({}),
      result: Status,
    }),
    "system.restart": effect({
      scope: "admin",
      summary: "Starts the gateway anew with the configuration as it is now, when no run is active",
      params: () =>
        z.strictObject({
          now: z.boolean().default(false).describe("does not wait for runs; they get a moment to end"),
        }),
      result: () =>
        z.strictObject({
          ok: z.literal(true),
          waitsForRuns: z.int().describe("runs that have to end first"),
        }),
    }),
    "system-presence": method({
      scope: "read",
      summary: "The clients connected now",
      params: () => z.strictObject({}),
      result: () => z.array(PresenceEntry()),
    }),
  },
  events: {
    tick: event({
      scope: "read",
      delivery: "latest",
      replay: false,
      summary: "The gateway is alive; every 15 s",
      data: () => z.strictObject({ ts: z.int().describe("ms since 1970") }),
    }),
    health: event({
      scope: "read",
      delivery: "latest",
      replay: false,
      summary: "The number of clients or runs has changed; at most one a second",
      data: Health,
    }),
    presence: event({
      scope: "read",
      delivery: "latest",
      replay: false,
      summary: "The clients connected now; several changes make one event",
      data: () => z.strictObject({ presence: z.array(PresenceEntry()) }),
    }),
    resync: event({
      scope: "read",
      delivery: "must",
      replay: false,
      summary: "To one client that reads again: events it did not get while its buffer was full",
      data: () => z.strictObject({ from: z.int(), to: z.int(), dropped: z.int() }),
    }),
    shutdown: event({
      scope: "read",
      delivery: "must",
      replay: false,
      summary: "The gateway is about to stop",
      data: () =>
        z.strictObject({
          reason: z.string(),
          restartExpectedMs: z.int().describe("0: it is not coming back by itself"),
        }),
    }),
  },
});
