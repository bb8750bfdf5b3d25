import { describe, expect, test } from "bun:test";
import {
  isResetDue,
  type ResetConfig,
  resetRuleOf,
  resetWordIn,
} from "../../../../src/features/sessions/resets.ts";
import { dayStartUtc } from "../../../support/time.ts";

const NONE: ResetConfig = { reset: {}, resetByType: {}, resetByChannel: {} };
const DIRECT = "agent:main:direct:42";
const GROUP = "agent:main:telegram:group:-1";
const THREAD = "agent:main:telegram:group:-1:topic:7";

test.each([
  ["nothing said: daily at four", {}, DIRECT, { atHour: 4 }],
  ["an hour", { reset: { atHour: 6 } }, DIRECT, { atHour: 6 }],
  ["idle without minutes: an hour", { reset: { mode: "idle" } }, DIRECT, { idleMinutes: 60 }],
  ["both", { reset: { mode: "daily", idleMinutes: 30 } }, DIRECT, { atHour: 4, idleMinutes: 30 }],
  ["the older spelling alone means idle", { idleMinutes: 15 }, DIRECT, { idleMinutes: 15 }],
  [
    "the older spelling beside a reset",
    { idleMinutes: 15, reset: { mode: "daily" } },
    DIRECT,
    {
      atHour: 4,
      idleMinutes: 15,
    },
  ],
  ["by type", { resetByType: { group: { mode: "idle", idleMinutes: 5 } } }, GROUP, { idleMinutes: 5 }],
  ["another type", { resetByType: { group: { mode: "idle", idleMinutes: 5 } } }, THREAD, { atHour: 4 }],
  [
    "dm is what is no group",
    { resetByType: { dm: { atHour: 1 } }, reset: { atHour: 2 } },
    "review",
    {
      atHour: 1,
    },
  ],
  [
    "a type's gaps are the general rule's",
    {
      reset: { mode: "idle", idleMinutes: 9 },
      resetByType: { thread: { mode: "daily" } },
    },
    THREAD,
    { atHour: 4, idleMinutes: 9 },
  ],
  [
    "a channel's before a type's",
    {
      resetByChannel: { telegram: { mode: "idle", idleMinutes: 2 } },
      resetByType: { group: { atHour: 1 } },
    },
    GROUP,
    { idleMinutes: 2 },
  ],
] as const)("the rule with %s", (_what, config: Partial<ResetConfig>, key, rule) => {
  expect(resetRuleOf(key, { ...NONE, ...config })).toEqual(rule);
});

const AT = Date.UTC(2026, 4, 10, 12);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const clock = { dayStart: dayStartUtc };

test.each([
  ["the same day", { atHour: 4 }, AT - 7 * HOUR, false],
  ["since before the hour", { atHour: 4 }, AT - 9 * HOUR, true],
  ["exactly at the hour", { atHour: 4 }, AT - 8 * HOUR, false],
  ["days ago", { atHour: 13 }, AT - 50 * HOUR, true],
  ["yesterday's hour has come, today's has not", { atHour: 13 }, AT - 22 * HOUR, false],
  ["a moment less than idle", { idleMinutes: 30 }, AT - 30 * MINUTE + 1, false],
  ["idle", { idleMinutes: 30 }, AT - 30 * MINUTE, true],
  ["idle comes first", { atHour: 4, idleMinutes: 30 }, AT - HOUR, true],
  ["the hour comes first", { atHour: 11, idleMinutes: 600 }, AT - 2 * HOUR, true],
  ["the clock went back", { atHour: 4, idleMinutes: 30 }, AT + 100 * HOUR, false],
] as const)("a reset is due: %s", (_what, rule, lastMs, isDue) => {
  expect(isResetDue(rule, { lastMs, ts: AT }, clock)).toBe(isDue);
});

test("a conversation that goes on does not look at the time zone", () => {
  const never = {
    dayStart(): number {
      throw new Error("looked at");
    },
  };
  expect(isResetDue({ atHour: 4 }, { lastMs: AT - MINUTE, ts: AT }, never)).toBe(false);
  expect(() => isResetDue({ atHour: 4 }, { lastMs: AT - MINUTE - 1, ts: AT }, never)).toThrow("looked at");
});

describe("reset words", () => {
  const words = ["/new", "/reset", "start over", "start"];

  test.each([
    ["/new", { rest: "" }],
    ["  /NEW\n", { rest: "" }],
    ["/new\nhello there", { rest: "hello there" }],
    ["/reset please", { rest: "please" }],
    ["/new ollama/qwen3:8b", { rest: "", model: "ollama/qwen3:8b" }],
    ["/new openrouter/anthropic/claude tell me", { rest: "tell me", model: "openrouter/anthropic/claude" }],
    ["/new /etc/passwd is what", { rest: "/etc/passwd is what" }],
    ["/new https://example.org/a", { rest: "https://example.org/a" }],
    ["start over now", { rest: "now" }],
    ["start", { rest: "" }],
    ["/newer", undefined],
    ["a /new day", undefined],
    ["", undefined],
  ])("%j", (message, found) => {
    expect(resetWordIn(message, words)).toEqual(found);
  });

  test("words with a slash between them are no model of a provider nobody has", () => {
    const isProvider = (name: string): boolean => name === "ollama";
    expect(resetWordIn("/new and/or what", words, isProvider)).toEqual({ rest: "and/or what" });
    expect(resetWordIn("/new ollama/m", words, isProvider)).toEqual({ rest: "", model: "ollama/m" });
  });

  test("no words are the usual ones; an empty word is none", () => {
    expect(resetWordIn("/reset please", [])).toEqual({ rest: "please" });
    expect(resetWordIn("hello", [])).toBeUndefined();
    expect(resetWordIn("/new", [""])).toBeUndefined();
    expect(resetWordIn("hello", ["", " "])).toBeUndefined();
  });
});
