import { describe, expect, test } from "bun:test";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { Remains } from "../../../../src/features/sessions/remains.ts";
import { SearchIndex } from "../../../../src/features/sessions/search-index.ts";
import { setupSessions } from "./kit.ts";

type Kit = ReturnType<typeof setupSessions>;

const MANY = 3 * LIMITS.indexBatchMax;

function count(kit: Kit, table: string): number {
  return Number(kit.db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"]);
}

function left(kit: Kit): Record<string, number> {
  const tables = [
    "sessions",
    "runs",
    "messages",
    "messages_fts_docsize",
    "images",
    "approvals",
    "approval_rules",
  ];
  return Object.fromEntries(tables.map((table) => [table, count(kit, table)]));
}

/** Two long sessions whose messages lie between each other's; some of them are in the index. */
async function twoSessions(): Promise<Kit> {
  const kit = setupSessions();
  await kit.admit("gone", { label: "L" });
  await kit.admit("kept");
  const [gone = "", kept = ""] = ["gone", "kept"].map((key) => kit.sessions.find(key)?.id);
  const fill = (from: number, to: number) =>
    kit.writer.write(() => {
      for (let n = from; n < to; n++) {
        const sessionDbId = n % 2 === 0 ? gone : kept;
        const asked = { id: `r${n}`, sessionDbId, origin: "chat" as const, owner: "", options: {}, ts: 1 };
        const { seq: runSeq } = kit.journal.addRun({ ...asked, isStarted: true });
        const images = n % 100 === 0 ? [{ id: `i${n}`, mimeType: "image/png" as const, data: "AAAA" }] : [];
        kit.journal.addMessage({ sessionDbId, runSeq, text: `same words ${n}`, images, ts: 1 });
      }
    });
  await fill(0, MANY);
  await kit.call("sessions.search", { query: "words" });
  await fill(MANY, 2 * MANY);
  kit.db.exec(`INSERT INTO approvals (id, session_id, run_id, title, created_at, expires_at)
    SELECT id, id, '', '', 1, 2 FROM sessions`);
  kit.db.exec("INSERT INTO approval_rules (session_id, tool) SELECT id, 'tool' FROM sessions");
  return kit;
}

async function cleared(kit: Kit): Promise<void> {
  await new Remains({ ...kit, index: new SearchIndex(kit.db, kit.writer) }).clear();
}

describe("a deleted session", () => {
  test("is gone at once for everybody, its messages go in pieces", async () => {
    const kit = await twoSessions();
    const { sessionId = "" } = kit.sessions.find("gone") ?? {};
    expect((await kit.call("sessions.delete", { key: "gone" })).result as unknown).toEqual({ deleted: true });
    // Most of it is still there.
    expect(count(kit, "messages")).toBeGreaterThan(MANY + MANY / 2);
    expect(left(kit)).toMatchObject({ approvals: 1, approval_rules: 1 });

    expect(kit.sessions.count()).toBe(1);
    for (const sought of [{ sessionId }, { label: "L" }])
      expect((await kit.call("sessions.resolve", sought)).error?.code).toBe("not_found");
    for (const filter of [{}, { kind: "other" }, { search: "o" }]) {
      const { result } = await kit.call("sessions.list", filter);
      expect(result as unknown).toMatchObject({ total: 1, sessions: [{ key: "kept" }] });
    }
    const { result } = await kit.call("sessions.search", { query: "words", limit: 100 });
    const { hits } = result as unknown as { hits: { key: string }[] };
    expect(new Set(hits.map(({ key }) => key))).toEqual(new Set(["kept"]));
    expect((await kit.call("sessions.create", { key: "gone", label: "L" })).result as unknown).toMatchObject({
      created: true,
      session: { messages: 0 },
    });
  });

  test("leaves nothing, and takes nothing of another one's with it", async () => {
    const kit = await twoSessions();
    await kit.call("sessions.delete", { key: "gone" });
    await cleared(kit);
    await kit.call("sessions.search", { query: "words" });
    expect(left(kit)).toEqual({
      sessions: 1,
      runs: MANY,
      messages: MANY,
      messages_fts_docsize: MANY,
      images: 0,
      approvals: 1,
      approval_rules: 1,
    });
    expect(kit.db.prepare("SELECT DISTINCT session_id AS id FROM messages").all()).toEqual([
      { id: kit.sessions.find("kept")?.id ?? "" },
    ]);
  });

  test("is taken away by the next start, where a stop cut that off", async () => {
    const kit = await twoSessions();
    await kit.writer.write(() => kit.sessions.buryIn(kit.sessions.find("gone")?.id ?? ""));
    expect(count(kit, "messages")).toBe(2 * MANY);
    const next = setupSessions({ db: kit.db });
    await cleared(next);
    expect(left(next)).toMatchObject({ sessions: 1, messages: MANY, runs: MANY });
  });

  test("no piece is more than a batch, or than a few long messages", async () => {
    const kit = setupSessions();
    await kit.admit("gone");
    const id = kit.sessions.find("gone")?.id ?? "";
    await kit.writer.write(() => {
      for (let n = 0; n < 500; n++) kit.journal.addNote(id, "short", 1);
      for (let n = 0; n < 6; n++) kit.journal.addNote(id, "y".repeat(LIMITS.searchBytesMax / 4), 1);
      kit.sessions.buryIn(id);
    });
    const pieces: number[] = [];
    const write = async <T>(work: () => T): Promise<T> => {
      const before = count(kit, "messages");
      const done = await kit.writer.write(work);
      pieces.push(before - count(kit, "messages"));
      return done;
    };
    await new Remains({ db: kit.db, writer: { write }, index: new SearchIndex(kit.db, kit.writer) }).clear();
    expect(pieces).toEqual([200, 200, 103, 3, 0]);
    expect(count(kit, "sessions")).toBe(0);
  });
});
