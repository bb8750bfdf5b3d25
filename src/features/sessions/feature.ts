import type { Feature } from "../../feature.ts";
import { sessionsContract } from "./contract.ts";
import type { Sessions } from "./sessions.ts";

interface SessionsParts {
  readonly sessions: Sessions;
  /** Stops every run of the session, waiting ones too. */
  readonly abortRuns: (key: string) => void;
  /** Is there an agent of this id in the configuration? */
  readonly isAgent: (agentId: string) => boolean;
}

export function createSessionsFeature({ sessions, abortRuns, isAgent }: SessionsParts): Feature {
  return sessionsContract.implement(() => ({
    handlers: {
      "sessions.list": (filter) => sessions.list(filter),

      "sessions.create": ({ key, label, agentId, model }, call) => {
        if (agentId !== undefined && !isAgent(agentId)) {
          call.fail("not_found", `Cannot create session "${key}": no agent "${agentId}" is configured`);
        }
        const { session, created } = sessions.ensure(key, { label, agentId, model });
        if (!created && differs(session, { label, agentId, model })) {
          call.fail("conflict", `Cannot create session "${key}": it exists with other settings`);
        }
        if (created) sessions.announce(key, "created");
        return { key, created, session: sessions.show(session) };
      },

      "sessions.delete": ({ key }) => {
        abortRuns(key);
        return { deleted: sessions.remove(key) };
      },
    },
  }));
}

type Settings = { label?: string | undefined; agentId?: string | undefined; model?: string | undefined };

/** What is not asked for may be as it is. */
function differs(session: Settings, asked: Settings): boolean {
  const keys = ["label", "agentId", "model"] as const;
  return keys.some((key) => asked[key] !== undefined && asked[key] !== session[key]);
}
