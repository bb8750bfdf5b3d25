import { z } from "zod";
import { LIMITS } from "../../contract/limits.ts";
import {
  UNUSED_AGENT,
  UNUSED_AGENT_TOOLS,
  UNUSED_AGENTS_DEFAULTS,
  UNUSED_COMPACTION,
  UNUSED_SANDBOX_NOTES,
  UNUSED_TOOL_NOTES,
} from "../original.ts";
import { AgentId, Flag, ModelRef, Text, Variable, whole } from "./common.ts";
import { mcpServers, toolPolicy } from "./tools.ts";

/** A model, or the one to use and those to try after it. */
export type ModelChoice = z.output<typeof ModelChoice>;

const ModelChoice = z.union([
  ModelRef,
  z.strictObject({
    primary: ModelRef.optional().meta({ description: "Model to use, as PROVIDER/MODEL" }),
    fallbacks: z.array(ModelRef).default([]).meta({ description: "Models to try after it, in order" }),
  }),
]);

const agentFields = {
  model: ModelChoice.optional().meta({
    description: "Model as PROVIDER/MODEL, or primary and fallbacks",
    reload: "feature",
  }),
  systemPrompt: z.string().max(LIMITS.messageCharsMax).optional().meta({
    description: "What the model is told before every conversation",
    reload: "live",
  }),
  workspace: Text.max(4_096).optional().meta({
    description: "Directory its programs run in; ~/clawd when absent",
    reload: "live",
  }),
  env: z
    .record(Text, Variable)
    .optional()
    .meta({ description: "Variables for its programs", reload: "live" }),
  limits: z
    .strictObject({
      tokensMax: whole(1, 1_000_000_000)
        .optional()
        .meta({ description: "Tokens of all model calls of one run", reload: "live" }),
      toolCallsMax: whole(1, 100_000)
        .optional()
        .meta({ description: "Tools one run may call", reload: "live" }),
      outputBytesMax: whole(1, LIMITS.runBytesMax)
        .optional()
        .meta({ description: "Text one run may produce, bytes", reload: "live" }),
    })
    .optional()
    .meta({ description: "What one run may use" }),
};

/** Made when a file has one, as all that entries of lists and tables are. */
const Agent = z.lazy(() =>
  z
    .strictObject({
      id: AgentId.meta({ description: "Name in session keys" }),
      name: z.string().max(200).optional().meta({ description: "Name for people" }),
      default: Flag.optional().meta({ description: "Answers where no agent is named" }),
      ...agentFields,
      tools: z.strictObject(toolPolicy).optional().meta({
        description:
          "Tools of this agent: its allow counts instead of that of all agents, the rest beside it",
        unused: UNUSED_AGENT_TOOLS,
        unusedNotes: UNUSED_TOOL_NOTES,
      }),
      mcp: z
        .strictObject({ servers: mcpServers })
        .optional()
        .meta({ description: "Servers of tools for this agent alone" }),
    })
    .meta({ unused: UNUSED_AGENT, unusedNotes: UNUSED_SANDBOX_NOTES }),
);

const Agents = z.strictObject({
  defaults: z
    .strictObject({
      ...agentFields,
      timeoutSeconds: whole(1, LIMITS.runTimeoutMsMax / 1000)
        .default(LIMITS.runTimeoutMs / 1000)
        .meta({
          description: "Time one run may take",
          reload: "live",
        }),
      maxConcurrent: whole(1, 1_000).optional().meta({
        description:
          "Runs at the same time over all sessions; absent: as many as the machine has cores, at least 2",
        reload: "live",
      }),
      compaction: z
        .strictObject({
          reserveTokensFloor: whole(0, 10_000_000).default(LIMITS.compactionReserveTokens).meta({
            description:
              "Tokens of the context window kept free: nearer to its end, older messages are summarised",
            reload: "live",
          }),
        })
        .prefault({})
        .meta({ unused: UNUSED_COMPACTION }),
    })
    .prefault({})
    .meta({ unused: UNUSED_AGENTS_DEFAULTS, unusedNotes: UNUSED_SANDBOX_NOTES }),
  list: z
    .array(Agent)
    .refine((list) => new Set(list.map(({ id }) => id)).size === list.length, {
      error: "two agents have the same id",
    })
    .default([])
    .meta({ description: "Agents by id, each over the defaults", reload: "live" }),
});

/** Who answers, and within which bounds. */
export const agentsSection = Agents.prefault({});
