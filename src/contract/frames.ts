import { z } from "zod";
import { once, type Output, SCOPES } from "./define.ts";
import { LIMITS } from "./limits.ts";

/** The protocol number we speak in `plain` and JSON-RPC. @source PROTOCOL §3 */
export const PROTOCOL_VERSION = 1;

/** One schema for all of them: each one more would be made at the first `connect` after a start. */
const Name = once(() => z.string().max(200).optional());

const ProtocolNumber = once(() => z.int().min(0).optional());
const Credential = once(() => z.string().optional());

/** A number that counts events over the gateway's lifetime, and the lifetime it belongs to. */
export const Cursor = once(() => z.strictObject({ epoch: z.string().max(64), seq: z.int().min(0) }));
export type Cursor = Output<typeof Cursor>;

/**
 * What a connection is told of. `sessions`: the events of these sessions, or of all; absent: of the runs this
 * client began. `events`: these, by name; absent: every one its scopes allow. What is no session's comes in
 * any case, and `tick`, `shutdown` and `resync` always do.
 */
export const Subscription = once(() =>
  z.strictObject({
    sessions: z
      .union([
        z.array(z.string().min(1).max(LIMITS.sessionKeyCharsMax)).max(LIMITS.followedSessionsMax),
        z.literal("all"),
      ])
      .optional()
      .describe("absent: the runs this client began"),
    events: z
      .array(z.string().min(1).max(100))
      .max(LIMITS.followedEventsMax)
      .optional()
      .describe("names; absent: every event its scopes allow"),
  }),
);
export type Subscription = Output<typeof Subscription>;

/**
 * Params of `connect`: who the client is, what it presents, what it asks for. Names are open; nothing
 * here is trusted: scopes asked for only narrow what the credential allows.
 *
 * @source PROTOCOL §3
 */
export const ConnectParams = once(() =>
  z.strictObject({
    minProtocol: ProtocolNumber(),
    maxProtocol: ProtocolNumber(),
    client: z
      .strictObject({
        id: Name(),
        version: Name(),
        platform: Name(),
        mode: Name(),
        displayName: Name(),
        instanceId: Name(),
        deviceFamily: Name(),
        modelIdentifier: Name(),
      })
      .optional(),
    auth: z
      .strictObject({
        token: Credential(),
        password: Credential(),
        deviceToken: Credential(),
      })
      .optional(),
    role: z.enum(["operator", "node"]).optional(),
    scopes: z.array(z.string().max(64)).max(32).optional(),
    device: z.looseObject({}).optional(),
    caps: z.array(z.string().max(200)).max(64).optional(),
    locale: Name(),
    userAgent: z.string().max(500).optional(),
    resume: Cursor().optional(),
    subscribe: Subscription().optional(),
  }),
);
export type ConnectParams = Output<typeof ConnectParams>;

/** One client as others see it. */
export const PresenceEntry = once(() =>
  z.strictObject({
    connId: z.string(),
    client: z.string().describe("the client's own id, unverified"),
    displayName: z.string().optional(),
    version: z.string().optional(),
    platform: z.string().optional(),
    mode: z.string().optional(),
    instanceId: z.string().optional(),
    role: z.enum(["operator", "node"]),
    scopes: z.array(z.enum(SCOPES)),
    connectedAtMs: z.int(),
  }),
);
export type PresenceEntry = Output<typeof PresenceEntry>;

/** The state of the gateway in one small object; costs nothing to make. */
export const Health = once(() =>
  z.strictObject({
    ok: z.boolean(),
    ts: z.int().describe("ms since 1970"),
    uptimeMs: z.int(),
    clients: z.int(),
    runs: z.strictObject({ active: z.int(), queued: z.int() }),
  }),
);
export type Health = Output<typeof Health>;

/** The result of `connect`. @source PROTOCOL §3 */
export const Hello = once(() =>
  z.strictObject({
    type: z.literal("hello-ok"),
    protocol: z.int(),
    server: z.strictObject({
      name: z.string(),
      version: z.string(),
      runtime: z.string(),
      connId: z.string(),
    }),
    features: z.strictObject({ methods: z.array(z.string()), events: z.array(z.string()) }),
    snapshot: z.strictObject({
      health: Health(),
      presence: z.array(PresenceEntry()),
      stateVersion: z.strictObject({ presence: z.int(), health: z.int() }),
      uptimeMs: z.int(),
      configPath: z.string(),
      stateDir: z.string(),
    }),
    auth: z.strictObject({ role: z.enum(["operator", "node"]), scopes: z.array(z.enum(SCOPES)) }),
    policy: z.strictObject({
      maxPayload: z.int(),
      maxBufferedBytes: z.int(),
      tickIntervalMs: z.int(),
      maxInflight: z.int(),
    }),
    resume: z.strictObject({ epoch: z.string(), seq: z.int(), replayed: z.int(), resync: z.boolean() }),
  }),
);
export type Hello = Output<typeof Hello>;

/** Events the hub itself sends, outside any feature. */
export const RESYNC_EVENT = "resync";
/** What a connection lives by: it comes whatever it has subscribed to. */
export const VITAL_EVENTS: readonly string[] = ["tick", "shutdown", RESYNC_EVENT];
export const CHALLENGE_EVENT = "connect.challenge";
export const CONNECT_METHOD = "connect";

export const HELLO_LIMITS = {
  maxBufferedBytes: LIMITS.outboundBytesMax,
  tickIntervalMs: LIMITS.tickMs,
  maxInflight: LIMITS.inflightMax,
} as const;
