import { z } from "zod";
import { UNUSED_ROOT } from "./original.ts";
import { agentsSection } from "./sections/agents.ts";
import { channelsSection, cronSection, hooksSection } from "./sections/channels.ts";
import { Text, Variable } from "./sections/common.ts";
import { gatewaySection } from "./sections/gateway.ts";
import { modelsSection } from "./sections/models.ts";
import { pluginsSection } from "./sections/plugins.ts";
import { messagesSection, sessionSection } from "./sections/session.ts";
import { mcpSection, toolsSection } from "./sections/tools.ts";

/** Variables for `${VAR}`, by name here or under `vars`; the process's own come first. */
const Env = z.object({
  vars: z.record(Text, Variable).default({}).meta({
    description: "Values for ${NAME} that the environment does not have",
    reload: "live",
  }),
});

/** The sections every gateway has; features add theirs beside them. */
export const coreSections = {
  gateway: gatewaySection,
  agents: agentsSection,
  models: modelsSection,
  session: sessionSection,
  messages: messagesSection,
  tools: toolsSection,
  mcp: mcpSection,
  plugins: pluginsSection,
  channels: channelsSection,
  hooks: hooksSection,
  cron: cronSection,
  env: Env.catchall(Variable)
    .prefault({})
    .meta({ unused: ["shellEnv"] }),
};

export type CoreConfig = z.output<z.ZodObject<typeof coreSections>>;

/** The configuration in force: frozen, every default filled in. Features find their section by name. */
export type Config = CoreConfig & { readonly [section: string]: unknown };

export type Sections = Readonly<Record<string, z.ZodObject>>;

/** The whole file's schema. Throws when two features, or a feature and the core, want the same section. */
export function rootSchema(sections: Sections = {}): z.ZodObject {
  const shape: Record<string, z.ZodType> = { ...coreSections };
  for (const [name, section] of Object.entries(sections)) {
    if (Object.hasOwn(shape, name))
      throw new Error(`Cannot add configuration section "${name}": it exists already`);
    shape[name] = section.prefault({});
  }
  return z.strictObject(shape).meta({ unused: UNUSED_ROOT, moved: { agent: "agents.defaults" } });
}
