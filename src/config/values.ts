import { ipv6Groups, isIpv4 } from "../rpc/address.ts";
import type { ModelChoice } from "./sections/agents.ts";

/** The port of the system we replace, and ours. */
export const PORT_DEFAULT = 18789;

/** Words that begin a session anew, where the configuration has none. */
export const RESET_TRIGGERS: readonly string[] = ["/new", "/reset"];

export const BINDS = ["loopback", "lan", "tailnet"] as const;

/** Where the gateway listens: one of three words, or the exact address that was written. */
export type Bind =
  { readonly kind: (typeof BINDS)[number] } | { readonly kind: "address"; readonly address: string };

/**
 * What `gateway.bind` means, undefined if nothing safe. `auto` meant "loopback, else everywhere" in the
 * system we replace; here it is loopback and never more.
 */
export function toBind(text: string): Bind | undefined {
  if (text === "auto") return { kind: "loopback" };
  const word = BINDS.find((bind) => bind === text);
  if (word) return { kind: word };
  return isIpAddress(text) ? { kind: "address", address: text } : undefined;
}

/** An address as a socket takes it; one with a zone is none. */
export function isIpAddress(text: string): boolean {
  return isIpv4(text) || (!text.includes("%") && ipv6Groups(text) !== undefined);
}

/** The models of a choice in the order to try them; empty when none was chosen. */
export function toModels(choice: ModelChoice | undefined): readonly string[] {
  if (choice === undefined) return [];
  if (typeof choice === "string") return [choice];
  return choice.primary === undefined ? choice.fallbacks : [choice.primary, ...choice.fallbacks];
}

/** `~` and `~/…` below the user's home directory; anything else as it is. */
export function expandHome(path: string, home: string): string {
  return path === "~" || path.startsWith("~/") ? home + path.slice(1) : path;
}

/** The value itself, nothing in it can be changed any more. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
