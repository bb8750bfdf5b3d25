import type { Clock, Log, Runner } from "../../ports.ts";
import type { SessionEnvironment } from "../sessions/environment.ts";
import type { StoredSession } from "../sessions/sessions.ts";
import type { Writer } from "../storage/writer.ts";
import { dayOf } from "../usage/day.ts";
import type { Contexts } from "./compaction.ts";
import type { Usage } from "./contract.ts";
import type { Journal } from "./journal.ts";

interface CompactPorts {
  readonly journal: Journal;
  readonly writer: Writer;
  readonly runner: Runner;
  readonly clock: Clock;
  readonly log: Log;
  readonly environmentOf: (session: StoredSession) => SessionEnvironment;
}

/**
 * {@link Contexts.compact} without a run: what its model calls cost is counted all the same.
 *
 * @throws the reason of `signal`, and as agents do
 */
export async function compactNow(
  ports: CompactPorts,
  contexts: Contexts,
  { session, signal }: { readonly session: StoredSession; readonly signal: AbortSignal },
): Promise<{ compacted: number; kept: number }> {
  const { journal, writer, runner, clock, log } = ports;
  const { environment } = ports.environmentOf(session);
  const who = { agentId: session.agentId, model: environment.models[0] ?? "unknown" };
  const onUsage = (usage: Usage): void => {
    const day = dayOf(clock.now());
    writer
      .write(() => journal.addUsage(day, who, usage))
      .catch((error: unknown) => log.warn("usage not written", { error: String(error) }));
  };
  try {
    return await contexts.compact({
      session,
      runtime: await runner.open(environment),
      run: { id: `compact-${session.sessionId}`, seq: Number.MAX_SAFE_INTEGER, retryOf: undefined },
      instructions: [],
      signal,
      onCompaction: () => {},
      onUsage,
    });
  } catch (error) {
    // Agents fail in words of their own when they are stopped.
    signal.throwIfAborted();
    throw error;
  }
}
