import { z } from "zod";
import { isObject, quote } from "../leaves.ts";
import {
  UNUSED_APIS,
  UNUSED_COST,
  UNUSED_MODEL,
  UNUSED_MODELS,
  UNUSED_PROVIDER,
  UNUSED_PROVIDERS,
} from "../original.ts";
import { Flag, isHttpUrl, Text, Variable, whole } from "./common.ts";

const APIS = ["openai-completions", "anthropic-messages", "acp"] as const;

/** Some lists of prices say -1 where the price is not known. */
const price = (of: string): z.ZodType<number> =>
  z
    .number()
    .min(0)
    .default(0)
    .meta({ description: `USD for a million tokens ${of}`, skip: belowZero });

function belowZero(value: unknown): string | undefined {
  return typeof value === "number" && value < 0 ? "a price below 0 is none" : undefined;
}

/** The system we replace takes any number above 0 here; one that can be no count of tokens stops nothing. */
function tokens(min: number, max: number, description: string): z.ZodOptional<z.ZodInt> {
  const skip = (value: unknown): string | undefined => {
    const isCount = Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
    return typeof value !== "number" || isCount ? undefined : `wanted a whole number from ${min} to ${max}`;
  };
  return whole(min, max).optional().meta({ description, skip });
}

/** What is known of one model of a provider. */
const Model = z.lazy(() =>
  z
    .strictObject({
      id: Text.max(200).meta({ description: "What comes after the / in PROVIDER/MODEL" }),
      name: z.string().max(200).optional().meta({ description: "Name for people" }),
      contextWindow: tokens(1_024, 100_000_000, "Tokens it reads at most"),
      maxTokens: tokens(1, 10_000_000, "Tokens of one answer at most"),
      reasoning: Flag.optional().meta({ description: "It thinks before it answers" }),
      input: z
        .array(z.enum(["text", "image", "audio", "video"]))
        .optional()
        .meta({ description: "What it reads" }),
      cost: z
        .strictObject({
          input: price("it reads"),
          output: price("it writes"),
          cacheRead: price("read from its cache"),
          cacheWrite: price("written to its cache"),
        })
        .optional()
        .meta({ description: "USD for a million tokens", unused: UNUSED_COST }),
    })
    .meta({ unused: UNUSED_MODEL }),
);

const Provider = z.lazy(() =>
  z
    .strictObject({
      baseUrl: z
        .string()
        .refine(isHttpUrl, { error: "wanted an http or https address without user name and password" })
        .optional()
        .meta({ description: "Address of the API, with its version: http://127.0.0.1:11434/v1" }),
      apiKey: z.string().optional().meta({ description: "Credential for it", secret: true }),
      api: z.enum(APIS).default("openai-completions").meta({ description: "How to talk to it" }),
      command: z
        .array(Text.max(4_096))
        .min(1)
        .max(64)
        .optional()
        .meta({ description: "api acp: the agent's program and its arguments" }),
      env: z.record(Text, Variable).optional().meta({ description: "api acp: variables for that program" }),
      models: z.array(Model).max(1_000).optional().meta({ description: "What is known of its models" }),
    })
    .meta({ unused: UNUSED_PROVIDER, skip: unusable }),
);

/** What an entry of the system we replace may be that means something there and nothing here. */
function unusable(provider: unknown, name: string): string | undefined {
  if (!isObject(provider)) return undefined;
  const { api, baseUrl, command } = provider;
  if (typeof api === "string" && UNUSED_APIS.includes(api))
    return `its api is ${quote(api)}, and only ${APIS.map(quote).join(", ")} are supported`;
  const isBare = api === undefined && baseUrl === undefined && command === undefined;
  return isBare && UNUSED_PROVIDERS.includes(name) ? "it has no baseUrl, and none is known" : undefined;
}

/** Providers that have an address without one being written. */
const ADDRESS_KNOWN = ["anthropic", "ollama", "openai"];

/** What an entry needs depends on how it is talked to. @returns the key that is wrong, and how */
function incomplete(
  name: string,
  { api, baseUrl, command }: z.output<typeof Provider>,
): readonly [key: string, state: string] | undefined {
  if (api === "acp") return command ? undefined : ["command", "it is missing, wanted a list"];
  if (command) return ["api", 'wanted "acp" beside a command'];
  if (api === "anthropic-messages" || baseUrl !== undefined || ADDRESS_KNOWN.includes(name)) return undefined;
  return ["baseUrl", "it is missing, wanted text"];
}

const Models = z.strictObject({
  providers: z
    .record(Text.max(100), Provider)
    .superRefine((providers, context) => {
      for (const [name, provider] of Object.entries(providers)) {
        const [key, message] = incomplete(name, provider) ?? [];
        if (key !== undefined) context.addIssue({ code: "custom", path: [name, key], message });
      }
    })
    .default({})
    .meta({
      description: "Where models are, by the name before the / in PROVIDER/MODEL",
      reload: "feature",
    }),
});

/** Who answers: servers of models, and programs that are agents. */
export const modelsSection = Models.prefault({}).meta({ unused: UNUSED_MODELS });
