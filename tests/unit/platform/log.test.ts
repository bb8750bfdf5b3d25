import { describe, expect, test } from "bun:test";

import { LIMITS } from "../../../src/contract/limits.ts";
import { createLog, type LogFormat, type LogLevel } from "../../../src/platform/log.ts";
import type { LogFields } from "../../../src/ports.ts";

const TOKEN = 's3cr3t-token/with+odd"characters&\\';

function setUp(options: { format?: LogFormat; level?: LogLevel; secrets?: readonly string[] } = {}) {
  const { format = "json", level = "info", secrets = [] } = options;
  const written: string[] = [];
  const sink = {
    isTerminal: false,
    dropped: 0,
    write: (text: string) => void written.push(text),
    flush: () => Promise.resolve(),
  };
  const atMs = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  const log = createLog({
    sink,
    format: () => format,
    level: () => level,
    clock: { now: () => atMs },
    secrets: () => secrets,
  });
  return {
    log,
    sink,
    written,
    entries: () => written.map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

/** Everything a terminal, a pager or a reader of lines would act upon. */
const ACTIVE =
  // oxlint-disable-next-line no-control-regex -- they are what it looks for
  /[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;

const HOSTILE = [
  "line one\nline two",
  "carriage\rreturn",
  '{"level":"error","msg":"forged"}\n{"level":"error"}',
  "\u001b[2J\u001b]0;title\u0007",
  "right\u202eto left\u2066\u2069",
  "\u2028separators\u2029",
  "nul\u0000 del\u007f c1\u009b31m",
  "\ufeffzero\u200bwidth",
  "half \ud800 pair",
  "__proto__",
  "=\"' \\ \\n %s ${x}",
];

describe.each(["json", "text"] as const)("in %s", (format) => {
  test("every entry is one line without active characters, whatever it holds", () => {
    const { log, written } = setUp({ format });
    for (const text of HOSTILE) log.warn(text, { [text]: text, session: text });
    expect(written).toHaveLength(HOSTILE.length);
    for (const line of written) {
      expect(line.match(/\n/g)).toHaveLength(1);
      expect(line).toEndWith("\n");
      expect(line.isWellFormed()).toBe(true);
      expect(line).not.toMatch(ACTIVE);
    }
  });

  test("no secret is in any part of a line, however it is written", () => {
    const secrets = [TOKEN, "12345678901", "short"];
    const { log, written } = setUp({ format, secrets });
    const forms = [
      TOKEN,
      encodeURIComponent(TOKEN),
      JSON.stringify({ token: TOKEN }),
      `Bearer ${TOKEN}!${TOKEN}`,
    ];
    for (const form of forms) log.error(`cannot use ${form}`, { url: form, [form]: 1 });
    log.info("a number", { port: 12_345_678_901, text: "12345678901", other: 1_234_567 });
    // Cutting comes after hiding: no half of one is left at the end.
    log.info("x".repeat(LIMITS.logFieldCharsMax - 10) + TOKEN);
    const all = written.join("");
    for (const part of ["s3cr3t", "12345678901"]) expect(all).not.toContain(part);
    expect(all).toContain("1234567");
    expect(written).toHaveLength(forms.length + 2);
  });

  test("no field is longer than its bound", () => {
    const { log, written } = setUp({ format });
    log.info("m".repeat(5_000), { url: "u".repeat(5_000), emoji: "🙂".repeat(5_000) });
    expect(written[0]?.length).toBeLessThan(4 * LIMITS.logFieldCharsMax);
    expect(written[0]?.isWellFormed()).toBe(true);
    expect(written[0]).toContain(`${"u".repeat(LIMITS.logFieldCharsMax - 1)}…`);
  });

  test("entries below the level are not written", () => {
    const seen = (["debug", "info", "warn", "error"] as const).map((level) => {
      const { log, written } = setUp({ format, level });
      for (const name of ["debug", "info", "warn", "error"] as const) log[name](name);
      return written.length;
    });
    expect(seen).toEqual([4, 3, 2, 1]);
  });
});

test("a list of secrets that has changed counts at once, though it is the same list", () => {
  const secrets = ["first-secret"];
  const { log, written } = setUp({ secrets });
  log.info("first-secret second-secret");
  secrets.splice(0, 1, "second-secret");
  log.info("first-secret second-secret");
  expect(written[0]).toContain('"*** second-secret"');
  expect(written[1]).toContain('"first-secret ***"');
});

test("a JSON line holds time, level and message first, then the fields", () => {
  const { log, written } = setUp();
  log.info("client connected", { id: "c1", count: 3, isLocal: true, absent: undefined, lag: Infinity });
  expect(written).toEqual([
    '{"ts":"2026-01-02T03:04:05.006Z","level":"info","msg":"client connected","id":"c1","count":3,"isLocal":true,"lag":"Infinity"}\n',
  ]);
});

test("a JSON line keeps what it was told, and fields do not replace its own", () => {
  const { log, entries } = setUp();
  const fields: LogFields = { ts: "never", level: "none", msg: "forged", text: "grüß \n\u202e🙂" };
  log.info("real", fields);
  expect(entries()).toEqual([
    {
      ts: "2026-01-02T03:04:05.006Z",
      level: "info",
      msg: "real",
      ts_: "never",
      level_: "none",
      msg_: "forged",
      text: "grüß \n\u202e🙂",
    },
  ]);
});

test("a field named __proto__ is a field", () => {
  const { log, written } = setUp();
  log.info("x", JSON.parse('{"__proto__":"value"}') as LogFields);
  expect(written[0]).toContain('"__proto__":"value"');
});

test("a text line is short, and values that could be misread are quoted", () => {
  const { log, written } = setUp({ format: "text", level: "debug" });
  log.info("client connected", { id: "c1", count: 3, name: "two words", empty: "", odd: 'a="b"' });
  log.error("failed");
  const time = /^\d\d:\d\d:\d\dZ /;
  expect(written[0]).toMatch(time);
  expect(written.map((line) => line.replace(time, ""))).toEqual([
    'info  client connected id=c1 count=3 name="two words" empty="" odd="a=\\"b\\""\n',
    "error failed\n",
  ]);
});

test("lines that the sink had to drop are told once it takes some again", () => {
  const { log, sink, entries } = setUp();
  log.info("before");
  sink.dropped = 7;
  log.info("after");
  log.info("later");
  sink.dropped = 9;
  log.debug("below the level");
  log.info("last");
  expect(entries().map(({ level, msg, count }) => [level, msg, count])).toEqual([
    ["info", "before", undefined],
    ["warn", "log lines lost: the reader was too slow", 7],
    ["info", "after", undefined],
    ["info", "later", undefined],
    ["warn", "log lines lost: the reader was too slow", 2],
    ["info", "last", undefined],
  ]);
});
