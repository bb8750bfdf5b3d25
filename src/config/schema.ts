import { z } from "zod";
import { LIMITS } from "../contract/limits.ts";
import { isNetwork } from "../rpc/address.ts";
import { quote } from "./leaves.ts";
import {
  UNUSED_AGENT,
  UNUSED_AGENTS_DEFAULTS,
  UNUSED_APIS,
  UNUSED_GATEWAY,
  UNUSED_GATEWAY_AUTH,
  UNUSED_MODELS,
  UNUSED_PROVIDER,
  UNUSED_ROOT,
} from "./original.ts";
import { PORT_DEFAULT, toBind } from "./values.ts";

function isHttpUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return /^https?:$/.test(url?.protocol ?? "") && url?.username === "" && url.password === "";
}

// --- sections ---

const Text = z.string().min(1);
/** One step instead of a copy of the schema for each bound: this module runs at every start. */
const whole = (min: number, max: number): z.ZodInt => z.int().check(z.gte(min), z.lte(max));
const Flag = z.boolean();
const Secret = z.string().max(LIMITS.secretCharsMax).optional();
const AgentId = z.string().refine((id) => /^[a-z0-9][a-z0-9_-]{0,63}$/i.test(id), {
  error: "wanted letters, digits, - and _, at most 64",
});
const ModelRef = z.string().min(1).max(200);

/** A model, or the one to use and those to try after it. */
export type ModelChoice = z.output<typeof ModelChoice>;

const ModelChoice = z.union([
  ModelRef,
  z.strictObject({
    primary: ModelRef.optional().meta({ description: "Model to use, as PROVIDER/MODEL" }),
    fallbacks: z.array(ModelRef).default([]).meta({ description: "Models to try after it, in order" }),
  }),
]);

const Auth = z.strictObject({
  mode: z.enum(["token", "password", "none"]).optional().meta({
    description: "What clients present; when absent: password if one is set, else token",
    reload: "process",
  }),
  token: Secret.meta({
    description: "Shared token; made at the first start when absent",
    secret: true,
    reload: "process",
  }),
  password: Secret.meta({ description: "Shared password", secret: true, reload: "process" }),
});

const Limits = z.strictObject({
  frameBytesMax: whole(LIMITS.helloFrameBytesMax, 64 * 1024 * 1024)
    .default(LIMITS.frameBytesMax)
    .meta({
      description: "Largest message of a connected client, bytes",
      reload: "process",
    }),
  clientsMax: whole(1, 65_536)
    .default(LIMITS.clientsMax)
    .meta({ description: "Clients at once", reload: "live" }),
});

const Gateway = z.strictObject({
  port: whole(0, 65_535).default(PORT_DEFAULT).meta({
    description: "TCP port; 0 lets the system choose",
    reload: "process",
  }),
  bind: z
    .string()
    .refine((text) => toBind(text) !== undefined, {
      error: ({ input }) =>
        input === "custom"
          ? 'wanted the IP address itself in place of "custom"'
          : 'wanted "loopback", "lan", "tailnet" or an IP address',
    })
    .default("loopback")
    .meta({ description: "Where to listen: loopback, lan, tailnet or one IP address", reload: "process" }),
  mode: z.enum(["local", "remote"]).default("local").meta({
    description: "remote: the gateway runs elsewhere and this file is for its clients",
    reload: "process",
  }),
  auth: Auth.prefault({}).meta({ unused: UNUSED_GATEWAY_AUTH }),
  allowedHosts: z.array(Text.max(253)).default([]).meta({
    description: "Host names clients may use besides loopback names and our own addresses",
    reload: "live",
  }),
  allowedOrigins: z
    .array(
      z.string().refine((text) => /^[a-z][a-z0-9+.-]{0,31}:\/\/[^/\s?#@*]{1,260}$/i.test(text), {
        error: "wanted an origin such as https://host:port",
      }),
    )
    .default([])
    .meta({ description: "Origins of web pages that may connect besides our own", reload: "live" }),
  trustedProxies: z
    .array(z.string().refine(isNetwork, { error: "wanted an IP address or a network such as 10.0.0.0/8" }))
    .default([])
    .meta({
      description: "Addresses or networks of proxies whose forwarded headers are believed",
      reload: "live",
    }),
  limits: Limits.prefault({}),
  reload: z
    .strictObject({
      mode: z.enum(["off", "hot", "restart", "hybrid"]).default("hybrid").meta({
        description:
          "What an edit does: nothing, what needs no restart, a restart, or a restart only where one is needed",
        reload: "live",
      }),
      debounceMs: whole(10, 60_000).default(LIMITS.configDebounceMs).meta({
        description: "Quiet after an edit before the file is read, ms",
        reload: "live",
      }),
    })
    .prefault({}),
  metrics: z
    .strictObject({
      public: Flag.default(false).meta({
        description: "GET /metrics answers without a credential",
        reload: "live",
      }),
    })
    .prefault({}),
  log: z
    .strictObject({
      format: z
        .enum(["text", "json"])
        .default("text")
        .meta({ description: "Form of log lines", reload: "live" }),
      level: z.enum(["debug", "info", "warn", "error"]).default("info").meta({
        description: "Least severe lines that are written",
        reload: "live",
      }),
    })
    .prefault({}),
});

const agentFields = {
  model: ModelChoice.optional().meta({
    description: "Model as PROVIDER/MODEL, or primary and fallbacks",
    reload: "feature",
  }),
  systemPrompt: z.string().max(LIMITS.messageCharsMax).optional().meta({
    description: "What the model is told before every conversation",
    reload: "live",
  }),
};

const Agent = z
  .strictObject({
    id: AgentId.meta({ description: "Name in session keys" }),
    default: Flag.optional().meta({ description: "Answers where no agent is named" }),
    ...agentFields,
  })
  .meta({ unused: UNUSED_AGENT });

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
      maxConcurrent: whole(1, 1_000).default(LIMITS.runsActiveMax).meta({
        description: "Runs at the same time over all sessions",
        reload: "live",
      }),
    })
    .prefault({})
    .meta({ unused: UNUSED_AGENTS_DEFAULTS }),
  list: z
    .array(Agent)
    .refine((list) => new Set(list.map(({ id }) => id)).size === list.length, {
      error: "two agents have the same id",
    })
    .default([])
    .meta({ description: "Agents by id, each over the defaults", reload: "live" }),
});

const APIS = ["openai-completions"] as const;

const Provider = z
  .strictObject({
    baseUrl: z
      .string()
      .refine(isHttpUrl, { error: "wanted an http or https address without user name and password" })
      .meta({ description: "Address of the API, with its version: http://127.0.0.1:11434/v1" }),
    apiKey: z.string().optional().meta({ description: "Credential for it", secret: true }),
    api: z.enum(APIS).default("openai-completions").meta({ description: "How to talk to it" }),
  })
  .meta({ unused: UNUSED_PROVIDER, skip: unusedApi });

function unusedApi(provider: unknown): string | undefined {
  const api =
    typeof provider === "object" && provider !== null && "api" in provider ? provider.api : undefined;
  if (typeof api !== "string" || !UNUSED_APIS.includes(api)) return undefined;
  return `its api is ${quote(api)}, and only ${APIS.map(quote).join(", ")} is supported`;
}

const Models = z.strictObject({
  providers: z.record(Text.max(100), Provider).default({}).meta({
    description: "Where models are, by the name before the / in PROVIDER/MODEL",
    reload: "feature",
  }),
});

const Variable = z.string().meta({ secret: true, reload: "live" });

/** Variables for `${VAR}`, by name here or under `vars`; the process's own come first. */
const Env = z.object({
  vars: z.record(Text, Variable).default({}).meta({
    description: "Values for ${NAME} that the environment does not have",
    reload: "live",
  }),
});

/** The sections every gateway has; features add theirs beside them. */
export const coreSections = {
  gateway: Gateway.prefault({}).meta({
    unused: UNUSED_GATEWAY,
    unusedNotes: { tls: "connections are not encrypted" },
    moved: { token: "gateway.auth.token" },
  }),
  agents: Agents.prefault({}),
  models: Models.prefault({}).meta({ unused: UNUSED_MODELS }),
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
