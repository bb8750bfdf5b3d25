import { z } from "zod";
import { effect, event, method, once, type Output } from "../../contract/define.ts";
import { contract } from "../../feature.ts";

/**
 * `disabled`: nobody wants it. `starting`: wanted, not there yet. `failed`: it could not start, or was stopped
 * for a fault; it is tried again after a while. `quarantined`: its manifest or its files cannot be trusted, and
 * its code is not looked at.
 */
const States = once(() => z.enum(["disabled", "starting", "running", "failed", "quarantined"]));
export type PluginState = Output<typeof States>;

/** Where plugins come from; the first that has an id has it. */
const Origins = once(() => z.enum(["path", "installed", "package", "bundled"]));
export type PluginOrigin = Output<typeof Origins>;

/** In the process that plugins share, in one of its own, or in the gateway's. */
const Isolations = once(() => z.enum(["process", "own", "none"]));
export type Isolation = Output<typeof Isolations>;

const PluginId = once(() => z.string().min(1).max(200));

/** What a plugin may do beyond its own. Absent and false: no. */
const Grants = once(() =>
  z.strictObject({
    network: z.boolean().optional(),
    files: z.array(z.string().min(1).max(4_096)).max(100).optional(),
    env: z.array(z.string().min(1).max(200)).max(100).optional(),
    exec: z.boolean().optional(),
    sessions: z.boolean().optional(),
  }),
);
export type Grants = Output<typeof Grants>;

const Summary = once(() =>
  z.strictObject({
    id: z.string().describe("the folder's name where the manifest cannot be read"),
    name: z.string().optional(),
    version: z.string().optional(),
    description: z.string().optional(),
    state: States(),
    origin: Origins(),
    directory: z.string().optional().describe("absent: it is part of the gateway"),
    isolation: Isolations(),
    enabledBy: z.string().optional().describe("why it is on, in words"),
    error: z.string().optional().describe("why it does not run, or why a newer version of it does not"),
    loads: z.int().describe("how often it was started since the gateway was"),
    methods: z.array(z.string()),
    events: z.array(z.string()),
    overridden: z.array(z.string()).optional().describe("others of the same id that are not used"),
  }),
);
export type PluginSummary = Output<typeof Summary>;

const Limit = once(() =>
  z.strictObject({
    capability: z.string(),
    held: z.string().describe("by what it is held back, or why it is not"),
    isHeld: z.boolean(),
  }),
);
const Denied = once(() => z.strictObject({ capability: z.string(), what: z.string(), times: z.int() }));
const Service = once(() =>
  z.strictObject({
    name: z.string(),
    state: z.string(),
    error: z.string().optional(),
    restarts: z.int(),
  }),
);

const Info = once(() =>
  Summary().extend({
    apiVersion: z.int().optional(),
    digest: z.string().optional().describe("SHA-256 over its files, hex"),
    wants: Grants().optional().describe("the capabilities its manifest declares"),
    grants: Grants().optional().describe("those of them that the configuration grants"),
    limits: z.array(Limit()).optional(),
    denied: z.array(Denied()).optional(),
    configSchema: z.record(z.string(), z.unknown()).optional(),
    configErrors: z.array(z.string()).optional(),
    startedAtMs: z.int().optional(),
    routes: z.array(z.strictObject({ method: z.string(), path: z.string(), auth: z.string() })).optional(),
    tools: z.array(z.string()).optional(),
    hooks: z.array(z.string()).optional(),
    agents: z.array(z.string()).optional(),
    channels: z.array(z.string()).optional(),
    services: z.array(Service()).optional(),
    process: z
      .strictObject({ pid: z.int(), rssBytes: z.int().optional(), sharedWith: z.array(z.string()) })
      .optional()
      .describe("the process it runs in, where that is not the gateway's"),
  }),
);
export type PluginInfo = Output<typeof Info>;

const ById = once(() => z.strictObject({ id: PluginId() }));
const Install = once(() =>
  z.strictObject({
    source: z.string().min(1).max(4_096).describe("absolute path of a folder or a .tgz; or npm:NAME@VERSION"),
    integrity: z.string().max(200).optional().describe("sha512-… that a .tgz or a package must have"),
    replace: z.boolean().optional().describe("take the place of the installed one"),
  }),
);
export type InstallRequest = Output<typeof Install>;

export const pluginsContract = contract({
  name: "plugins",
  methods: {
    "plugins.list": method({
      scope: "read",
      summary: "Every plugin that was found, with its state and why it is not running",
      params: () => z.strictObject({}),
      result: () => z.strictObject({ plugins: z.array(Summary()) }),
    }),
    "plugins.info": method({
      scope: "read",
      summary: "All about one plugin: what it offers, may and was denied",
      params: ById,
      result: Info,
      errors: ["not_found"],
    }),
    "plugins.enable": effect({
      scope: "admin",
      summary: "Switches a plugin on, in the configuration; with `grants`, what it may beyond its own",
      params: () => ById().extend({ grants: Grants().optional() }),
      result: Info,
      errors: ["not_found", "conflict", "unavailable"],
    }),
    "plugins.disable": effect({
      scope: "admin",
      summary: "Switches a plugin off, in the configuration",
      params: ById,
      result: Summary,
      errors: ["not_found", "conflict", "unavailable"],
    }),
    "plugins.reload": effect({
      scope: "admin",
      summary: "Loads a plugin anew from its files; one that cannot start leaves the old one running",
      params: ById,
      result: Summary,
      errors: ["not_found", "conflict", "unavailable"],
    }),
    "plugins.install": effect({
      scope: "admin",
      summary: "Copies a plugin into the state directory, switched off: from a folder, a .tgz or npm",
      params: Install,
      result: Info,
      errors: ["not_found", "conflict", "forbidden", "too_large", "unavailable"],
    }),
    "plugins.remove": effect({
      scope: "admin",
      summary: "Deletes an installed plugin's folder; what it has stored stays unless `data` is set",
      params: () => ById().extend({ data: z.boolean().optional() }),
      result: () => z.strictObject({ id: z.string(), removed: z.boolean() }),
      errors: ["not_found", "conflict", "unavailable"],
    }),
  },
  events: {
    "plugins.changed": event({
      scope: "read",
      delivery: "latest",
      summary: "A plugin's state is another one, or another version of it runs",
      data: () => z.strictObject({ id: z.string(), state: States(), error: z.string().optional() }),
    }),
  },
});
