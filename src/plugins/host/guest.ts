import { RpcError } from "../../contract/errors.ts";
import type { Inbound } from "../../features/channels/channel.ts";
import type { AgentTurn, ApprovalRequest, LogFields } from "../../ports.ts";
import type { PublishOptions } from "../../feature.ts";
import { isObject } from "../../rpc/json.ts";
import type { PluginGate } from "../running.ts";
import { LISTED_MAX } from "./asked.ts";
import { errorOf } from "./faults.ts";
import type { Served } from "./link.ts";

/** A version of a plugin in a process of plugins, as the gateway keeps it. */
export interface Guest {
  readonly key: number;
  readonly id: string;
  /** Where its code is: absolute, without links. */
  readonly directory: string;
  readonly gate: PluginGate;
  /** What its agents answer right now. */
  readonly turns: Map<number, AgentTurn>;
  /** It has said so, and is being stopped. */
  hasFailed: boolean;
}

type Args = Served["args"];

const LEVELS = ["debug", "info", "warn", "error"] as const;
const STATES = ["connecting", "connected", "running", "ended", "failed"] as const;

/** Answers what a plugin asks from its process. What it says is judged: its code may write anything. */
export async function answerGuest({ gate, turns }: Guest, { verb, args, signal }: Served): Promise<unknown> {
  switch (verb) {
    case "request":
      return gate.request(text(args, "method"), object(args, "params"));
    case "receive":
      return gate.receive(text(args, "channel"), text(args, "accountId"), inbound(object(args, "message")));
    case "store.get":
      return gate.store.get(text(args, "key"));
    case "store.setMany":
      return gate.store.setMany(entries(args["values"]));
    case "store.delete":
      return gate.store.delete(text(args, "key"));
    case "store.list":
      return gate.store.list(listed(args));
    case "approve": {
      const turn = turns.get(Number(args["turnKey"]));
      return turn ? turn.approve(approval(object(args, "request")), signal) : "deny";
    }
    default:
      throw new RpcError("invalid_request", `Cannot answer "${verb}": no such verb`);
  }
}

/** Takes what a plugin tells; for what it may not say it has failed, and those beside it have not. */
export function hearGuest(guest: Guest, verb: string, args: Args): void {
  try {
    heard(guest, verb, args);
  } catch (error) {
    failed(guest, error);
  }
}

function failed(guest: Guest, error: unknown): void {
  if (guest.hasFailed) return;
  guest.hasFailed = true;
  guest.gate.failed(error);
}

function heard(guest: Guest, verb: string, args: Args): void {
  const { gate, turns } = guest;
  switch (verb) {
    case "publish":
      return published(gate, args);
    case "log":
      return gate.log(one(LEVELS, args["level"]), text(args, "message"), fieldsOf(args["fields"]));
    case "state": {
      const part = object(args, "part");
      const now = object(args, "now");
      const { channel } = part;
      const { detail } = now;
      return gate.state(
        {
          kind: part["kind"] === "account" ? "account" : "service",
          id: text(part, "id"),
          ...(typeof channel === "string" && { channel }),
        },
        { state: one(STATES, now["state"]), ...(typeof detail === "string" && { detail }) },
      );
    }
    case "denied":
      return gate.denied(text(args, "capability"), text(args, "what"));
    case "failed":
      return failed(guest, errorOf(args["error"]));
    case "remember":
      return turns.get(Number(args["turnKey"]))?.remember(text(args, "note"));
    default:
      throw new Error(`it said "${verb.slice(0, 40)}", which is nothing`);
  }
}

function published(gate: PluginGate, args: Args): void {
  try {
    gate.publish(text(args, "event"), object(args, "payload"), optionsOf(args["options"]));
  } catch (error) {
    // It has been told over there already.
    if (!(error instanceof RpcError)) throw error;
  }
}

function optionsOf(options: unknown): PublishOptions {
  if (!isObject(options)) return {};
  const { dropIfSlow, key, audience } = options;
  return {
    ...(typeof dropIfSlow === "boolean" && { dropIfSlow }),
    ...(typeof key === "string" && { key }),
    ...(isObject(audience) && {
      audience: { sessionKey: text(audience, "sessionKey"), owner: text(audience, "owner") },
    }),
  };
}

function fieldsOf(fields: unknown): LogFields {
  if (!isObject(fields)) return {};
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      typeof value === "string" || typeof value === "number" || typeof value === "boolean"
        ? [[name, value]]
        : [],
    ),
  );
}

function inbound(message: Args): Inbound {
  const { threadId, isMentioned, images } = message;
  const sender = object(message, "sender");
  const { name } = sender;
  return {
    chatId: text(message, "chatId"),
    messageId: text(message, "messageId"),
    sender: { id: text(sender, "id"), ...(typeof name === "string" && { name }) },
    isGroup: message["isGroup"] === true,
    text: text(message, "text"),
    ...(typeof threadId === "string" && { threadId }),
    ...(typeof isMentioned === "boolean" && { isMentioned }),
    ...(Array.isArray(images) && { images: images.map(imageOf) }),
  };
}

function imageOf(image: unknown): { mimeType: string; data: string } {
  if (!isObject(image)) throw invalid("images");
  return { mimeType: text(image, "mimeType"), data: text(image, "data") };
}

function approval(request: Args): ApprovalRequest {
  const { tool, details } = request;
  return {
    title: text(request, "title"),
    ...(typeof tool === "string" && { tool }),
    ...(typeof details === "string" && { details }),
  };
}

function listed({ prefix, after, limit }: Args): { prefix?: string; after?: string; limit: number } {
  return {
    ...(typeof prefix === "string" && { prefix }),
    ...(typeof after === "string" && { after }),
    limit: typeof limit === "number" ? Math.min(limit, LISTED_MAX) : LISTED_MAX,
  };
}

/** As pairs, because a value that is `undefined` would be lost as one of an object. */
function entries(values: unknown): Record<string, unknown> {
  if (!Array.isArray(values)) throw invalid("values");
  return Object.fromEntries(
    values.map((pair: unknown) => {
      if (!Array.isArray(pair) || typeof pair[0] !== "string") throw invalid("values");
      // Without a second one it goes.
      return [pair[0], pair[1] as unknown];
    }),
  );
}

function one<const T extends string>(allowed: readonly T[], value: unknown): T {
  const found = allowed.find((name) => name === value);
  if (found === undefined) throw invalid(allowed.join(", "));
  return found;
}

function text(args: Args, name: string): string {
  const value = args[name];
  if (typeof value !== "string") throw invalid(name);
  return value;
}

function object(args: Args, name: string): Record<string, unknown> {
  const value = args[name];
  if (!isObject(value)) throw invalid(name);
  return value;
}

function invalid(name: string): RpcError {
  return new RpcError("invalid_request", `Cannot answer plugin: its "${name}" is not what it has to be`);
}
