import { z } from "zod";
import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import { RESERVED_KEYS } from "../../contract/reserved-keys.ts";
import { contracts } from "../../features/contracts.ts";
import { parseJson } from "../../rpc/json.ts";
import { API_VERSION, type Capabilities } from "../api.ts";
import { problemOfSchema } from "./settings.ts";
import { wordsOf } from "./words.ts";

/** What a plugin says about itself without any code of it being run. */
export const MANIFEST = "gateway.plugin.json";

/** First parts of names that are the gateway's own: a plugin of such an id would speak in its place. */
const OURS: ReadonlySet<string> = new Set(
  contracts.flatMap(({ name, methods, events }) => [
    name,
    ...[...Object.keys(methods), ...Object.keys(events)].map((full) => full.replace(/\..*$/, "")),
  ]),
);

/** It is a key of the configuration and a part of paths, names of methods and keys of sessions. */
export function isPluginId(id: string): boolean {
  return isWellFormed(id) && !OURS.has(id);
}

function isWellFormed(id: string): boolean {
  return id.length <= LIMITS.pluginIdCharsMax && /^[a-z][a-z0-9-]*$/.test(id) && !RESERVED_KEYS.has(id);
}

const idWanted = `wanted lower case letters, digits and -, a letter first, ${LIMITS.pluginIdCharsMax} at most`;
const Id = z
  .string()
  .refine(isWellFormed, { error: idWanted })
  .refine((id) => !OURS.has(id), {
    error: ({ input }) => `"${String(input)}" is a name of the gateway's own`,
  });
const EnvName = z
  .string()
  .max(200)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "wanted the name of a variable");
const Path = z
  .string()
  .max(4_096)
  .regex(/^(?:\/|~\/|~$)/, "wanted an absolute path or one from ~/")
  .refine((path) => !path.split("/").includes(".."), { error: 'wanted a path without ".."' });
/** Of the configuration: `channels.telegram`. */
const Setting = z
  .string()
  .max(200)
  .regex(/^[A-Za-z][\w-]*(?:\.[\w-]+)*$/, "wanted the path of a setting");

const Rule = z.union([z.strictObject({ config: Setting }), z.strictObject({ env: EnvName })], {
  error: 'wanted { "config": "a.b" } or { "env": "NAME" }',
});
/** What switches a plugin on: a setting that is there, or a variable of the environment. */
export type Rule = z.output<typeof Rule>;

const Manifest = z.strictObject({
  id: Id,
  name: z.string().max(100).optional(),
  version: z.string().max(100).optional(),
  description: z.string().max(1_000).optional(),
  apiVersion: z.literal(API_VERSION),
  entry: z.string().min(1).max(500).default("index.ts"),
  capabilities: z
    .strictObject({
      network: z.boolean().optional(),
      files: z.array(Path).max(100).optional(),
      env: z.array(EnvName).max(100).optional(),
      exec: z.boolean().optional(),
      sessions: z.boolean().optional(),
    })
    .default({}),
  configSchema: z
    .record(z.string(), z.unknown())
    .superRefine((schema, context) => {
      const problem = problemOfSchema(schema);
      if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
    })
    .optional(),
  /** Ids of the channels it has; one that has its own id has its settings at `channels.ID`. */
  channels: z.array(z.string().min(1).max(LIMITS.pluginIdCharsMax)).max(20).default([]),
  autoEnable: z.array(Rule).max(20).default([]),
  /** It asks for a process of its own. */
  isolation: z.literal("own").optional(),
});
type Read = z.output<typeof Manifest>;
/** As it was read; what is absent is not there. */
export type Manifest = Omit<Read, "capabilities"> & { readonly capabilities: Capabilities };

/** @returns what it says, or why it cannot be used, in words for people */
export function readManifest(text: string): Manifest | { readonly problem: string } {
  const json = parseJson(text);
  if (json instanceof RpcError) return { problem: json.message.replace("Cannot read message: ", "") };
  const read = Manifest.safeParse(json.value);
  if (!read.success) return { problem: wordsOf(read.error) };
  const { network, files, env, exec, sessions } = read.data.capabilities;
  const capabilities: Capabilities = {
    ...(network && { network }),
    ...(files && { files }),
    ...(env && { env }),
    ...(exec && { exec }),
    ...(sessions && { sessions }),
  };
  return { ...read.data, capabilities };
}
