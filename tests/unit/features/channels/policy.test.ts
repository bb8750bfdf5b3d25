import { describe, expect, test } from "bun:test";
import type { ChannelPolicy } from "../../../../src/features/channels/channel.ts";
import { judge } from "../../../../src/features/channels/policy.ts";

const BASE: ChannelPolicy = { direct: "pairing", allowFrom: [], group: "allowlist", groups: {} };

describe("people who write directly", () => {
  test.each([
    ["disabled", [], "a", true, "ignored"],
    ["disabled", ["a"], "a", true, "ignored"],
    ["disabled", ["*"], "a", false, "ignored"],
    ["open", [], "a", false, "heard"],
    ["allowlist", [], "a", false, "ignored"],
    ["allowlist", ["a"], "a", false, "heard"],
    ["allowlist", ["*"], "a", false, "heard"],
    // Approved in a time when strangers could be: the list is what counts now.
    ["allowlist", ["b"], "a", true, "ignored"],
    ["pairing", [], "a", false, "stranger"],
    ["pairing", [], "a", true, "heard"],
    ["pairing", ["a"], "a", false, "heard"],
    ["pairing", ["*"], "a", false, "heard"],
    ["pairing", ["A", "aa", ""], "a", false, "stranger"],
    // An id is no pattern.
    ["allowlist", ["a"], "*", false, "ignored"],
    ["pairing", ["constructor"], "toString", false, "stranger"],
  ] as const)("%s, %j allowed, from %s, approved: %p: %s", (direct, allowFrom, id, isApproved, verdict) => {
    const message = { chatId: id, sender: { id }, isGroup: false };
    expect(judge({ ...BASE, direct, allowFrom }, message, () => isApproved)).toBe(verdict);
  });

  test("the disk is asked only where that counts", () => {
    const message = { chatId: "a", sender: { id: "a" }, isGroup: false };
    const asked = (policy: Partial<ChannelPolicy>): boolean => {
      let isAsked = false;
      judge({ ...BASE, ...policy }, message, () => (isAsked = true));
      return isAsked;
    };
    expect(asked({})).toBe(true);
    expect(asked({ direct: "disabled" })).toBe(false);
    expect(asked({ direct: "open" })).toBe(false);
    expect(asked({ direct: "allowlist" })).toBe(false);
  });
});

describe("groups", () => {
  type Case = readonly [
    name: string,
    policy: Partial<ChannelPolicy>,
    chatId: string,
    isMentioned: boolean,
    verdict: string,
  ];
  const cases: readonly Case[] = [
    ["disabled wins over a named group", { group: "disabled", groups: { g: {} } }, "g", true, "ignored"],
    ["a group nobody named", {}, "g", true, "ignored"],
    ["a named one, spoken to", { groups: { g: {} } }, "g", true, "heard"],
    ["a named one, not spoken to", { groups: { g: {} } }, "g", false, "ignored"],
    ["all groups", { groups: { "*": {} } }, "g", true, "heard"],
    ["no mention needed", { groups: { g: { requireMention: false } } }, "g", false, "heard"],
    ["no mention needed anywhere", { groups: { "*": { requireMention: false } } }, "g", false, "heard"],
    [
      "the named one says nothing of mentions",
      { groups: { "*": { requireMention: false }, g: {} } },
      "g",
      false,
      "heard",
    ],
    [
      "the named one wants it",
      { groups: { "*": { requireMention: false }, g: { requireMention: true } } },
      "g",
      false,
      "ignored",
    ],
    ["switched off", { groups: { g: { enabled: false } } }, "g", true, "ignored"],
    [
      "switched off but for one",
      { groups: { "*": { enabled: false }, g: { enabled: true } } },
      "g",
      true,
      "heard",
    ],
    ["open", { group: "open" }, "g", true, "heard"],
    ["open, not spoken to", { group: "open" }, "g", false, "ignored"],
    ["open, switched off", { group: "open", groups: { g: { enabled: false } } }, "g", true, "ignored"],
    ["somebody who is listed", { group: "open", groupAllowFrom: ["a"] }, "g", true, "heard"],
    ["somebody who is not", { group: "open", groupAllowFrom: ["b"] }, "g", true, "ignored"],
    ["nobody is listed", { group: "open", groupAllowFrom: [] }, "g", true, "ignored"],
    ["everybody is", { group: "open", groupAllowFrom: ["*"] }, "g", true, "heard"],
    ["a group named like a property", {}, "constructor", true, "ignored"],
    ["another one", {}, "__proto__", true, "ignored"],
    ["a group named like everybody's", { groups: { g: {} } }, "*", true, "ignored"],
  ];
  test.each(cases)("%s", (_name, policy, chatId, isMentioned, verdict) => {
    const message = { chatId, sender: { id: "a" }, isGroup: true, isMentioned };
    // Who was let in to write directly has nothing to do with groups.
    expect(judge({ ...BASE, ...policy }, message, () => true)).toBe(verdict as never);
  });

  test("what is not known to be a mention is none", () => {
    const message = { chatId: "g", sender: { id: "a" }, isGroup: true };
    expect(judge({ ...BASE, group: "open" }, message, () => true)).toBe("ignored");
  });
});
