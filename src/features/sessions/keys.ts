import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";

/** What a session is for, as its key says. */
export const KINDS = [
  "main",
  "direct",
  "group",
  "thread",
  "cron",
  "hook",
  "node",
  "subagent",
  "other",
] as const;
export type SessionKind = (typeof KINDS)[number];

/** How far people who write directly share a session. */
export type DmScope = "main" | "per-peer" | "per-channel-peer" | "per-account-channel-peer";

/** Where a message comes from. */
export interface Route {
  /** Absent: the default agent. */
  readonly agentId?: string | undefined;
  readonly channel: string;
  readonly accountId?: string | undefined;
  readonly peer: { readonly kind: "direct" | "group" | "channel"; readonly id: string };
  readonly threadId?: string | undefined;
}

/** What the configuration says about keys. */
export interface KeyConfig {
  readonly scope: "per-sender" | "global";
  readonly dmScope: DmScope;
  /** A person's name, and `CHANNEL:ID` of each of their names elsewhere. */
  readonly identityLinks: Readonly<Record<string, readonly string[]>>;
  readonly defaultAgent: string;
}

/** The session of everybody, with `session.scope` `global`. */
const GLOBAL = "global";

const CHANNEL = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** Words that mean something where a channel's name stands. */
const NO_CHANNELS = new Set("main direct dm group channel thread topic subagent acp cron hook".split(" "));

/** The key of an agent's own session. */
export function mainKeyOf({ scope, defaultAgent }: Pick<KeyConfig, "scope" | "defaultAgent">): string {
  return scope === "global" ? GLOBAL : agentMain(defaultAgent);
}

function agentMain(agentId: string): string {
  return `agent:${agentId.toLowerCase()}:main`;
}

/** The agent a key names. */
export function agentOf(key: string): string | undefined {
  return /^agent:([^:]*):./.exec(key)?.[1];
}

/** Every way a key can look; the first that fits says what it is. @source PEER F16 */
const SHAPES: readonly (readonly [SessionKind, RegExp])[] = [
  ["main", /^(?:global|agent:[^:]*:main)$/],
  ["subagent", /^(?:agent:[^:]*:(?:.*:)?)?subagent:[^:]+$/],
  ["cron", /^(?:agent:[^:]*:)?cron:./],
  ["hook", /^(?:agent:[^:]*:)?hook:./],
  ["node", /^(?:agent:[^:]*:)?node-[^:]+$/],
  ["thread", /^agent:[^:]*:(?:main|.+:[^:]+):(?:thread|topic):[^:]+$/],
  ["direct", /^agent:[^:]*:(?:[^:]+:){0,2}(?:direct|dm):[^:]+$/],
  ["group", /^agent:[^:]*:[^:]+:(?:group|channel):[^:]+$/],
];

export function kindOf(key: string): SessionKind {
  return SHAPES.find(([, shape]) => shape.test(key))?.[0] ?? "other";
}

/** The channel a key names. */
export function channelOf(key: string): string | undefined {
  const found = /^agent:[^:]*:([^:]+):(?:[^:]+:)?(?:direct|dm|group|channel):/.exec(key)?.[1];
  return found === undefined || NO_CHANNELS.has(found) ? undefined : found;
}

/**
 * The session that a message from there belongs to. Two routes have the same key only where the
 * configuration says that they share one.
 *
 * @throws RpcError `invalid_params` for what can be no part of a key
 */
export function sessionKeyFor(route: Route, config: KeyConfig): string {
  if (config.scope === "global") return GLOBAL;
  const agentId = (route.agentId ?? config.defaultAgent).toLowerCase();
  const channel = toChannel(route.channel);
  const key = withThread(keyOfPeer(route, { agentId, channel }, config), channel, route.threadId);
  if (key.length <= LIMITS.sessionKeyCharsMax) return key;
  throw noKey("peer", route.peer.id, `its key is longer than ${LIMITS.sessionKeyCharsMax} characters`);
}

function keyOfPeer(
  { peer, accountId }: Route,
  { agentId, channel }: { agentId: string; channel: string },
  { dmScope, identityLinks }: KeyConfig,
): string {
  const id = toPart("peer", peer.id);
  if (peer.kind !== "direct") return `agent:${agentId}:${channel}:${peer.kind}:${id}`;
  if (dmScope === "main") return agentMain(agentId);
  const person = linkedPerson(`${channel}:${peer.id}`, identityLinks) ?? unlinked(id, identityLinks);
  if (dmScope === "per-peer") return `agent:${agentId}:direct:${person}`;
  if (dmScope === "per-channel-peer") return `agent:${agentId}:${channel}:direct:${person}`;
  const account = toPart("account", accountId ?? "default");
  return `agent:${agentId}:${channel}:${account}:direct:${person}`;
}

function withThread(key: string, channel: string, threadId: string | undefined): string {
  if (threadId === undefined) return key;
  // What the original calls them: topics of a forum there, threads elsewhere.
  const word = channel === "telegram" ? "topic" : "thread";
  return `${key}:${word}:${toPart("thread", threadId)}`;
}

type Links = KeyConfig["identityLinks"];

/** @source PEER F18 */
function linkedPerson(name: string, links: Links): string | undefined {
  const wanted = name.toLowerCase();
  const found = Object.entries(links).find(([, names]) => names.some((one) => one.toLowerCase() === wanted));
  return found && toPart("person", found[0]);
}

/** A stranger may not become somebody of `identityLinks` by taking that name. */
function unlinked(id: string, links: Links): string {
  const isTaken = Object.keys(links).some((person) => toPart("person", person) === id);
  // No escape looks like this one.
  return isTaken ? `%~${id}` : id;
}

function toChannel(name: string): string {
  const channel = name.toLowerCase();
  if (CHANNEL.test(channel) && !NO_CHANNELS.has(channel)) return channel;
  throw noKey("channel", name, "wanted letters, digits, dots, - and _, and no word of session keys");
}

/** One part of a key: what could end it, or be mistaken for another, is escaped. */
function toPart(what: string, text: string): string {
  if (text === "") throw noKey(what, text, "it is empty");
  if (text.length > LIMITS.sessionKeyCharsMax) {
    throw noKey(what, `${text.slice(0, 20)}…`, `longer than ${LIMITS.sessionKeyCharsMax} characters`);
  }
  if (!text.isWellFormed()) throw noKey(what, text.toWellFormed(), "broken text");
  return text.replace(/[%:\s\p{Cc}\p{Cf}]/gu, (character) => percent(character));
}

/** Each byte of its UTF-8 as `%` and two digits. */
function percent(character: string): string {
  const bytes = new TextEncoder().encode(character);
  return [...bytes].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
}

function noKey(what: string, value: string, state: string): RpcError {
  return new RpcError("invalid_params", `Cannot make a session key for ${what} "${value}": ${state}`);
}
