import type { Caller, Feature } from "../../feature.ts";
import { messageOf, RpcError } from "../../contract/errors.ts";
import type { Clock, Database } from "../../ports.ts";
import type { Writer } from "../storage/writer.ts";
import { sessionsContract } from "./contract.ts";
import { SessionEnds } from "./ends.ts";
import { SessionList } from "./list.ts";
import { Previews } from "./preview.ts";
import { Remains } from "./remains.ts";
import { resolveSession } from "./resolve.ts";
import { SearchIndex } from "./search-index.ts";
import { MessageSearch } from "./search.ts";
import type { Sessions, StoredSession } from "./sessions.ts";
import { mergeSettings, type Patch } from "./settings.ts";
import { showSettings, toWire } from "./show.ts";
import { Transfer } from "./transfer.ts";

export interface SessionsParts {
  readonly sessions: Sessions;
  readonly db: Database;
  readonly writer: Pick<Writer, "write">;
  /** Stops every run of the session, waiting ones too; resolves when that is on disk. */
  readonly endRuns: (session: StoredSession, why: "reset" | "deleted", by: Caller) => Promise<void>;
  /** Lets go of what the session's agent holds. */
  readonly closeAgent: (sessionKey: string) => Promise<void>;
  /** @throws RpcError `conflict` when there is nothing to sum up, `unavailable` as the model */
  readonly compact: (session: StoredSession) => Promise<{ compacted: number; kept: number }>;
}

/** What can be asked of sessions and done with them. */
export function createSessionsFeature(parts: SessionsParts): Feature {
  const { sessions, db, writer } = parts;
  return sessionsContract.implement(({ clock, crypto, log }) => {
    const list = new SessionList(db);
    const index = new SearchIndex(db, writer);
    const search = new MessageSearch({ db, index, crypto });
    const transfer = new Transfer({ db, writer, crypto, sessions, index });
    const remains = new Remains({ db, writer, index });
    const ends = new SessionEnds({ ...parts, remains, log });
    // What the last stop cut off.
    remains
      .clear()
      .catch((error: unknown) => log.warn("messages of deleted sessions stay", { reason: messageOf(error) }));
    const known = (key: string, verb: string): StoredSession => {
      const session = sessions.find(key);
      if (session) return session;
      throw new RpcError("not_found", `Cannot ${verb} session "${key}": there is none`);
    };
    const whole = (session: StoredSession) => ({
      session: sessions.show(session),
      settings: showSettings(session.settings),
    });

    return {
      handlers: {
        "sessions.list": (filter) => {
          if (filter.spawnedBy !== undefined) return { sessions: [], total: 0 };
          const page = list.page(filter, clock.now());
          const shown = page.sessions.map((session) => toWire(session, sessions.isActive(session.id)));
          return { ...page, sessions: shown };
        },
        "sessions.get": ({ key }) => whole(known(key, "read")),
        "sessions.resolve": (asked) => {
          const { key, session } = resolveSession(sessions, asked);
          return { key, ...(session && { session: sessions.show(session) }) };
        },
        "sessions.create": (asked) => create(parts, clock, asked),
        "sessions.patch": async ({ idempotencyKey: _, key, ...patch }) =>
          whole(await change(parts, key, patch)),
        "sessions.reset": async ({ key }, { caller }) =>
          whole(await ends.reset(known(key, "reset"), caller, clock)),
        "sessions.delete": async ({ key }, { caller }) => ({ deleted: await ends.delete(key, caller) }),
        "sessions.compact": ({ key }) => parts.compact(known(key, "compact")),
        "sessions.preview": ({ keys, ...bounds }) => {
          const previews = new Previews(db, crypto);
          return {
            previews: keys.map((key) => {
              const session = sessions.find(key);
              if (!session) return { key, status: "missing" as const, items: [] };
              const items = previews.of(session, bounds);
              return { key, status: session.messages === 0 ? ("empty" as const) : ("ok" as const), items };
            }),
          };
        },
        "sessions.search": ({ key, ...request }) => {
          if (key === undefined) return search.find(request);
          const session = sessions.find(key);
          return session ? search.find({ ...request, sessionDbId: session.id }) : { hits: [] };
        },
        "sessions.export": ({ key, ...request }) => transfer.export(known(key, "export"), request),
        "sessions.import": async ({ key, lines, isLast }) => {
          const { session, created, ...counts } = await transfer.import({ key, lines, isLast }, clock.now());
          if (created || isLast) sessions.announce(session.key, created ? "created" : "updated");
          return { key: session.key, ...counts, session: sessions.show(session) };
        },
      },
    };
  });
}

interface Asked {
  readonly key: string;
  readonly label?: string | undefined;
  readonly agentId?: string | undefined;
  readonly model?: string | undefined;
}

async function create({ sessions, writer }: SessionsParts, clock: Clock, { key: given, ...options }: Asked) {
  const key = sessions.canonical(given);
  const { session, created } = await writer.write(() => {
    const known = sessions.find(key);
    if (!known) return sessions.admit(key, options, clock.now());
    if (!differs(known, options)) return { session: known, created: false };
    throw new RpcError("conflict", `Cannot create session "${key}": it exists with other settings`);
  });
  if (created) sessions.announce(key, "created");
  return { key, created, session: sessions.show(session) };
}

/** What is not asked for may be as it is. */
function differs(session: StoredSession, asked: Omit<Asked, "key">): boolean {
  const keys = ["label", "agentId", "model"] as const;
  return keys.some((key) => asked[key] !== undefined && asked[key] !== session[key]);
}

async function change(
  { sessions, writer }: SessionsParts,
  key: string,
  patch: Patch,
): Promise<StoredSession> {
  const changed = await writer.write(() => {
    const session = sessions.find(key);
    if (!session) throw new RpcError("not_found", `Cannot change session "${key}": there is none`);
    const { label, model, agentId, ...rest } = patch;
    const settings = mergeSettings(session.settings, rest);
    return sessions.patchIn(session, { label, model, settings, ...(agentId !== undefined && { agentId }) });
  });
  sessions.announce(changed.key, "updated");
  return changed;
}
