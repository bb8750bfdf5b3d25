import { expect, test } from "bun:test";
import { accountsOf, policyOf, rulesOf, Section } from "../../../../src/plugins/telegram/settings.ts";

function accounts(section: object, envToken?: string) {
  return accountsOf(Section().parse(section), envToken);
}

function account(section: object) {
  const found = accounts(section).get("default");
  if (!found) throw new Error("there is no default account");
  return found;
}

const tokens = (section: object, envToken?: string) =>
  [...accounts(section, envToken)].map(([id, { botToken, tokenFile }]) => [id, botToken ?? tokenFile]);

test("the token of the default account is outside of accounts, or in the environment", () => {
  expect(tokens({})).toEqual([["default", undefined]]);
  expect(tokens({ botToken: "1:a" }, "2:b")).toEqual([["default", "1:a"]]);
  expect(tokens({}, "2:b")).toEqual([["default", "2:b"]]);
  expect(tokens({ tokenFile: "/t" }, "2:b")).toEqual([["default", "/t"]]);
});

test("other accounts have tokens of their own, and what they do not say from all", () => {
  const section = {
    botToken: "1:a",
    dmPolicy: "open",
    allowFrom: ["*"],
    accounts: { work: { botToken: "2:b", dmPolicy: "disabled" }, bare: {}, off: { enabled: false } },
  };
  expect(tokens(section)).toEqual([
    ["default", "1:a"],
    ["work", "2:b"],
    ["bare", undefined],
  ]);
  expect(tokens({ accounts: { work: { botToken: "2:b" } } })).toEqual([["work", "2:b"]]);
  expect([...accounts(section).values()].map(({ dmPolicy }) => dmPolicy)).toEqual([
    "open",
    "disabled",
    "open",
  ]);
  expect(accounts({ ...section, enabled: false }).size).toBe(0);
});

test("the webhook outside of accounts is that of the default account alone", () => {
  const hook = { webhookUrl: "https://home.example/a", webhookSecret: "s", webhookPath: "/a" };
  const own = { webhookUrl: "https://home.example/b" };
  const found = accounts({
    ...hook,
    botToken: "1:a",
    accounts: { work: { botToken: "2:b" }, more: { botToken: "3:c", ...own } },
  });
  expect(found.get("default")).toMatchObject(hook);
  for (const key of Object.keys(hook)) expect(found.get("work")).not.toHaveProperty(key);
  expect(found.get("more")).toMatchObject(own);
  expect(found.get("more")?.webhookSecret).toBeUndefined();
});

test("keys that nobody knows are let through", () => {
  expect(
    account({ streamMode: "partial", actions: { reactions: true }, groups: { "-1": { skills: [] } } }),
  ).toBeDefined();
});

test("by itself strangers are paired, and in groups nobody is heard", () => {
  expect(policyOf(account({}))).toEqual({
    direct: "pairing",
    allowFrom: [],
    group: "open",
    groupAllowFrom: [],
    groups: {},
  });
});

test("open to everybody is said twice", () => {
  expect(policyOf(account({ dmPolicy: "open" })).direct).toBe("allowlist");
  expect(policyOf(account({ dmPolicy: "open", allowFrom: ["*"] })).direct).toBe("open");
});

test("ids are ids, however they are written", () => {
  expect(policyOf(account({ allowFrom: [42, "telegram:43", " TG:44 "] })).allowFrom).toEqual([
    "42",
    "43",
    "44",
  ]);
});

test("named groups are the only ones, unless there is a star", () => {
  const open = { groupPolicy: "open", groups: { "-1": { requireMention: false, enabled: true } } };
  expect(policyOf(account(open))).toMatchObject({
    group: "allowlist",
    groups: { "-1": { requireMention: false, enabled: true } },
  });
  expect(policyOf(account(open))).not.toHaveProperty("groupAllowFrom");
  expect(policyOf(account({ groupPolicy: "open", groups: { "*": {} } })).group).toBe("open");
  expect(policyOf(account({ groupPolicy: "disabled", groups: { "*": {} } })).group).toBe("disabled");
});

test("a group's list takes the place of the general one, a topic's that of its group", () => {
  const section = {
    allowFrom: [1],
    groups: {
      "-1": { allowFrom: [2], topics: { "7": { allowFrom: [3] }, "8": { enabled: false } } },
      "*": {},
    },
  };
  const settings = account(section);
  const heard = (chatId: string, senderId: string, threadId?: string) =>
    rulesOf(settings, { chatId, senderId, ...(threadId !== undefined && { threadId }) }) !== undefined;
  expect(policyOf(settings).groupAllowFrom).toEqual(["1", "2", "3"]);
  expect([heard("-2", "1"), heard("-2", "2")]).toEqual([true, false]);
  expect([heard("-1", "1"), heard("-1", "2"), heard("-1", "3")]).toEqual([false, true, false]);
  expect([heard("-1", "2", "7"), heard("-1", "3", "7"), heard("-1", "2", "8")]).toEqual([false, true, false]);
});
