import { type ChannelPolicy, once, z } from "../api.ts";

const People = z.array(z.union([z.string(), z.int()])).optional();
const place = { requireMention: z.boolean().optional(), enabled: z.boolean().optional(), allowFrom: People };

const Account = once(() =>
  z.looseObject({
    enabled: z.boolean().optional(),
    name: z.string().optional(),
    botToken: z.string().optional(),
    tokenFile: z.string().optional(),
    dmPolicy: z.enum(["pairing", "allowlist", "open", "disabled"]).optional(),
    allowFrom: People,
    groupPolicy: z.enum(["allowlist", "open", "disabled"]).optional(),
    groupAllowFrom: People,
    groups: z
      .record(
        z.string(),
        z.looseObject({ ...place, topics: z.record(z.string(), z.looseObject(place)).optional() }),
      )
      .optional(),
    replyToMode: z.enum(["off", "first", "all"]).optional(),
    linkPreview: z.boolean().optional(),
    textChunkLimit: z.int().min(1).optional(),
    mediaMaxMb: z.number().min(0).optional(),
    webhookUrl: z.url({ protocol: /^https?$/ }).optional(),
    webhookSecret: z
      .string()
      .regex(/^[\w-]{1,256}$/)
      .optional(),
    webhookPath: z.string().startsWith("/").optional(),
    /** Of a Bot API server of one's own. */
    apiRoot: z
      .url({ protocol: /^https?$/ })
      .overwrite((url) => url.replace(/\/+$/, ""))
      .optional(),
  }),
);

/** Not of the schema: an account would have them in place of what holds for all. */
const DEFAULTS = {
  dmPolicy: "pairing",
  groupPolicy: "allowlist",
  groups: {},
  replyToMode: "first",
  linkPreview: true,
  textChunkLimit: 4_000,
  mediaMaxMb: 5,
  apiRoot: "https://api.telegram.org",
} as const;

type Written = z.output<ReturnType<typeof Account>>;
type Always = keyof typeof DEFAULTS;
export type Settings = Written & { readonly [K in Always]: NonNullable<Written[K]> };

/** The section `channels.telegram`; what an account does not say is as it is for all. */
export const Section = once(() => Account().extend({ accounts: z.record(z.string(), Account()).optional() }));

/**
 * The accounts that are switched on, by id. The token outside of `accounts` is that of `default`, and so is
 * the webhook: over one address nobody could tell whom of several bots somebody has written to.
 */
export function accountsOf(
  { accounts = {}, botToken, tokenFile, ...section }: z.output<ReturnType<typeof Section>>,
  envToken?: string,
): ReadonlyMap<string, Settings> {
  const token = tokenFile === undefined ? (botToken ?? envToken) : undefined;
  const hasDefault = token !== undefined || tokenFile !== undefined || Object.keys(accounts).length === 0;
  const { webhookUrl, webhookSecret, webhookPath, ...all } = section;
  const ofDefault = { botToken: token, tokenFile, webhookUrl, webhookSecret, webhookPath };
  const wanted = { ...(hasDefault && { default: {} }), ...accounts };
  const named = Object.entries(wanted).map(([id, own]): [string, Settings] => [
    id,
    // Read from JSON: what is there is not undefined.
    { ...DEFAULTS, ...all, ...(id === "default" && ofDefault), ...own } as Settings,
  ]);
  return new Map(named.filter(([, { enabled }]) => all.enabled !== false && enabled !== false));
}

/** What the gateway holds everybody to. A group's own list widens it here, and is held by `rulesOf`. */
export function policyOf({ dmPolicy, groupPolicy, groups, ...settings }: Settings): ChannelPolicy {
  const allowFrom = idsOf(settings.allowFrom);
  const places = Object.values(groups).flatMap((group) => [group, ...Object.values(group.topics ?? {})]);
  const isListed = Object.keys(groups).length > 0 && !Object.hasOwn(groups, "*");
  return {
    // Open to everybody is said twice: as the policy, and as `*`.
    direct: dmPolicy === "open" && !allowFrom.includes("*") ? "allowlist" : dmPolicy,
    allowFrom,
    group: groupPolicy === "disabled" ? "disabled" : isListed ? "allowlist" : "open",
    ...(groupPolicy !== "open" && {
      groupAllowFrom: [...idsOf(settings.groupAllowFrom ?? settings.allowFrom)].concat(
        places.flatMap((one) => idsOf(one.allowFrom)),
      ),
    }),
    groups: Object.fromEntries(
      Object.entries(groups).map(([id, { requireMention, enabled }]) => [
        id,
        {
          ...(requireMention !== undefined && { requireMention }),
          ...(enabled !== undefined && { enabled }),
        },
      ]),
    ),
  };
}

/** What holds in a group or topic beyond the policy. @returns undefined: its sender is not heard there */
export function rulesOf(
  { groupPolicy, groups, ...settings }: Settings,
  { chatId, threadId, senderId }: { chatId: string; threadId?: string; senderId: string },
): { readonly requireMention: boolean } | undefined {
  const [own, others] = [groups[chatId], groups["*"]];
  const group = own ?? others;
  const topic = threadId === undefined ? undefined : group?.topics?.[threadId];
  const general = groupPolicy === "open" ? ["*"] : (settings.groupAllowFrom ?? settings.allowFrom);
  const heard = idsOf(topic?.allowFrom ?? group?.allowFrom ?? general);
  if (topic?.enabled === false || (!heard.includes("*") && !heard.includes(senderId))) return undefined;
  const said = [topic, own, others].map((one) => one?.requireMention);
  return { requireMention: said.find((one) => one !== undefined) ?? true };
}

/** Entries of its lists that let nobody in. */
export function namesIn({ allowFrom = [], groupAllowFrom = [] }: Settings): string[] {
  return idsOf([...allowFrom, ...groupAllowFrom]).filter((id) => !/^(?:-?\d+|\*)$/.test(id));
}

/** Ids as Telegram has them. Names are none: whoever takes one over would be let in. */
function idsOf(people: z.output<typeof People> = []): string[] {
  return people.map((one) =>
    String(one)
      .trim()
      .replace(/^(?:telegram|tg):/i, ""),
  );
}
