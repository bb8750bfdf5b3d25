import type { Feature } from "../../feature.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { runsContract } from "./contract.ts";
import type { Journal } from "./journal.ts";
import type { Runs } from "./runs.ts";

interface RunsParts {
  readonly runs: Runs;
  readonly journal: Journal;
  readonly sessions: Sessions;
}

export function createRunsFeature({ runs, journal, sessions }: RunsParts): Feature {
  return runsContract.implement(() => ({
    handlers: {
      "chat.send": (request) => runs.send(request),

      "chat.history": ({ sessionKey, limit, before, after }, call) => {
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
        return { sessionKey, ...(session ? journal.page(session.id, request) : { messages: [] }) };
      },

      "chat.abort": ({ sessionKey, runId }) => {
        const runIds = runs.abort(sessionKey, runId, "request");
        return { aborted: runIds.length > 0, runIds };
      },

      "agent.wait": async ({ runId, timeoutMs }, call) => {
        const ended = await runs.wait(runId, timeoutMs, (work) => call.caller.onGone(work));
        if (!ended) return call.fail("not_found", `Cannot wait for run "${runId}": no such run`);
        if (ended === "timeout") {
          const startedAt = runs.startedAt(runId);
          return { runId, status: "timeout" as const, ...(startedAt !== undefined && { startedAt }) };
        }
        const { status, startedAt, endedAt, error } = ended;
        if (status === "queued" || status === "running") return { runId, status: "timeout" as const };
        return {
          runId,
          status,
          ...(startedAt !== undefined && { startedAt }),
          ...(endedAt !== undefined && { endedAt }),
          ...(error && { error }),
        };
      },
    },
  }));
}
