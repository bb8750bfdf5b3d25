import { RpcError } from "../../contract/errors.ts";
import type { Clock } from "../../ports.ts";
import type { SessionOptions, Sessions, StoredSession } from "../sessions/sessions.ts";
import type { Writer } from "../storage/writer.ts";
import { stopping } from "./run.ts";

interface ResetPorts {
  readonly sessions: Sessions;
  readonly writer: Writer;
  readonly clock: Clock;
}

interface ResetAsked {
  readonly sessionKey: string;
  /** For a session that has to be made. */
  readonly options: SessionOptions;
  /** The session's from now on. */
  readonly model: string | undefined;
  /** Stops what the session has now; resolves when that is on disk. */
  endAll(sessionDbId: string): Promise<void>;
  isStopping(): boolean;
  /** What else belongs to it, in the same work. */
  andIn(session: StoredSession): void;
}

/** How often messages that come during a reset are stopped too, before its sender is told to try again. */
const ATTEMPTS = 5;

/**
 * A session begins anew when nothing runs in it: a run that came meanwhile would lose its question.
 *
 * @returns its key. @throws RpcError `busy` when messages keep coming; as `Sessions.admit`
 */
export async function resetQuietly(ports: ResetPorts, asked: ResetAsked): Promise<string> {
  const { sessions, writer, clock } = ports;
  const { sessionKey, model } = asked;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (asked.isStopping()) throw stopping(sessionKey);
    const known = sessions.find(sessionKey);
    if (known) await asked.endAll(known.id);
    const key = await writer.write(() => {
      if (asked.isStopping()) throw stopping(sessionKey);
      const { session } = sessions.admit(sessionKey, asked.options, clock.now());
      if (sessions.isActive(session.id)) return undefined;
      const fresh = sessions.resetIn(session, clock.now());
      if (model !== undefined) sessions.patchIn(fresh, { model });
      asked.andIn(fresh);
      return session.key;
    });
    if (key !== undefined) return key;
  }
  throw new RpcError("busy", `Cannot reset session "${sessionKey}": messages keep coming in`);
}
