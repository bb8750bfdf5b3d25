// What a well-behaved client sends: valid requests of every method, made from the methods' own schemas.
import { z } from "zod";
import type { Methods } from "../../src/contract/define.ts";
import { createRandom, type Random } from "./random.ts";

export type Dialect = "plain" | "jsonrpc" | "frames";
export const DIALECTS = ["plain", "jsonrpc", "frames"] as const;

/** Words that stand for what only the gateway knows, and how it says it. */
const KNOWN = {
  "@run": /"runId":"([^"]+)"(?:,"sessionKey":"[^"]+")?,"status"/,
  "@hash": /"hash":"([0-9a-f]{64})"/,
  "@picture": /"type":"image","id":"([^"]+)"/,
  "@approval": /"approval":\{"id":"([^"]+)"/,
  "@session": /"sessionId":"([^"]+)"/,
  "@next": /"next":"([^"]+)"/,
  "@code": /"code":"([A-Z2-9]{8})"/,
} as const;

/** Fills such words in when the frame is sent. */
export class Places {
  readonly #known = new Map<string, string>();

  /** Remembers the newest of each from what the gateway says. */
  learn(said: string): void {
    for (const [place, pattern] of Object.entries(KNOWN)) {
      const found = pattern.exec(said)?.[1];
      if (found !== undefined) this.#known.set(place, found);
    }
  }

  fill(frame: string): string {
    return frame.replace(PLACE, (place) => this.#known.get(place) ?? "none");
  }
}

const PLACE = new RegExp(Object.keys(KNOWN).join("|"), "g");
const PICTURE = "iVBORw0KGgo=";
/** A plugin that can be installed. */
const PLUGIN = Bun.fileURLToPath(new URL("./plugin", import.meta.url));
const RAW = '{"agents":{"defaults":{"maxConcurrent":7}}}';

/** One request as a method and its params, in no dialect yet. */
export interface Sample {
  readonly method: string;
  readonly params: Record<string, unknown>;
}

type Schema = z.core.JSONSchema.JSONSchema;

/** Values that mean something, by the name of the parameter: schemas say what fits, not what is there. */
const WORDS: Readonly<Record<string, readonly [unknown, ...unknown[]]>> = {
  key: ["main", "talk", "ünïcode ключ 🔑", "a:b/c", "x", "sessions.keepMax", "agents.defaults.maxConcurrent"],
  value: [40, 41, "info", null],
  raw: [RAW, '{"agents":{"defaults":{"maxConcurrent":8}}} // why'],
  patch: ['{"agents":{"defaults":{"maxConcurrent":9}}}'],
  drop: [["agents"], []],
  baseHash: ["@hash"],
  backup: ["2026-01-01T00-00-00.000Z"],
  sessionKey: ["main", "talk", "ünïcode ключ 🔑", "a:b/c", "x"],
  idempotencyKey: ["k1", "k2", "k3", "k4"],
  keys: [["main"], ["talk", "x", "nobody"]],
  id: ["@picture", "@approval"],
  sessionId: ["@session"],
  cursor: ["@next"],
  events: [["chat"], ["agent", "chat", "sessions.changed"]],
  sessions: [["main", "talk"], "all"],
  content: [PICTURE],
  workspace: ["/tmp"],
  runId: ["@run"],
  agentId: ["main"],
  model: ["echo/echo"],
  timeoutMs: [1, 50, 1_000],
  before: ["1", "7"],
  after: ["2", "1000000"],
};

/** What {@link createCore}'s agent asks a person about before it answers. */
export const ASK = "may I?";

const TEXTS = [
  "hello",
  "a longer text of some words",
  "日本語",
  "🙂🙂",
  "line\nbreak",
  "%s ${x} {{y}}",
] as const;

/** Requests enough that every optional parameter is there in some and missing in others. */
const PER_METHOD = 24;

/** What waits for the disk each time is asked for less often. */
const PER_CONFIG_METHOD = 1;

/** Parameters that depend on each other: chance alone would hardly hit them. */
const RECIPES: Readonly<Record<string, readonly Record<string, unknown>[]>> = {
  "config.set": [
    { key: "sessions.keepMax", value: 40 },
    { key: "agents.defaults.maxConcurrent", value: 6, baseHash: "@hash" },
  ],
  "config.unset": [{ key: "sessions.keepMax" }],
  "config.explain": [{ key: "sessions.keepMax" }],
  "config.rollback": [{}],
  "config.override.set": [{ key: "sessions.keepMax", value: 40 }],
  "config.override.unset": [{ key: "sessions.keepMax" }],
  "config.get": [{}],
  "config.patch": [{ raw: RAW, baseHash: "@hash" }],
  "plugins.info": [{ id: "hello" }],
  "plugins.enable": [{ id: "hello" }],
  "plugins.disable": [{ id: "webhook" }],
  "plugins.reload": [{ id: "hello" }],
  "plugins.install": [{ source: PLUGIN, replace: true }],
  "plugins.remove": [{ id: "other", data: true }],
  "pigeon.write": [{ sender: "stranger", text: "hello" }],
  "channels.logout": [{ channel: "pigeon" }],
  "channels.pairing.approve": [{ code: "@code" }],
  send: [{ to: "7", message: "hello", channel: "pigeon", idempotencyKey: "sent" }],
  "chat.retry": [{ sessionKey: "cut" }],
  "chat.send": [
    { sessionKey: "cut", message: "some words", idempotencyKey: "cut", timeoutMs: 1 },
    {
      sessionKey: "pictured",
      message: "look",
      attachments: [{ mimeType: "image/png", content: PICTURE }],
      idempotencyKey: "picture",
    },
  ],
  "chat.history": [{ sessionKey: "pictured" }],
  "chat.image": [{ sessionKey: "pictured", id: "@picture" }],
  "approvals.resolve": [{ id: "@approval", decision: "allow_once" }],
  "sessions.import": [
    {
      key: "imported",
      lines: [
        '{"type":"session","version":1,"label":"from elsewhere"}',
        '{"type":"message","role":"user","ts":1,"content":[{"type":"text","text":"before"}]}',
      ],
    },
  ],
  "config.apply": [{ raw: RAW, baseHash: "@hash", drop: ["gateway", "agents", "sessions", "plugins"] }],
};

/** Valid requests of every method, one method after the other, the same for the same seed. */
export function createSamples(seed: number, methods: Methods): Sample[] {
  const random = createRandom(seed);
  return Object.entries(methods).flatMap(([method, { params }]) => {
    const schema = z.toJSONSchema(params, { io: "input", unrepresentable: "any" });
    const length = /^config\.|^plugins\.(?:enable|disable|install|remove)$/.test(method)
      ? PER_CONFIG_METHOD
      : PER_METHOD;
    const made = Array.from({ length }, () => objectOf(schema, random));
    return [...made, ...(RECIPES[method] ?? [])].map((params) => ({ method, params }));
  });
}

/** Params of `connect` that are let in, but for the credential, which is the caller's. */
export function connectSample(random: Random, auth: unknown): Sample {
  const optional = {
    minProtocol: 1,
    maxProtocol: random.pick([1, 4]),
    client: { id: "fuzz", version: "0", platform: "linux", mode: "test", instanceId: `i-${random.below(9)}` },
    role: random.pick(["operator", "node"]),
    scopes: random.pick([["read"], ["operator.write", "read"], ["admin"], [], ["nothing-known"]]),
    device: { id: "d", publicKey: "p" },
    caps: ["canvas"],
    locale: "de",
    userAgent: "fuzz/0",
    resume: { epoch: random.pick(["epoch-0", "id-000001"]), seq: random.below(50) },
  };
  const kept = Object.entries(optional).filter(() => random.chance(0.3));
  return { method: "connect", params: { auth, ...Object.fromEntries(kept) } };
}

/** The request as this dialect writes it. */
export function toRequest(
  dialect: Dialect,
  id: unknown,
  { method, params }: Sample,
): Record<string, unknown> {
  if (dialect === "plain") return { id, method, params };
  return dialect === "jsonrpc" ? { jsonrpc: "2.0", id, method, params } : { type: "req", id, method, params };
}

function objectOf({ properties = {}, required = [] }: Schema, random: Random): Record<string, unknown> {
  const wanted = Object.entries(properties).filter(([name]) => required.includes(name) || random.chance(0.4));
  return Object.fromEntries(
    wanted.map(([name, schema]) => [
      name,
      WORDS[name] ? random.pick(WORDS[name]) : valueOf(schema as Schema, random),
    ]),
  );
}

function valueOf(schema: Schema, random: Random): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return random.oneOf(schema.enum);
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants) return valueOf(random.oneOf(variants) ?? {}, random);
  switch (schema.type) {
    case "object":
      return objectOf(schema, random);
    case "array":
      return arrayOf(schema, random);
    case "string":
      return textOf(schema, random);
    case "integer":
    case "number":
      return numberOf(schema, random);
    case "boolean":
      return random.chance(0.5);
    default:
      return null;
  }
}

function arrayOf({ items, minItems = 0, maxItems = 5 }: Schema, random: Random): unknown[] {
  const length = Math.max(minItems, random.below(Math.min(maxItems, 5) + 1));
  // Apart from each other: some lists want no value twice.
  return Array.from({ length }, (_, n) => {
    const value = valueOf((items ?? {}) as Schema, random);
    return typeof value === "string" ? `${value.trim().slice(0, 30)} ${n}` : value;
  });
}

function textOf({ minLength = 0, maxLength = 1_000 }: Schema, random: Random): string {
  return random.pick(TEXTS).padEnd(minLength, "x").slice(0, maxLength);
}

function numberOf({ minimum = 0, maximum = 1_000 }: Schema, random: Random): number {
  const edge = random.pick([minimum, maximum, minimum + random.below(10)]);
  return Math.min(Math.max(edge, minimum), maximum);
}
