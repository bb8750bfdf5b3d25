import { z } from "zod";
import { effect, event, method, once, type Output } from "../../contract/define.ts";
import { contract } from "../../feature.ts";

/**
 * `disabled`: nobody wants it. `failed`: it could not start, or was stopped for a fault. `quarantined`: its
 * manifest or its files cannot be trusted, and its code is not looked at.
 */
const States = once(() => z.enum(["disabled", "running", "failed", "quarantined"]));
export type PluginState = Output<typeof States>;

const Plugin = once(() =>
  z.strictObject({
    id: z.string().describe("the folder's name where the manifest cannot be read"),
    name: z.string().optional(),
    version: z.string().optional(),
    description: z.string().optional(),
    state: States(),
    directory: z.string(),
    error: z.string().optional().describe("why it does not run, or why a newer version of it does not"),
    loads: z.int().describe("how often it was started since the gateway was"),
    methods: z.array(z.string()),
    events: z.array(z.string()),
    overridden: z.array(z.string()).optional().describe("folders of the same id that are not used"),
  }),
);
export type PluginSummary = Output<typeof Plugin>;

export const pluginsContract = contract({
  name: "plugins",
  methods: {
    "plugins.list": method({
      scope: "read",
      summary: "Every plugin that was found, with its state and why it is not running",
      params: () => z.strictObject({}),
      result: () => z.strictObject({ plugins: z.array(Plugin()) }),
    }),
    "plugins.reload": effect({
      scope: "admin",
      summary: "Loads a plugin anew from its files; one that cannot start leaves the old one running",
      params: () => z.strictObject({ id: z.string().min(1).max(200) }),
      result: Plugin,
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
