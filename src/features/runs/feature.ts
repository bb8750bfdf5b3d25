import { LIMITS } from "../../contract/limits.ts";
import type { Feature, Handlers } from "../../feature.ts";
import type { Clock } from "../../ports.ts";
import { mainKeyOf } from "../sessions/keys.ts";
import { resolveSession } from "../sessions/resolve.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { Writer } from "../storage/writer.ts";
import { runsContract } from "./contract.ts";
import type { Journal } from "./journal.ts";
import type { Runs } from "./runs.ts";

interface RunsParts {
  readonly runs: Runs;
  readonly journal: Journal;
  readonly sessions: Sessions;
  readonly writer: Writer;
}

type Answers = Handlers<(typeof runsContract)["methods"]>;
type Reading = "agent.wait" | "chat.history" | "chat.image" | "runs.list";

export function createRunsFeature(parts: RunsParts): Feature {
  return runsContract.implement(({ clock }) => ({
    handlers: { ...readers(parts), ...writers(parts, clock) },
  }));
}

function writers({ runs, journal, sessions, writer }: RunsParts, clock: Clock): Omit<Answers, Reading> {
  return {
    "chat.send": ({ sessionKey, message, attachments, idempotencyKey, timeoutMs }, { caller }) =>
      runs.send(
        {
          sessionKey,
          message,
          attachments,
          idempotencyKey,
          origin: caller.origin ?? "chat",
          owner: caller.subject,
          options: timeoutMs === undefined ? {} : { timeoutMs },
        },
        caller.name,
      ),

    agent: async ({ message, attachments, idempotencyKey, ...asked }, { caller }) => {
      const { agentId, label, model, extraSystemPrompt } = asked;
      const timeoutMs = asked.timeoutMs ?? ofSeconds(asked.timeout);
      const accepted = await runs.begin({
        message,
        attachments,
        idempotencyKey,
        sessionKey: keyFor(sessions, asked),
        origin: caller.origin ?? "agent",
        owner: caller.subject,
        options: {
          ...(model !== undefined && { model }),
          ...(extraSystemPrompt !== undefined && { extraSystemPrompt }),
          ...(timeoutMs !== undefined && { timeoutMs }),
        },
        session: { agentId, label },
      });
      const { runId, session, acceptedAt } = accepted;
      return { runId, sessionKey: session.key, status: "accepted" as const, acceptedAt };
    },

    "chat.abort": ({ sessionKey, runId }, call) => {
      if (sessionKey === undefined && runId === undefined)
        call.fail("invalid_params", 'Cannot abort: neither "sessionKey" nor "runId" is given');
      const [run] = runs.list().filter(({ id }) => id === runId);
      if (run && sessionKey !== undefined && sessions.canonical(sessionKey) !== run.sessionKey)
        call.fail("conflict", `Cannot abort run "${run.id}": it is not of session "${sessionKey}"`);
      const which = { runId, ...(sessionKey !== undefined && { sessionKey }) };
      const runIds = runs.abort(which, { reason: "request", by: call.caller.name });
      return { aborted: runIds.length > 0, runIds };
    },

    "chat.retry": async ({ sessionKey, runId }, { caller }) => {
      const accepted = await runs.retry(sessionKey, runId, caller.subject);
      const status = accepted.status === "started" ? ("started" as const) : ("queued" as const);
      return { runId: accepted.runId, sessionKey: accepted.session.key, status };
    },

    "chat.inject": async ({ sessionKey, message, label }) => {
      const text = label === undefined ? message : `[${label}] ${message}`;
      const { id, key, created } = await writer.write(() => {
        const { session, created } = sessions.admit(sessionKey, {}, clock.now());
        return { id: journal.addNote(session.id, text, clock.now()), key: session.key, created };
      }, text.length);
      sessions.announce(key, created ? "created" : "updated");
      return { messageId: String(id) };
    },
  };
}

function readers({ runs, journal, sessions }: RunsParts): Pick<Answers, Reading> {
  return {
    "agent.wait": async ({ runId, timeoutMs }, call) => {
      const ended = await runs.wait(runId, timeoutMs, (work) => call.caller.onGone(work));
      if (!ended) return call.fail("not_found", `Cannot wait for run "${runId}": no such run`);
      if (ended === "timeout") {
        const startedAt = journal.find(runId)?.startedAt;
        return { runId, status: "timeout" as const, ...(startedAt !== undefined && { startedAt }) };
      }
      const { status, startedAt, endedAt, error, stoppedBy } = ended;
      if (status === "queued" || status === "running") return { runId, status: "timeout" as const };
      return {
        runId,
        status,
        ...(startedAt !== undefined && { startedAt }),
        ...(endedAt !== undefined && { endedAt }),
        ...(error && { error }),
        ...(stoppedBy !== undefined && { stoppedBy }),
      };
    },

    "chat.history": ({ sessionKey, limit, before, after, earlier }, call) => {
      if (before !== undefined && after !== undefined) {
        call.fail(
          "invalid_params",
          `Cannot read history of "${sessionKey}": both "before" and "after" are given`,
        );
      }
      const toId = (name: string, cursor: string | undefined): number | undefined => {
        if (cursor === undefined) return undefined;
        if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
        return call.fail(
          "invalid_params",
          `Cannot read history of "${sessionKey}": "${name}" is no message id`,
        );
      };
      const request = { limit, before: toId("before", before), after: toId("after", after) };
      const session = sessions.find(sessionKey);
      if (!session) return { sessionKey: sessions.canonical(sessionKey), messages: [] };
      const start = earlier ? 0 : session.historyStart;
      const { key, sessionId } = session;
      return { sessionKey: key, sessionId, ...journal.page(session.id, { ...request, start }) };
    },

    "chat.image": ({ sessionKey, id }, call) => {
      const session = sessions.find(sessionKey);
      const image = session && journal.image(session.id, id);
      return image ?? call.fail("not_found", `Cannot read picture "${id}": not in session "${sessionKey}"`);
    },

    "runs.list": ({ sessionKey }) => ({
      runs: runs.list(sessionKey).map(({ id, sessionKey: key, origin, startedAt }) => ({
        runId: id,
        sessionKey: key,
        origin,
        status: startedAt === undefined ? ("queued" as const) : ("running" as const),
        ...(startedAt !== undefined && { startedAt }),
      })),
    }),
  };
}

/** @throws RpcError `not_found` for an id that no session has */
function keyFor(
  sessions: Sessions,
  asked: { readonly [K in "sessionKey" | "sessionId" | "agentId"]?: string | undefined },
): string {
  const { sessionKey, sessionId, agentId } = asked;
  if (sessionKey !== undefined) return sessionKey;
  if (sessionId !== undefined) return resolveSession(sessions, { sessionId }).key;
  const { scope, defaultAgent } = sessions.keyConfig();
  return mainKeyOf({ scope, defaultAgent: agentId ?? defaultAgent });
}

/** As long as may be for 0, which there means no end. */
function ofSeconds(seconds: number | undefined): number | undefined {
  if (seconds === undefined) return undefined;
  return seconds === 0 ? LIMITS.runTimeoutMsMax : Math.min(seconds * 1_000, LIMITS.runTimeoutMsMax);
}
