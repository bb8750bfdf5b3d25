import { describe, expect, test } from "bun:test";
import { CliError } from "../../../src/cli/errors.ts";
import { withoutControls } from "../../../src/cli/screen.ts";
import { describeImport } from "../../../src/cli/sessions/import.ts";
import { inGroups, type Line, readLines } from "../../../src/cli/sessions/lines.ts";
import { describeSessions } from "../../../src/cli/sessions/list.ts";
import { createProgress } from "../../../src/cli/sessions/progress.ts";
import { describeHit } from "../../../src/cli/sessions/search.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { createFakeTime } from "../../support/time.ts";

const screen = {
  bold: (text: string) => `<b>${text}</b>`,
  dim: (text: string) => `<i>${text}</i>`,
  foreign: withoutControls,
};

const lines = (texts: readonly string[]): Line[] => texts.map((text, place) => ({ number: place + 1, text }));
const sizes = (groups: readonly (readonly Line[])[]): number[] => groups.map((group) => group.length);

describe("a transcript's lines", () => {
  const input = (text: string, stdin: readonly string[] = []) => {
    const files = { readText: () => Promise.resolve(text) };
    const process = {
      lines: async function* () {
        yield* stdin;
        await Promise.resolve();
      },
    };
    // Nothing else of a command's input is read.
    return { platform: { files, process } } as unknown as Parameters<typeof readLines>[0];
  };

  test("a file of a million of them is read", async () => {
    const read = await readLines(input(`\uFEFF${"x\n".repeat(1_000_000)}\n\nlast`), "f");
    expect(read).toHaveLength(1_000_001);
    expect([read[0], read.at(-1)]).toEqual([
      { number: 1, text: "x" },
      { number: 1_000_003, text: "last" },
    ]);
  });

  test("standard input is bounded as a file is", async () => {
    expect(await readLines(input("", ["\uFEFFa", "", "b"]), "-")).toEqual([
      { number: 1, text: "a" },
      { number: 3, text: "b" },
    ]);
    const line = "y".repeat(1024 * 1024);
    const tooMuch = Array.from({ length: 257 }, () => line);
    const failure = await readLines(input("", tooMuch), "-").catch((error: unknown) => error);
    expect(failure).toEqual(new CliError(1, "Cannot read standard input: more than 268435456 characters"));
  });
});

test("lines go in groups of so many, and of so many bytes as JSON, in order", () => {
  const many = lines(Array.from({ length: LIMITS.transcriptLinesMax + 1 }, () => "x"));
  expect(sizes(inGroups(many, 1e6, "f"))).toEqual([LIMITS.transcriptLinesMax, 1]);
  // Three bytes and the quotes, and what parts it from the next.
  const groups = inGroups(lines(["abc", "d", "ä", '"', "efg"]), 10, "f");
  expect(groups.map((group) => group.map(({ text }) => text))).toEqual([["abc", "d"], ["ä", '"'], ["efg"]]);
  expect(inGroups([], 10, "f")).toEqual([]);
});

test("a line that fits no request is named before anything is sent", () => {
  expect(() => inGroups(lines(["a", "b".repeat(20)]), 20, "f")).toThrow(CliError);
  expect(() => inGroups(lines(["a", "b".repeat(20)]), 20, "f")).toThrow(
    'Cannot import "f": line 2 is too long',
  );
  const long = lines(["a".repeat(LIMITS.transcriptLineCharsMax + 1)]);
  expect(() => inGroups(long, 1e9, "f")).toThrow("line 1 is too long");
});

test("a hit has its words in bold and nothing that moves the cursor", () => {
  const hit = {
    key: "a\u001b[2J",
    messageId: "1",
    role: "user",
    ts: 0,
    snippet: "a red\n\u001b[31m apple, red",
    marks: [
      [2, 5],
      [19, 22],
    ],
  };
  const text = describeHit(hit, 61_000, screen);
  expect(text).toBe("<i>a[2J, user, 1 min ago</i>\n  a <b>red</b> [31m apple, <b>red</b>\n");
});

test("sessions are rows with even columns; how many more there are is said", () => {
  const session = {
    key: "main",
    sessionId: "s",
    kind: "main" as const,
    agentId: "main",
    createdAtMs: 0,
    updatedAtMs: 0,
    messages: 1,
    contextTokens: 0,
    inputTokens: 0,
    outputTokens: 0,
    active: true,
  };
  const quiet = {
    ...session,
    key: "agent:main:x",
    active: false,
    messages: 12,
    title: "T\u0007",
    label: "L",
  };
  const text = describeSessions({ sessions: [session, quiet], total: 5 }, 3_600_000, screen);
  expect(text.split("\n")).toEqual([
    "main          running  1 message",
    "agent:main:x  1 h ago  12 messages  L",
    "<i>and 3 more</i>",
    "",
  ]);
});

describe("progress", () => {
  function terminal(isTerminal: boolean, env: Record<string, string> = {}) {
    const written: string[] = [];
    const time = createFakeTime();
    const stderr = {
      isTerminal,
      write: (text: string) => void written.push(text),
      flush: () => Promise.resolve(),
    };
    const ports = { process: { stderr, env }, clock: time.clock };
    return { written, time, ports };
  }

  test("is one line that is written over, four times a second at most, and goes", () => {
    const { written, time, ports } = terminal(true);
    const progress = createProgress(ports);
    for (let n = 0; n < 100; n++) {
      progress.show(`${n} messages`);
      time.advance(10);
    }
    progress.clear();
    progress.clear();
    const shown = [0, 25, 50, 75].map((n) => `\r${n} messages\u001b[K`);
    expect(written).toEqual([...shown, "\r\u001b[K"]);
  });

  test.each([
    ["no terminal", terminal(false), false],
    ["a terminal that knows no such thing", terminal(true, { TERM: "dumb" }), false],
    ["one where the lines themselves are shown", terminal(true), true],
  ])("is nothing on %s", (_, { written, ports }, isQuiet) => {
    const progress = createProgress(ports, isQuiet);
    progress.show("1 message");
    progress.clear();
    expect(written).toEqual([]);
  });
});

test("an import says what is there, and what was left out", () => {
  const sums = { key: "k", imported: 5, skipped: 0, leftOut: 0, isTorn: false };
  expect(describeImport(sums)).toBe('Imported session "k": 5 messages');
  expect(describeImport({ ...sums, skipped: 1, leftOut: 2, isTorn: true })).toBe(
    'Imported session "k": 3 messages, 1 lines were no messages, 2 messages of other branches were left out, ' +
      "the last line was cut off and was left out",
  );
});
