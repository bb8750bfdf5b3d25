import type { Session, Settings } from "./shapes.ts";
import type { SessionSettings } from "./environment.ts";
import { kindOf } from "./keys.ts";
import type { Shown } from "./stored.ts";

export function toWire(session: Shown, active: boolean): Session {
  const { label, title, preview, model } = session;
  return {
    key: session.key,
    sessionId: session.sessionId,
    kind: kindOf(session.key),
    agentId: session.agentId,
    ...(label !== undefined && { label }),
    ...(title !== undefined && { title }),
    ...(preview !== undefined && { preview }),
    ...(model !== undefined && { model }),
    createdAtMs: session.createdAtMs,
    updatedAtMs: session.updatedAtMs,
    messages: session.messages,
    contextTokens: session.contextTokens,
    inputTokens: session.inputTokens,
    outputTokens: session.outputTokens,
    active,
  };
}

/** Settings without the values of variables, which are secrets. */
export function showSettings({ env, ...settings }: SessionSettings): Settings {
  return { ...settings, ...(env && { env: Object.keys(env).sort() }) };
}
