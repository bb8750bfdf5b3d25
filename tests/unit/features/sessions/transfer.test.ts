import { describe, expect, test } from "bun:test";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { setupSessions } from "./kit.ts";

type Kit = ReturnType<typeof setupSessions>;

async function exportAll(kit: Kit, params: object): Promise<string[]> {
  const lines: string[] = [];
  let after: string | undefined;
  do {
    const { result, error } = await kit.call("sessions.export", {
      ...params,
      ...(after !== undefined && { after }),
    });
    if (error) throw new Error(error.message);
    const page = result as unknown as { lines: string[]; next?: string };
    lines.push(...page.lines);
    after = page.next;
  } while (after !== undefined);
  return lines;
}

function messages(kit: Kit, key: string) {
  const id = kit.sessions.find(key)?.id ?? "";
  return kit.db
    .prepare("SELECT role, content, status, ts FROM messages WHERE session_id = ? ORDER BY id")
    .all(id);
}

/** A session with every kind of part, and a message that was cut. */
async function full(): Promise<Kit> {
  const kit = setupSessions();
  await kit.admit("s", { label: "L", model: "test/m", agentId: "work" });
  await kit.say("s", "What is it?\nAnd why? 🚀");
  await kit.writer.write(() => {
    const sessionDbId = kit.sessions.find("s")?.id ?? "";
    const ts = kit.time.clock.now();
    const options = {};
    const run = kit.journal.addRun({
      id: "r",
      sessionDbId,
      origin: "chat",
      owner: "",
      options,
      ts,
      isStarted: true,
    });
    const content = [
      { type: "thinking" as const, text: "hm" },
      { type: "tool_call" as const, id: "c", name: "look", args: "{}", result: "seen", isError: true },
      { type: "text" as const, text: "It is \u0000 \u2028 odd" },
    ];
    kit.journal.end(run, { status: "aborted", content, ts });
  });
  kit.time.advance(1_000);
  await kit.say("s", "Go on");
  return kit;
}

describe("export and import", () => {
  test("there and back: the same messages under another key", async () => {
    const kit = await full();
    const lines = await exportAll(kit, { key: "s", limit: 1 });
    expect(lines).toHaveLength(4);
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      type: "session",
      version: 1,
      key: "s",
      agentId: "work",
      label: "L",
      model: "test/m",
      title: "What is it? And why? 🚀",
      createdAtMs: expect.any(Number),
    });
    const { result } = await kit.call("sessions.import", { key: "t", lines });
    expect(result as unknown).toMatchObject({
      key: "t",
      imported: 3,
      skipped: 0,
      session: {
        agentId: "work",
        model: "test/m",
        messages: 3,
        title: "What is it? And why? 🚀",
        preview: "Go on",
      },
    });
    expect(messages(kit, "t")).toEqual(messages(kit, "s"));
    // The label is the first one's still.
    expect(kit.sessions.byLabel("L")?.key).toBe("s");
    const again = await exportAll(kit, { key: "t" });
    const plain = (line: string): unknown => ({ ...JSON.parse(line), id: 0, key: 0, label: 0 });
    expect(again.map(plain)).toEqual(lines.map(plain));
    expect(kit.told.at(-1)?.payload).toMatchObject({ key: "t", action: "created" });
  });

  test("what was said before a reset comes when all is asked for", async () => {
    const kit = await full();
    await kit.call("sessions.reset", { key: "s" });
    await kit.say("s", "Anew");
    expect(await exportAll(kit, { key: "s" })).toHaveLength(2);
    expect(await exportAll(kit, { key: "s", all: true })).toHaveLength(5);
  });

  test("pages are bounded by their size as well", async () => {
    const kit = setupSessions();
    for (let n = 0; n < 5; n++) await kit.say("s", `${n}`.repeat(200_000));
    const { result } = await kit.call("sessions.export", { key: "s" });
    expect((result as unknown as { lines: string[] }).lines).toHaveLength(3);
    expect(await exportAll(kit, { key: "s" })).toHaveLength(6);
  });

  test("a damaged message is told as such and no word of it is made up", async () => {
    const kit = await full();
    kit.db.exec("UPDATE messages SET content = replace(content, 'Go on', 'Go off') WHERE id = 3");
    const lines = await exportAll(kit, { key: "s" });
    expect(lines.join()).not.toContain("Go off");
    expect(JSON.parse(lines[3] ?? "")).toMatchObject({ status: "damaged" });
    const { result } = await kit.call("sessions.import", { key: "t", lines });
    expect(result as unknown).toMatchObject({ imported: 3 });
  });

  test("in several calls, as long as they go on", async () => {
    const kit = await full();
    const lines = await exportAll(kit, { key: "s" });
    const part = (from: number, to: number, isLast: boolean) =>
      kit.call("sessions.import", { key: "t", lines: lines.slice(from, to), isLast });
    expect((await part(0, 2, false)).result as unknown).toMatchObject({ imported: 1 });
    expect((await part(2, 3, false)).result as unknown).toMatchObject({ imported: 1 });
    expect((await part(3, 4, true)).result as unknown).toMatchObject({
      imported: 1,
      session: { messages: 3 },
    });
    expect(messages(kit, "t")).toEqual(messages(kit, "s"));
    expect((await part(3, 4, true)).error?.code).toBe("invalid_params");
    expect((await part(0, 4, true)).error).toMatchObject({
      code: "conflict",
      message: 'Cannot import session "t": there is one of this key',
    });
    expect(kit.told.map(({ payload }) => payload["action"])).toEqual(["created", "updated"]);
  });

  test("one that was deleted and made again is not gone on with", async () => {
    const kit = await full();
    const lines = await exportAll(kit, { key: "s" });
    await kit.call("sessions.import", { key: "t", lines: lines.slice(0, 2), isLast: false });
    await kit.call("sessions.delete", { key: "t" });
    await kit.admit("t");
    const { error } = await kit.call("sessions.import", { key: "t", lines: lines.slice(0, 1) });
    expect(error?.code).toBe("conflict");
    expect(messages(kit, "t")).toEqual([]);
  });

  test("an import that begins anew does not go on with one that is open, whoever sends it", async () => {
    const kit = await full();
    const lines = await exportAll(kit, { key: "s" });
    const part = (from: number, to: number, isLast: boolean) =>
      kit.call("sessions.import", { key: "t", lines: lines.slice(from, to), isLast });
    await part(0, 3, false);
    expect((await part(0, 3, false)).error).toMatchObject({
      code: "conflict",
      message: 'Cannot import session "t": there is one of this key',
    });
    expect(messages(kit, "t")).toHaveLength(2);
    expect((await part(3, 4, true)).result as unknown).toMatchObject({ session: { messages: 3 } });
    const both = await Promise.all([1, 2].map(() => kit.call("sessions.import", { key: "u", lines })));
    expect(both.map(({ error }) => error?.code)).toEqual([undefined, "conflict"]);
    expect(messages(kit, "u")).toHaveLength(3);
  });

  test.each([
    ["begun anew", (kit: Kit) => kit.call("sessions.reset", { key: "t" })],
    ["written in", (kit: Kit) => kit.say("t", "Hello")],
    ["made again", (kit: Kit) => kit.call("sessions.delete", { key: "t" }).then(() => kit.admit("t"))],
  ])("a session that is %s meanwhile is not imported further", async (_, change) => {
    const kit = await full();
    const lines = await exportAll(kit, { key: "s" });
    await kit.call("sessions.import", { key: "t", lines: lines.slice(0, 2), isLast: false });
    await change(kit);
    const before = messages(kit, "t");
    expect((await kit.call("sessions.import", { key: "t", lines: lines.slice(2) })).error).toMatchObject({
      code: "conflict",
      message: 'Cannot import session "t": it was changed while it was imported',
    });
    expect(messages(kit, "t")).toEqual(before);
  });

  test("a part that the disk refuses can be sent again", async () => {
    const kit = await full();
    const lines = await exportAll(kit, { key: "s" });
    const rest = { key: "t", lines: lines.slice(2) };
    await kit.call("sessions.import", { key: "t", lines: lines.slice(0, 2), isLast: false });
    kit.db.exec(
      "CREATE TRIGGER refuse BEFORE INSERT ON messages BEGIN SELECT RAISE(ROLLBACK, 'refused'); END",
    );
    expect((await kit.call("sessions.import", rest)).error).toBeDefined();
    kit.db.exec("DROP TRIGGER refuse");
    expect((await kit.call("sessions.import", rest)).result as unknown).toMatchObject({
      imported: 2,
      session: { messages: 3 },
    });
  });

  test("pages go no further back than the last reset", async () => {
    const kit = await full();
    await kit.call("sessions.reset", { key: "s" });
    await kit.say("s", "Anew");
    const { result } = await kit.call("sessions.export", { key: "s", after: "1" });
    expect((result as unknown as { lines: string[] }).lines).toHaveLength(1);
  });

  test("a bad line is named and nothing is kept", async () => {
    const kit = await full();
    const [header = "", first = ""] = await exportAll(kit, { key: "s" });
    const bad: [string, number, RegExp][] = [
      ["not json", 3, /line 3 cannot be used, it is no JSON object/],
      ["[]", 3, /it is no JSON object/],
      ["{}", 3, /it has no "type"/],
      [first.replace('"user"', '"system"'), 3, /its "role" is not a message's/],
      [first.replace(/"content":.*/, '"content":[{"type":"text"}]}'), 3, /its "content.0.text"/],
      [first.replace(/"ts":\d+/, '"ts":-1'), 3, /its "ts"/],
      // Later moments could be stored, and not be read again.
      [first.replace(/"ts":\d+/, '"ts":9007199254740991'), 3, /its "ts"/],
      ['{"type":"message","timestamp":1e17,"message":{"role":"user","content":"x"}}', 3, /it has no time/],
      [`{"type":"message","deep":${"[".repeat(65)}${"]".repeat(65)}}`, 3, /it is nested too deep/],
      ['{"type":"message","message":{"role":"user","content":"x"}}', 3, /it has no time/],
      ['{"type":"message","timestamp":1,"message":{"role":"user"}}', 3, /its content is no message's/],
    ];
    for (const [line, number, words] of bad) {
      const { error } = await kit.call("sessions.import", { key: "t", lines: [header, first, line] });
      expect(error).toMatchObject({ code: "invalid_params", data: { details: { line: number } } });
      expect(error?.message).toMatch(words);
    }
    for (const lines of [[], [first], ["{}"], ["nothing"], [header.replace('"version":1', '"version":2')]]) {
      const { error } = await kit.call("sessions.import", { key: "t", lines });
      expect(error).toMatchObject({ code: "invalid_params", data: { details: { line: 1 } } });
    }
    expect(kit.sessions.find("t")).toBeUndefined();
  });

  test("a header's wishes that cannot be met are left out", async () => {
    const kit = await full();
    const header = JSON.stringify({
      type: "session",
      version: 1,
      key: "x",
      agentId: "gone",
      label: 7,
      model: null,
    });
    const { result } = await kit.call("sessions.import", { key: "t", lines: [header] });
    expect(result as unknown).toMatchObject({ imported: 0, session: { agentId: "main", messages: 0 } });
    const odd = {
      type: "session",
      version: 1,
      key: "x",
      agentId: "WORK",
      label: "a\u001b[2Jb",
      model: "none",
    };
    const other = await kit.call("sessions.import", { key: "u", lines: [JSON.stringify(odd)] });
    expect(other.result as unknown).toMatchObject({ session: { agentId: "work" } });
    expect(other.result as unknown).not.toHaveProperty("session.label");
    expect(other.result as unknown).not.toHaveProperty("session.model");
    const { error } = await kit.call("sessions.import", { key: "agent:gone:main", lines: [header] });
    expect(error?.code).toBe("not_found");
  });

  test("pictures are named, not brought along", async () => {
    const kit = setupSessions();
    const lines = [
      '{"type":"session","version":1,"key":"x"}',
      '{"type":"message","role":"user","ts":5,"content":[{"type":"image","id":"i","mimeType":"image/png","bytes":3}]}',
    ];
    await kit.call("sessions.import", { key: "t", lines });
    expect(messages(kit, "t")).toMatchObject([{ content: '[{"type":"text","text":"[a picture]"}]' }]);
  });

  test("only so many imports are open", async () => {
    const kit = setupSessions();
    const lines = ['{"type":"session","version":1,"key":"x"}'];
    for (let n = 0; n <= LIMITS.importsOpenMax; n++)
      await kit.call("sessions.import", { key: `k${n}`, lines, isLast: false });
    const more = ['{"type":"message","role":"user","ts":5,"content":[{"type":"text","text":"x"}]}'];
    expect((await kit.call("sessions.import", { key: "k1", lines: more })).error).toBeUndefined();
    expect((await kit.call("sessions.import", { key: "k0", lines: more })).error?.code).toBe(
      "invalid_params",
    );
  });
});

test("a transcript of the original: messages with their tools' answers, the rest skipped and counted", async () => {
  const kit = setupSessions();
  const at = "2026-01-02T03:04:05.678Z";
  const lines = [
    { type: "session", version: 3, id: "0b1d", timestamp: at, cwd: "/home/ann" },
    { type: "model_change", id: "1", timestamp: at },
    { type: "message", id: "2", parentId: "1", timestamp: at, message: { role: "user", content: "Hello" } },
    {
      type: "message",
      id: "3",
      timestamp: at,
      message: {
        role: "assistant",
        timestamp: 1_767_323_046_000,
        stopReason: "aborted",
        content: [
          { type: "thinking", thinking: "hm", thinkingSignature: "zzz" },
          { type: "text", text: "Let me look" },
          { type: "toolCall", id: "call", name: "look", arguments: { at: "it" } },
          { type: "unknown" },
        ],
      },
    },
    {
      type: "message",
      id: "4",
      timestamp: at,
      message: {
        role: "toolResult",
        toolCallId: "call",
        isError: false,
        content: [{ type: "text", text: "seen" }],
      },
    },
    {
      type: "message",
      id: "5",
      timestamp: at,
      message: { role: "toolResult", toolCallId: "gone", content: "?" },
    },
    { type: "message", id: "6", timestamp: at, message: { role: "bashExecution", command: "ls" } },
    { type: "message", id: "7", timestamp: at, message: { role: "assistant", content: [] } },
    { type: "compaction", id: "8", timestamp: at, summary: "s" },
  ].map((line) => JSON.stringify(line));
  const { result } = await kit.call("sessions.import", { key: "main", lines });
  expect(result as unknown).toMatchObject({
    key: "agent:main:main",
    imported: 2,
    skipped: 5,
    session: { title: "Hello", preview: "Let me look", createdAtMs: Date.parse(at) },
  });
  expect(messages(kit, "main")).toEqual([
    { role: "user", content: '[{"type":"text","text":"Hello"}]', status: null, ts: Date.parse(at) },
    {
      role: "assistant",
      content: JSON.stringify([
        { type: "thinking", text: "hm" },
        { type: "text", text: "Let me look" },
        { type: "tool_call", id: "call", name: "look", args: '{"at":"it"}', result: "seen" },
      ]),
      status: "aborted",
      ts: 1_767_323_046_000,
    },
  ]);
});

test("a tool's answer finds its call where both come in different calls, and the ids repeat", async () => {
  const kit = setupSessions();
  const entry = (message: object) => JSON.stringify({ type: "message", timestamp: 1, message });
  const asks = entry({ role: "assistant", content: [{ type: "toolCall", id: "call_0", name: "look" }] });
  const answers = (content: string) => entry({ role: "toolResult", toolCallId: "call_0", content });
  const header = '{"type":"session","version":3,"id":"0b1d"}';
  const first = [header, asks, answers("one"), asks];
  await kit.call("sessions.import", { key: "t", lines: first, isLast: false });
  const { result } = await kit.call("sessions.import", {
    key: "t",
    lines: [answers("two"), answers("three")],
  });
  expect(result as unknown).toMatchObject({ imported: 0, skipped: 1 });
  const found = messages(kit, "t").map(({ content }) => String(content));
  expect(found.map((text) => /"result":"(\w+)"/.exec(text)?.[1])).toEqual(["one", "three"]);
  expect((await exportAll(kit, { key: "t" })).join()).not.toContain("damaged");
});

describe("a transcript of the original that is a tree", () => {
  const header = '{"type":"session","version":3,"id":"0b1d"}';
  type Entry = readonly [id: string, parent: string | null, text?: string];
  const tree = (...entries: readonly Entry[]): string[] =>
    entries.map(([id, parentId, text]) =>
      JSON.stringify({
        type: text === undefined ? "model_change" : "message",
        id,
        parentId,
        timestamp: 1,
        ...(text !== undefined && { message: { role: "user", content: text } }),
      }),
    );
  const texts = (kit: Kit): string[] =>
    messages(kit, "t").map(({ content }) => String(/"text":"(\w+)"/.exec(String(content))?.[1]));

  /** In one call, and in as many as there are lines. */
  async function importBoth(lines: readonly string[]) {
    const once = setupSessions();
    const { result } = await once.call("sessions.import", { key: "t", lines: [header, ...lines] });
    const often = setupSessions();
    let last: unknown;
    for (const [at, line] of [header, ...lines].entries()) {
      const part = { key: "t", lines: [line], isLast: at === lines.length };
      const done = await often.call("sessions.import", part);
      last = done.result;
    }
    expect(texts(often)).toEqual(texts(once));
    const { leftOut, session } = result as unknown as { leftOut: number; session: object };
    expect(last).toMatchObject({ leftOut, session: { ...session, sessionId: expect.any(String) } });
    return { kit: once, leftOut, session };
  }

  test.each<[string, readonly Entry[], readonly string[]]>([
    [
      "a chain",
      [
        ["1", null, "a"],
        ["2", "1", "b"],
        ["3", "2", "c"],
      ],
      ["a", "b", "c"],
    ],
    [
      "said anew",
      [
        ["1", null, "a"],
        ["2", "1", "b"],
        ["3", "2", "c"],
        ["4", "1", "d"],
        ["5", "4", "e"],
      ],
      ["a", "d", "e"],
    ],
    [
      "back to what was left",
      [
        ["1", null, "a"],
        ["2", "1", "b"],
        ["3", "1", "c"],
        ["4", "2", "d"],
      ],
      ["a", "b", "d"],
    ],
    [
      "begun anew at the root",
      [
        ["1", null, "a"],
        ["2", "1", "b"],
        ["3", null, "c"],
      ],
      ["c"],
    ],
    [
      "ended by what is no message",
      [
        ["1", null, "a"],
        ["2", "1", "b"],
        ["3", "2", "c"],
        ["4", "1"],
      ],
      ["a"],
    ],
    [
      "with a parent nobody knows",
      [
        ["1", null, "a"],
        ["2", "gone", "b"],
      ],
      ["a", "b"],
    ],
    [
      "with an id twice",
      [
        ["1", null, "a"],
        ["1", "1", "b"],
        ["2", "1", "c"],
      ],
      ["a", "b", "c"],
    ],
    [
      "with a branch below one",
      [
        ["1", null, "a"],
        ["2", "1"],
        ["3", "2", "b"],
        ["4", "2", "c"],
        ["5", "4", "d"],
        ["6", "4", "e"],
      ],
      ["a", "c", "e"],
    ],
  ])("%s", async (_, entries, wanted) => {
    const { kit, leftOut, session } = await importBoth(tree(...entries));
    expect(texts(kit)).toEqual([...wanted]);
    expect(leftOut).toBe(entries.filter(([, , text]) => text !== undefined).length - wanted.length);
    expect(session).toMatchObject({ messages: wanted.length, title: wanted[0], preview: wanted.at(-1) });
  });

  test("many messages off the branch go in pieces, and out of the index", async () => {
    const kit = setupSessions();
    const left = Array.from({ length: 450 }, (_, n): Entry => [`${n}`, n === 0 ? "r" : `${n - 1}`, "stray"]);
    const lines = [header, ...tree(["r", null, "root"], ...left)];
    await kit.call("sessions.import", { key: "t", lines, isLast: false });
    await kit.call("sessions.search", { query: "stray" });
    const { result } = await kit.call("sessions.import", { key: "t", lines: tree(["e", "r", "end"]) });
    expect(result as unknown).toMatchObject({ imported: 1, leftOut: 450, session: { messages: 2 } });
    expect(texts(kit)).toEqual(["root", "end"]);
    const count = kit.db.prepare("SELECT count(*) AS n FROM messages_fts WHERE messages_fts MATCH 'stray'");
    expect(count.get()).toEqual({ n: 0 });
  });

  test("a last line that was cut off is left out, and told; any other is refused", async () => {
    const kit = setupSessions();
    const [first = "", second = ""] = tree(["1", null, "a"], ["2", "1", "b"]);
    const torn = second.slice(0, -9);
    const of = (key: string, lines: readonly string[], isLast = true) =>
      kit.call("sessions.import", { key, lines, isLast });
    expect((await of("u", [header, torn, first])).error).toMatchObject({
      message: expect.stringContaining("line 2 cannot be used, it is no JSON object") as string,
    });
    expect((await of("u", [header, first, torn], false)).error?.code).toBe("invalid_params");
    // One of ours is written whole.
    expect((await of("u", ['{"type":"session","version":1,"key":"x"}', torn])).error?.code).toBe(
      "invalid_params",
    );
    expect((await of("u", [header, first, "not json"])).error?.code).toBe("invalid_params");
    expect((await of("u", [header, torn])).error?.code).toBe("invalid_params");
    // What is JSON was not cut off.
    expect((await of("u", [header, first, "[]"])).error?.code).toBe("invalid_params");
    expect((await of("t", [header, first, torn])).result as unknown).toMatchObject({
      imported: 1,
      skipped: 0,
      isTorn: true,
    });
    expect(texts(kit)).toEqual(["a"]);
    expect((await of("x", [header, first, "\0\0\0"])).result as unknown).toMatchObject({ isTorn: true });
    await of("v", [header, first], false);
    expect((await of("v", [torn])).result as unknown).toMatchObject({ imported: 0, isTorn: true });
    expect((await of("w", [header, first])).result as unknown).toMatchObject({ isTorn: false, leftOut: 0 });
  });
});
