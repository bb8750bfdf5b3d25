import { describe, expect, test } from "bun:test";
import { RpcError } from "../../../../src/contract/errors.ts";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { SessionKey } from "../../../../src/features/sessions/contract.ts";
import {
  agentOf,
  channelOf,
  type DmScope,
  kindOf,
  type KeyConfig,
  type Route,
  sessionKeyFor,
} from "../../../../src/features/sessions/keys.ts";

const CONFIG: KeyConfig = { scope: "per-sender", dmScope: "main", identityLinks: {}, defaultAgent: "main" };

function direct(id: string, more: Partial<Route> = {}): Route {
  return { channel: "telegram", peer: { kind: "direct", id }, ...more };
}

test.each([
  ["main", "agent:main:main"],
  ["per-peer", "agent:main:direct:42"],
  ["per-channel-peer", "agent:main:telegram:direct:42"],
  ["per-account-channel-peer", "agent:main:telegram:bot:direct:42"],
] as const)("people who write directly, by dmScope %s: %s", (dmScope, key) => {
  expect(sessionKeyFor(direct("42", { accountId: "bot" }), { ...CONFIG, dmScope })).toBe(key);
  expect(kindOf(key)).toBe(dmScope === "main" ? "main" : "direct");
});

test.each([
  [{ channel: "telegram", peer: { kind: "group", id: "-100" } }, "agent:main:telegram:group:-100", "group"],
  [{ channel: "slack", peer: { kind: "channel", id: "C1" } }, "agent:main:slack:channel:C1", "group"],
  [
    { channel: "telegram", peer: { kind: "group", id: "-100" }, threadId: "7" },
    "agent:main:telegram:group:-100:topic:7",
    "thread",
  ],
  [
    { channel: "Discord", peer: { kind: "channel", id: "C1" }, threadId: "7", agentId: "Work" },
    "agent:work:discord:channel:C1:thread:7",
    "thread",
  ],
  [direct("42", { channel: "slack", threadId: "7" }), "agent:main:main:thread:7", "thread"],
] as const)("%j is %s, a %s", (route, key, kind) => {
  expect(sessionKeyFor(route, CONFIG)).toBe(key);
  expect(kindOf(key)).toBe(kind);
});

test("with one session for everything, every route leads to it", () => {
  expect(sessionKeyFor(direct("42"), { ...CONFIG, scope: "global" })).toBe("global");
  expect(kindOf("global")).toBe("main");
});

test.each([
  ["agent:main:main", "main", "main"],
  ["agent:work:cron:nightly", "cron", "work"],
  ["cron:nightly", "cron", undefined],
  ["hook:0b1d", "hook", undefined],
  ["node-kitchen", "node", undefined],
  ["agent:work:subagent:0b1d", "subagent", "work"],
  ["agent:work:telegram:group:1:subagent:0b1d", "subagent", "work"],
  ["agent:main:dm:42", "direct", "main"],
  ["acp:0b1d", "other", undefined],
  ["unknown", "other", undefined],
  ["review", "other", undefined],
  ["agent::main", "main", ""],
  ["agent:main", "other", undefined],
] as const)("key %s is a %s session of agent %s", (key, kind, agent) => {
  expect(kindOf(key)).toBe(kind);
  expect(agentOf(key)).toBe(agent as string);
});

test.each([
  ["agent:main:telegram:group:1", "telegram"],
  ["agent:main:telegram:bot:direct:1:thread:2", "telegram"],
  ["agent:main:direct:1", undefined],
  ["agent:main:main", undefined],
  ["review", undefined],
] as const)("the channel of %s is %s", (key, channel) => {
  expect(channelOf(key)).toBe(channel as string);
});

describe("identity links", () => {
  const links = { alice: ["telegram:42", "discord:Alice#1"] };
  const config: KeyConfig = { ...CONFIG, dmScope: "per-peer", identityLinks: links };

  test("one person has one session, whatever the channel", () => {
    expect(sessionKeyFor(direct("42"), config)).toBe("agent:main:direct:alice");
    expect(sessionKeyFor(direct("alice#1", { channel: "discord" }), config)).toBe("agent:main:direct:alice");
  });

  test("a stranger whose id is somebody's name is not that person", () => {
    const stranger = sessionKeyFor(direct("alice"), config);
    expect(stranger).not.toBe("agent:main:direct:alice");
    // Nor can the escape be had by asking for it.
    const forged = stranger.slice("agent:main:direct:".length);
    expect(sessionKeyFor(direct(forged), config)).not.toBe(stranger);
  });

  test("the same number on another channel is another person", () => {
    expect(sessionKeyFor(direct("42", { channel: "signal" }), config)).toBe("agent:main:direct:42");
  });
});

test.each([
  ["nothing", direct("")],
  ["a lone surrogate", direct("a\ud800")],
  ["a huge id", direct("9".repeat(LIMITS.sessionKeyCharsMax + 1))],
  ["an id that is huge when escaped", direct(":".repeat(LIMITS.sessionKeyCharsMax - 50))],
  ["a channel with a colon", direct("1", { channel: "tele:gram" })],
  ["a channel that is a word of keys", direct("1", { channel: "Subagent" })],
  ["no channel", direct("1", { channel: "" })],
  ["a huge thread", direct("1", { threadId: "9".repeat(500) })],
])("%s makes no key", (_what, route) => {
  const make = (): string => sessionKeyFor(route, { ...CONFIG, dmScope: "per-peer" });
  expect(make).toThrow(RpcError);
  expect(make).toThrow("Cannot make a session key for");
});

test("no two routes share a key, and every key is a valid one that says what it is", () => {
  const ids = [
    "1",
    "a",
    "A",
    ":",
    "a:b",
    "direct",
    "direct:a",
    "group:a",
    "a:thread:1",
    "a:topic:1",
    "thread",
    "topic",
    "main",
    "subagent",
    "cron",
    "node-1",
    "%3A",
    "%",
    "%~a",
    " a",
    "a ",
    "a\u0000",
    "a\u200b",
    "\u202ea",
    "é",
    "e\u0301",
    "👩‍🚀",
  ];
  const scopes: DmScope[] = ["per-peer", "per-channel-peer", "per-account-channel-peer"];
  for (const dmScope of scopes) {
    const seen = new Map<string, string>();
    for (const id of ids) {
      for (const threadId of [undefined, ...ids.slice(0, 12)]) {
        for (const kind of ["direct", "group", "channel"] as const) {
          for (const accountId of dmScope === "per-account-channel-peer" ? ["a", "group", "direct"] : ["a"]) {
            if (kind !== "direct" && accountId !== "a") continue;
            const channels = kind === "direct" && dmScope === "per-peer" ? ["irc"] : ["irc", "telegram"];
            for (const channel of channels) {
              const route: Route = { channel, accountId, peer: { kind, id }, threadId };
              const key = sessionKeyFor(route, { ...CONFIG, dmScope });
              const name = JSON.stringify(route);
              expect(`${seen.get(key) ?? name} ${key}`).toBe(`${name} ${key}`);
              seen.set(key, name);
              expect(SessionKey().safeParse(key).success).toBe(true);
              const expected = threadId !== undefined ? "thread" : kind === "direct" ? "direct" : "group";
              expect(`${key} ${kindOf(key)}`).toBe(`${key} ${expected}`);
            }
          }
        }
      }
    }
    expect(seen.size).toBeGreaterThan(500);
  }
});
