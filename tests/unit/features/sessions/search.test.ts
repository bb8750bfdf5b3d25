import { describe, expect, test } from "bun:test";
import { snippetOf, toSearchWords } from "../../../../src/features/sessions/search-words.ts";
import { setupSessions } from "./kit.ts";

interface Found {
  readonly hits: {
    readonly key: string;
    readonly messageId: string;
    readonly snippet: string;
    readonly marks: [number, number][];
  }[];
  readonly next?: string;
  readonly isPartial?: boolean;
}

async function search(kit: ReturnType<typeof setupSessions>, params: object): Promise<Found> {
  const { result, error } = await kit.call("sessions.search", params);
  if (error) throw new Error(error.message);
  return result as unknown as Found;
}

const ids = ({ hits }: Found): string[] => hits.map(({ messageId }) => messageId);

describe("sessions.search", () => {
  async function spoken() {
    const kit = setupSessions();
    await kit.say("a", "The quick brown fox");
    await kit.say("a", "jumps over the lazy dog", "assistant");
    await kit.say("b", "Ein Füchslein, quicklebendig");
    await kit.say("b", "東京 は 美しい");
    return kit;
  }

  test.each([
    ["fox", ["1"]],
    ["QUICK", ["3", "1"]],
    ["quick fox", ["1"]],
    ["fox quick", ["1"]],
    ["qui", ["3", "1"]],
    ["qui fox", []],
    ["fuchslein", ["3"]],
    ["Fu\u0308chs", ["3"]],
    ["東京", ["4"]],
    ["nothing of that", []],
  ])("%s", async (query, wanted) => {
    expect(ids(await search(await spoken(), { query }))).toEqual(wanted);
  });

  test("a hit says where, and marks the words without markup", async () => {
    const kit = await spoken();
    const [hit] = (await search(kit, { query: "lazy d" })).hits;
    expect(hit).toMatchObject({
      key: "a",
      messageId: "2",
      role: "assistant",
      snippet: "jumps over the lazy dog",
    });
    expect(hit?.marks.map(([from, to]) => hit.snippet.slice(from, to))).toEqual(["lazy", "dog"]);
  });

  test("in one session, in pages", async () => {
    const kit = await spoken();
    expect(ids(await search(kit, { query: "quick", key: "a" }))).toEqual(["1"]);
    expect(ids(await search(kit, { query: "quick", key: "nobody" }))).toEqual([]);
    const first = await search(kit, { query: "quick", limit: 1 });
    expect(ids(first)).toEqual(["3"]);
    const second = await search(kit, { query: "quick", limit: 1, cursor: first.next });
    expect(ids(second)).toEqual(["1"]);
    expect(second.next).toBeUndefined();
  });

  test("while the disk takes nothing, what was indexed before is found, and the answer says so", async () => {
    const kit = await spoken();
    expect(await search(kit, { query: "fox" })).not.toHaveProperty("isPartial");
    await kit.say("b", "another fox");
    kit.db.exec("PRAGMA max_page_count = 1");
    // What little is written may fit a page that is there.
    kit.db.exec(
      "CREATE TEMP TRIGGER full BEFORE UPDATE ON state BEGIN INSERT INTO state VALUES ('b', hex(zeroblob(1000000))); END",
    );
    const found = await search(kit, { query: "fox" });
    expect([ids(found), found.isPartial]).toEqual([["1"], true]);
    // Where nothing is left to be indexed the answer is whole, whatever the disk does.
    kit.db.exec("DROP TRIGGER full; PRAGMA max_page_count = 100000");
    expect(ids(await search(kit, { query: "fox" }))).toEqual(["5", "1"]);
    kit.db.exec("PRAGMA max_page_count = 1");
    expect(await search(kit, { query: "fox" })).not.toHaveProperty("isPartial");
  });

  test("what is said after a search is found by the next", async () => {
    const kit = await spoken();
    await search(kit, { query: "fox" });
    await kit.say("b", "another fox");
    expect(ids(await search(kit, { query: "fox" }))).toEqual(["5", "1"]);
  });

  test("what was said before a reset is found, what was deleted is not and leaves the index", async () => {
    const kit = await spoken();
    await search(kit, { query: "fox" });
    await kit.call("sessions.reset", { key: "a" });
    expect(ids(await search(kit, { query: "fox" }))).toEqual(["1"]);
    await kit.call("sessions.delete", { key: "a" });
    expect(ids(await search(kit, { query: "fox" }))).toEqual([]);
    await kit.writer.settled();
    const match = kit.db.prepare("SELECT rowid FROM messages_fts WHERE messages_fts MATCH ?");
    expect([match.all("fox"), match.all("quick*")]).toEqual([[], [{ rowid: 3 }]]);
    // Deleted before it was ever in the index.
    await kit.say("c", "a fox for a moment");
    await kit.call("sessions.delete", { key: "c" });
    expect(ids(await search(kit, { query: "fox" }))).toEqual([]);
  });

  test("thousands of messages are put in the index in batches, once, whoever asks", async () => {
    const kit = setupSessions();
    await kit.say("s", "first");
    await kit.writer.write(() => {
      const { id } = kit.sessions.find("s") ?? expect.unreachable();
      for (let n = 0; n < 1_700; n++) kit.journal.addNote(id, `word${n % 7} and more`, 1);
    });
    const [one, two] = await Promise.all([
      search(kit, { query: "word3", limit: 100 }),
      search(kit, { query: "word3", limit: 100 }),
    ]);
    expect(one).toEqual(two);
    const count = kit.db.prepare("SELECT count(*) AS n FROM messages_fts WHERE messages_fts MATCH 'more'");
    expect(count.get()).toEqual({ n: 1_700 });
  });

  test("long messages make shorter pages, and none is lost", async () => {
    const kit = setupSessions();
    for (let n = 0; n < 6; n++) await kit.say("s", `needle ${"hay ".repeat(250_000)}`);
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page: Found = await search(kit, { query: "needle", ...(cursor !== undefined && { cursor }) });
      expect(page.hits.length).toBeLessThan(6);
      found.push(...ids(page));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(found).toEqual(["6", "5", "4", "3", "2", "1"]);
  });

  test.each([
    '"',
    '""',
    "fox AND",
    "NOT fox",
    "fox OR",
    "NEAR(fox quick)",
    "text: fox",
    "-fox",
    "(fox",
    "fox*",
    "*",
    "^fox",
    "fox + quick",
    "{text}",
    "'; DROP TABLE messages; --",
    "\u0000fox",
    "fox\ud800",
    "\u202efox",
    "💥",
    "%_",
    "a ".repeat(200),
    "x".repeat(400),
    '"fox" "quick',
    "\u0301",
    "fo\u0301x",
  ])("%j is words and no syntax", async (query) => {
    const kit = await spoken();
    const { hits } = await search(kit, { query });
    expect(hits.length).toBeLessThanOrEqual(4);
  });

  test("bad cursors are refused", async () => {
    const { call } = await spoken();
    expect((await call("sessions.search", { query: "fox", cursor: "x" })).error?.code).toBe("invalid_params");
  });
});

describe("a snippet", () => {
  const of = (text: string, query: string) => snippetOf(text, toSearchWords(query) ?? expect.unreachable());

  test("begins a little before the first word that was found, far into a long text", () => {
    const { snippet, marks } = of(`${"lorem ".repeat(10_000)}needle ${"ipsum ".repeat(10_000)}`, "needle");
    expect(snippet.length).toBeLessThanOrEqual(240);
    expect(marks.map(([from, to]) => snippet.slice(from, to))).toEqual(["needle"]);
  });

  test("cuts no character in half, at neither end", () => {
    for (let pad = 0; pad < 8; pad++) {
      const { snippet, marks } = of(
        `${"x".repeat(pad)}${"👩‍🚀".repeat(100)} needle ${"🚀".repeat(200)}`,
        "needle",
      );
      expect(snippet.isWellFormed()).toBe(true);
      expect(marks.map(([from, to]) => snippet.slice(from, to))).toEqual(["needle"]);
    }
  });

  test("has the word, whatever stands before it", () => {
    for (const heap of ["\u0301", "\ud800\udf76", "\u{1e131}"]) {
      const { snippet, marks } = of(`a${heap.repeat(100_000)} needle`, "needle");
      expect(snippet.isWellFormed()).toBe(true);
      expect(marks.map(([from, to]) => snippet.slice(from, to))).toEqual(["needle"]);
    }
  });

  test("marks whole words, without case and accents", () => {
    const { snippet, marks } = of("Füchse und FUCHS, fu\u0308chs", "fuchs");
    expect(marks.map(([from, to]) => snippet.slice(from, to))).toEqual(["Füchse", "FUCHS", "fu\u0308chs"]);
  });
});
