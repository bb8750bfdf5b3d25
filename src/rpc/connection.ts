import { CLOSE, errorText, RpcError } from "../contract/errors.ts";
import {
  CONNECT_METHOD,
  type ConnectParams,
  type Cursor,
  type PresenceEntry,
  type Subscription,
} from "../contract/frames.ts";
import { LIMITS } from "../contract/limits.ts";
import type { Scope } from "../contract/define.ts";
import type { Caller } from "../feature.ts";
import type { Clock, Crypto, Log, Socket, SocketHandler, Stop, Timers } from "../ports.ts";
import type { Place } from "./admission.ts";
import type { Authenticator, Grant } from "./auth.ts";
import { BatchReplies } from "./batch.ts";
import { chooseCodec } from "./codecs/choose.ts";
import type { Codec, Incoming, Reply, RequestId } from "./codecs/codec.ts";
import { frames } from "./codecs/frames.ts";
import { jsonrpc } from "./codecs/jsonrpc.ts";
import { plain } from "./codecs/plain.ts";
import { Departure } from "./departure.ts";
import type { Dispatcher } from "./dispatch.ts";
import { challenge, type Identity, judgeConnect } from "./handshake.ts";
import { buildHello, presenceOf, type ServerFacts } from "./hello.ts";
import type { Client, Hub, Resumed } from "./hub.ts";
import { Interest } from "./interest.ts";
import { internalError } from "./internal.ts";
import { parseJson, utf8Bytes } from "./json.ts";
import { Lane } from "./lane.ts";
import { Outbox } from "./outbox.ts";
import type { Outgoing } from "./outgoing.ts";
import {
  batchFull,
  connectFirst,
  connectInBatch,
  connectTwice,
  refuse,
  stopping,
  tooMany,
} from "./refusals.ts";
import { scopeMask } from "./scopes.ts";
import type { Table } from "./table.ts";

/** What every connection shares. */
export interface ConnectionParts {
  readonly dispatcher: Dispatcher;
  readonly hub: Hub;
  readonly table: Table;
  readonly authenticator: Authenticator;
  readonly server: ServerFacts;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
  /** False once the gateway is stopping. */
  isAccepting(): boolean;
  /** The key a session is kept under; never throws. */
  toSessionKey(given: string): string;
}

/** What the upgrade knew of this one. */
export interface ConnectionOrigin {
  readonly address: string;
  readonly place: Place;
  /** Selected by the subprotocol before any frame. */
  readonly isJsonRpc: boolean;
  /** From a valid `Authorization` header: the connection is ready at once. */
  readonly grant: Grant | undefined;
}

type Phase = "waiting" | "ready" | "closed";

/**
 * One client from its first byte to its last: picks the dialect, holds the door until `connect`,
 * hands requests to the dispatcher in order, sends what the hub delivers.
 *
 * @source PROTOCOL §2, §3, §6
 */
export class Connection implements SocketHandler, Client, Caller {
  readonly connId: string;
  readonly connectedMs: number;
  scopes: readonly Scope[] = [];
  subject = "";
  name = "";
  interest = new Interest({ scopeMask: 0, subject: "" });
  presence: PresenceEntry;

  readonly #parts: ConnectionParts;
  readonly #origin: ConnectionOrigin;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #lane = new Lane();
  readonly #departure: Departure;
  #codec: Codec = plain;
  #isCodecFixed = false;
  #phase: Phase = "waiting";
  #hasSaidHello = false;
  /** Somebody asked for something before saying who they are. */
  #isRefused = false;
  /** What came after this number is delivered live: a credential at the upgrade makes that start early. */
  #liveSeq = Number.MAX_SAFE_INTEGER;
  /** False once it is unknown which events have come by which subscription. */
  #isResumable = true;
  #parseErrors = 0;
  #stopTimer: Stop;

  constructor(parts: ConnectionParts, origin: ConnectionOrigin, socket: Socket) {
    this.#parts = parts;
    this.#origin = origin;
    this.#socket = socket;
    this.#outbox = new Outbox(socket, () =>
      this.end(CLOSE.slow, "slow consumer: events could not be delivered"),
    );
    this.#departure = new Departure((error) =>
      parts.log.error("work after a client had gone failed", { error: errorText(error) }),
    );
    this.connId = parts.crypto.id();
    this.connectedMs = parts.clock.elapsed();
    this.presence = this.#presenceOf("operator", {});
    if (origin.isJsonRpc) {
      this.#codec = jsonrpc;
      this.#isCodecFixed = true;
    }
    this.#stopTimer = parts.timers.after(LIMITS.handshakeMs, () => {
      this.end(CLOSE.idle, `handshake not completed within ${LIMITS.handshakeMs} ms`);
    });
    const { crypto, clock } = parts;
    this.#outbox.must(challenge({ nonce: crypto.id(), ts: clock.now() }, origin.isJsonRpc));
    parts.hub.greet(this);
    if (origin.grant)
      this.#become({ grant: origin.grant, role: "operator", scopes: origin.grant.scopes, params: {} });
  }

  // --- from the socket ---

  message(text: string): void {
    if (this.#phase === "closed") return;
    if (this.#phase === "waiting" && isLongerThan(text, LIMITS.helloFrameBytesMax)) {
      return this.end(1009, `frame over ${LIMITS.helloFrameBytesMax} bytes before connect`);
    }
    const parsed = parseJson(text);
    if (parsed instanceof RpcError) return this.#unreadable(parsed);
    this.#parseErrors = 0;
    if (!this.#isCodecFixed) {
      this.#codec = chooseCodec(parsed.value);
      this.#isCodecFixed = true;
    }
    const incoming = this.#codec.decode(parsed.value);
    if (incoming.kind === "batch") this.#batch(incoming.items, text.length);
    else {
      const { id } = incoming;
      this.#one(incoming, text.length, (reply) => {
        if (id !== undefined) this.#outbox.must(this.#encode(id, reply));
      });
    }
    // Only now: a batch is answered whole, and nothing follows a close frame.
    if (this.#isRefused) this.end(CLOSE.unauthorized, "the first request must be connect");
    if (this.#codec === frames) this.end(CLOSE.version, "this version does not serve the dialect frames");
  }

  drain(): void {
    if (this.#phase !== "closed") this.#outbox.drain(this.#codec);
  }

  /** The socket is gone, whoever ended it. */
  close(code: number, reason: string): void {
    this.#stopTimer();
    this.#origin.place.release();
    this.#leave(code, reason);
  }

  // --- from the hub ---

  /** Ends the connection from our side; cut off if the client does not read its close frame. */
  end(code: number, reason: string): void {
    if (this.#phase === "closed") return;
    this.#leave(code, reason);
    this.#stopTimer = this.#parts.timers.after(LIMITS.closeGraceMs, () => this.#socket.terminate());
    this.#socket.close(code, reason);
  }

  deliver(event: Outgoing): void {
    this.#outbox.event(event, this.#codec);
  }

  // --- for handlers ---

  onGone(work: () => void): Stop {
    return this.#departure.add(work);
  }

  follow(subscription: Subscription): number {
    this.#isResumable = this.#hasSaidHello;
    this.interest = this.#interestIn(subscription);
    return this.#parts.hub.follow(this);
  }

  #leave(code: number, reason: string): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#stopTimer();
    this.#parts.hub.leave(this);
    this.#lane.clear();
    this.#departure.run();
    this.#parts.log.debug("client gone", { conn: this.connId, code, reason });
  }

  // --- requests ---

  #one(incoming: Incoming, chars: number, answer: (reply: Reply) => void): void {
    if (incoming.kind === "batch") return;
    if (incoming.kind === "invalid") return answer(refuse(incoming.error));
    const { method, params } = incoming;
    if (!this.#parts.isAccepting()) return answer(refuse(stopping()));
    if (method === CONNECT_METHOD) return this.#connect(params, answer);
    if (this.#phase !== "ready") {
      this.#isRefused = true;
      return answer(refuse(connectFirst(method)));
    }
    const isTaken = this.#lane.enter(() => this.#dispatch(method, params, answer), chars);
    if (!isTaken) answer(refuse(tooMany()));
  }

  #dispatch(method: string, params: unknown, answer: (reply: Reply) => void): void | Promise<void> {
    const reply = this.#parts.dispatcher.dispatch(method, params, this);
    if (!(reply instanceof Promise)) return answer(reply);
    return reply.then((late) => {
      if (this.#phase !== "closed") answer(late);
    });
  }

  #batch(items: readonly Incoming[], chars: number): void {
    const replies = new BatchReplies(items.length, (texts) => this.#outbox.must(this.#codec.batch(texts)));
    for (const item of items) {
      const id: RequestId | undefined = item.kind === "batch" ? null : item.id;
      const isConnect = item.kind === "request" && item.method === CONNECT_METHOD;
      const isFull = id !== undefined && replies.isFull;
      const error = isConnect ? connectInBatch() : isFull ? batchFull() : undefined;
      this.#one(error ? { kind: "invalid", id: id ?? null, error } : item, chars / items.length, (reply) =>
        replies.add(id === undefined ? undefined : this.#encode(id, reply)),
      );
    }
  }

  /** A result that JSON cannot hold is its handler's mistake: this client hears of it, and no other. */
  #encode(id: RequestId, reply: Reply): string {
    try {
      return this.#codec.reply(id, reply);
    } catch (error) {
      const failure = { logged: "reply cannot be encoded", said: "Cannot encode reply" };
      return this.#codec.reply(id, refuse(internalError(this.#parts, failure, error)));
    }
  }

  #unreadable(error: RpcError): void {
    this.#outbox.must(this.#codec.reply(null, refuse(error)));
    if (error.code !== "parse_error") return;
    if (++this.#parseErrors >= LIMITS.parseErrorsMax)
      this.end(CLOSE.protocol, `${LIMITS.parseErrorsMax} frames in a row were not JSON`);
  }

  // --- handshake ---

  #connect(given: unknown, answer: (reply: Reply) => void): void {
    if (this.#hasSaidHello) return answer(refuse(connectTwice()));
    const judged = judgeConnect(given, this.#origin, this.#parts.authenticator);
    if (!("error" in judged)) return this.#hello(judged, answer);
    answer(refuse(judged.error));
    if (judged.close) this.end(judged.close.code, judged.close.reason);
  }

  /** Snapshot and subscription in one synchronous step: no event falls between. */
  #hello(identity: Identity, answer: (reply: Reply) => void): void {
    const { hub, server, table } = this.#parts;
    const { role, scopes, params } = identity;
    const { interest: before } = this;
    this.#become(identity);
    const resumed = params.resume && this.#resume(params.resume, before);
    this.#hasSaidHello = true;
    answer({
      ok: true,
      result: buildHello(server, { table, hub }, { connId: this.connId, role, scopes, resumed }),
    });
    for (const event of resumed?.events ?? []) this.#outbox.event(event, this.#codec);
  }

  /** What it missed, but for what it has been told since its credential was taken at the upgrade. */
  #resume(cursor: Cursor, before: Interest): Resumed {
    if (!this.#isResumable) return { events: [], resync: true };
    const liveSeq = this.#liveSeq;
    const hasCome = (event: Outgoing): boolean => event.seq > liveSeq && before.hears(event);
    return this.#parts.hub.resume(cursor, (event) => this.interest.hears(event) && !hasCome(event));
  }

  #become({ grant, role, scopes, params }: Identity): void {
    const { hub, log } = this.#parts;
    hub.leave(this);
    this.#stopTimer();
    this.#phase = "ready";
    this.scopes = scopes;
    this.presence = this.#presenceOf(role, params);
    this.name = this.presence.displayName ?? this.presence.client;
    this.subject = `${grant.credential}:${params.client?.instanceId ?? params.client?.id ?? ""}`;
    this.interest = this.#interestIn(params.subscribe);
    this.#origin.place.promote();
    this.#liveSeq = Math.min(this.#liveSeq, hub.seq);
    hub.join(this);
    log.debug("client ready", {
      conn: this.connId,
      client: this.presence.client,
      address: this.#origin.address,
    });
  }

  #interestIn({ sessions, events }: Subscription = {}): Interest {
    const { subject } = this;
    const keys = Array.isArray(sessions) ? sessions.map((key) => this.#parts.toSessionKey(key)) : sessions;
    return new Interest({ scopeMask: scopeMask(this.scopes), subject }, { sessions: keys, events });
  }

  #presenceOf(role: PresenceEntry["role"], { client }: ConnectParams): PresenceEntry {
    const { connId, scopes } = this;
    return presenceOf({ connId, role, scopes, connectedAtMs: this.#parts.clock.now() }, client);
  }
}

/** Most texts are plainly short enough; only the others are measured. */
function isLongerThan(text: string, bytes: number): boolean {
  return text.length > bytes || (text.length * 3 > bytes && utf8Bytes(text) > bytes);
}
