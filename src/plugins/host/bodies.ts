import { isObject } from "../../rpc/json.ts";
import type { PluginRequestHead, PluginResponse } from "../api.ts";
import type { HttpAsked } from "../running.ts";

/** A request to a route, as it crosses. */
export function packRequest({ body, ...head }: HttpAsked): { head: PluginRequestHead; body: string } {
  return { head, body: body.toBase64() };
}

export function unpackRequest(head: PluginRequestHead, body: string): HttpAsked {
  return { ...head, body: Uint8Array.fromBase64(body) };
}

/** An answer of a route, as it crosses: bytes as base64, everything else as what it is. */
export function packResponse({ status, headers, body }: PluginResponse): Record<string, unknown> {
  return {
    ...(status !== undefined && { status }),
    ...(headers && { headers }),
    ...(body instanceof Uint8Array ? { bytes: body.toBase64() } : body !== undefined && { body }),
  };
}

/** @throws Error for what is no answer */
export function unpackResponse(value: unknown): PluginResponse {
  if (!isObject(value)) throw new Error("its route answered no response");
  const { status, headers, body, bytes } = value;
  if (status !== undefined && !isStatus(status)) throw new Error("its route answered no status");
  if (headers !== undefined && !isTexts(headers)) throw new Error("its route answered no headers");
  const content = typeof bytes === "string" ? Uint8Array.fromBase64(bytes) : bodyOf(body);
  return {
    ...(status !== undefined && { status }),
    ...(headers && { headers }),
    ...(content !== undefined && { body: content }),
  };
}

function bodyOf(body: unknown): string | object | undefined {
  if (body === undefined || typeof body === "string") return body;
  if (typeof body === "object" && body !== null) return body;
  throw new Error("its route answered no body");
}

function isStatus(status: unknown): status is number {
  return Number.isInteger(status) && Number(status) >= 100 && Number(status) <= 599;
}

function isTexts(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((text) => typeof text === "string");
}
