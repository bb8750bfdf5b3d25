import { isObject } from "../../rpc/json.ts";

/** Which conversation an agent's own id belongs to. */
export interface NoteOwner {
  readonly provider: string;
  readonly workspace: string;
  /** Ours, another one after each reset. */
  readonly sessionId: string;
}

/** Ids are opaque, but none is a book. */
const ID_CHARS_MAX = 1_000;

/** What is kept of a conversation over restarts. */
export function toNote(owner: NoteOwner, acpSessionId: string): string {
  const { provider, workspace, sessionId } = owner;
  return JSON.stringify({ acp: 1, provider, workspace, sessionId, acpSessionId });
}

/** The agent's own id of this conversation, if the note is of it. */
export function fromNote(owner: NoteOwner, note: string | undefined): string | undefined {
  const said = parse(note);
  if (!isObject(said) || said["acp"] !== 1) return undefined;
  if (said["provider"] !== owner.provider || said["workspace"] !== owner.workspace) return undefined;
  if (said["sessionId"] !== owner.sessionId) return undefined;
  return acpIdOf(said["acpSessionId"]);
}

export function acpIdOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" && value.length <= ID_CHARS_MAX ? value : undefined;
}

function parse(note: string | undefined): unknown {
  try {
    return JSON.parse(note ?? "");
  } catch {
    // Another agent's, in a form of its own.
    return undefined;
  }
}
