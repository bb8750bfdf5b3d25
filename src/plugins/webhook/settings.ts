import { once, z } from "../api.ts";

/** What stands behind `/hooks/`. It is told to the agent as it is. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const Template = once(() => z.string().max(20_000).optional());

/** Of the original: what it switches on there is not here, and stops nobody's webhooks. */
export const UNUSED = ["internal", "gmail", "presets", "transformsDir"] as const;
const Unused = once(() => z.unknown().optional().describe("without effect"));

const Mapping = once(() =>
  z
    .strictObject({
      id: z.string().max(64).optional(),
      match: z
        .strictObject({
          path: z.string().regex(NAME).optional().describe("NAME of POST /hooks/NAME"),
          source: z.string().max(256).optional().describe("what `source` in the payload is"),
        })
        .default({}),
      action: z.enum(["wake", "agent", "event"]).default("agent"),
      wakeMode: z.enum(["now", "next-heartbeat"]).default("now").describe("next-heartbeat: a note, no run"),
      name: z.string().max(100).optional(),
      sessionKey: Template().describe("a template; absent: hook:NAME"),
      messageTemplate: Template().describe("for agent"),
      textTemplate: Template().describe("for wake"),
      model: z.string().max(256).optional(),
      timeoutSeconds: z.int().min(1).max(86_400).optional(),
      secret: z.string().min(16).max(1_024).optional().describe("signed with it, in place of the token"),
      allowUnsafeExternalContent: z.boolean().default(false).describe("does not mark what came from outside"),
      deliver: z.literal(false, { error: "answers of webhooks are not sent over channels" }).optional(),
      channel: z.string().optional().describe("without effect"),
      thinking: z.string().optional().describe("without effect: the session's settings have it"),
    })
    .refine(({ secret, match }) => secret === undefined || !/^(?:wake|agent)?$/.test(match.path ?? ""), {
      error: "with a secret there has to be match.path, another one than wake and agent",
    }),
);
export type Mapping = z.output<ReturnType<typeof Mapping>>;

export const settings = () =>
  z.strictObject({
    enabled: z.boolean().default(false),
    path: z.literal("/hooks", { error: "it is always /hooks" }).default("/hooks"),
    token: z.string().min(16).max(1_024).optional(),
    maxBodyBytes: z.int().min(1).max(1_048_576).default(262_144),
    mappings: z.array(Mapping()).max(100).default([]),
    internal: Unused(),
    gmail: Unused(),
    presets: Unused(),
    transformsDir: Unused(),
  });
export type Settings = z.output<ReturnType<typeof settings>>;
