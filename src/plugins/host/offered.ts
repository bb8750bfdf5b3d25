import { z } from "zod";
import { type Events, type Methods, once, SCOPES } from "../../contract/define.ts";
import { ERROR_CODES } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Feature } from "../../feature.ts";
import { HOOKS, type HookName } from "../../hooks.ts";
import { isObject } from "../../rpc/json.ts";
import type { Offers } from "../running.ts";

const JsonObject = once(() => z.record(z.string(), z.unknown()));
const Scope = once(() => z.enum(SCOPES));
const Text = once(() => z.string().max(4_000));
const HOOK_NAMES = Object.keys(HOOKS) as HookName[];

/** What a process of plugins may say that a plugin offers: its word is not taken for more than that. */
const Said = once(() =>
  z.object({
    methods: z
      .array(
        z.object({
          name: Text(),
          scope: Scope(),
          summary: Text(),
          effect: z.boolean(),
          errors: z.array(z.enum(ERROR_CODES)),
          params: JsonObject(),
          result: JsonObject(),
        }),
      )
      .max(LIMITS.pluginMethodsMax),
    events: z
      .array(
        z.object({
          name: Text(),
          scope: Scope(),
          delivery: z.enum(["must", "latest"]),
          summary: Text(),
          replay: z.boolean(),
          data: JsonObject(),
        }),
      )
      .max(LIMITS.pluginMethodsMax),
    routes: z
      .array(
        z.object({
          method: z.enum(["GET", "POST", "PUT", "PATCH", "DELETE"]),
          path: Text(),
          summary: Text(),
          auth: z.discriminatedUnion("kind", [
            z.object({ kind: z.literal("gateway"), scope: Scope() }),
            z.object({ kind: z.literal("public") }),
            z.object({ kind: z.literal("own") }),
          ]),
        }),
      )
      .max(LIMITS.pluginRoutesMax),
    hooks: z.array(z.enum(HOOK_NAMES)).max(HOOK_NAMES.length),
    tools: z
      .array(
        z.object({
          name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
          description: z.string(),
          inputSchema: JsonObject(),
        }),
      )
      .max(LIMITS.pluginToolsMax),
    agents: z.array(Text()).max(LIMITS.pluginToolsMax),
    channels: z
      .array(z.looseObject({ id: Text(), label: Text(), accounts: z.array(Account()) }))
      .max(LIMITS.pluginToolsMax),
    services: z.array(Text()).max(LIMITS.pluginToolsMax),
  }),
);

function Account() {
  return z.object({
    id: z.string().max(LIMITS.channelIdCharsMax),
    name: Text().exactOptional(),
    agentId: Text().exactOptional(),
    policy: z.object({
      direct: z.enum(["pairing", "allowlist", "open", "disabled"]),
      allowFrom: z.array(z.string()),
      group: z.enum(["allowlist", "open", "disabled"]),
      groupAllowFrom: z.array(z.string()).exactOptional(),
      groups: z.record(
        z.string(),
        z.object({ requireMention: z.boolean().exactOptional(), enabled: z.boolean().exactOptional() }),
      ),
    }),
  });
}

/** @throws Error when it is nothing that the plugin may offer */
export function offersOf(id: string, said: unknown): Offers {
  const read = Said().safeParse(said);
  if (!read.success) throw new Error(`what it offers does not fit: ${z.prettifyError(read.error)}`);
  for (const { name } of [...read.data.methods, ...read.data.events])
    if (!name.startsWith(`${id}.`)) throw new Error(`its "${name}" has to begin with "${id}."`);
  return read.data;
}

/**
 * Methods and events for the table. Their values pass as they are, because they are judged where the plugin
 * is; what describes them is the plugin's own.
 */
export function featureOf(id: string, { methods, events }: Offers): Feature {
  const madeMethods: Methods = Object.fromEntries(
    methods.map(({ name, params, result, ...said }) => {
      const taken = once(() => loose(params));
      const answered = once(() => z.unknown().meta(described(result)));
      const method = {
        ...said,
        kind: "method" as const,
        get params() {
          return taken();
        },
        get result() {
          return answered();
        },
      };
      return [name, method];
    }),
  );
  const madeEvents: Events = Object.fromEntries(
    events.map(({ name, data, ...said }) => {
      const told = once(() => loose(data));
      const event = {
        ...said,
        kind: "event" as const,
        get data() {
          return told();
        },
      };
      return [name, event];
    }),
  );
  return {
    name: id,
    methods: madeMethods,
    events: madeEvents,
    config: undefined,
    start: () => ({ handlers: {} }),
  };
}

type JsonSchema = Readonly<Record<string, unknown>>;

/** Any object, with the keys that the schema names: params given as a list are in their order. */
function loose(schema: JsonSchema): z.ZodObject {
  const { properties } = schema;
  const names = isObject(properties) ? Object.keys(properties) : [];
  const shape = Object.fromEntries(names.map((name) => [name, z.unknown().optional()]));
  return z.looseObject(shape).meta(described(schema));
}

/** `id` is a name that zod keeps for all of the process. */
function described({ $schema: _, id: __, ...schema }: JsonSchema): Record<string, unknown> {
  return { additionalProperties: undefined, ...schema };
}
