import { expect, test } from "bun:test";
import type { Message } from "grammy/types";
import { toHeard } from "../../../../src/plugins/telegram/inbound.ts";
import { accountsOf, Section } from "../../../../src/plugins/telegram/settings.ts";

const ME = { id: 123_456, username: "house_bot" };
const ADA = { id: 42, is_bot: false, first_name: "Ada", last_name: "Byron", username: "ada" };
const GROUP = { id: -100, type: "supergroup", title: "Home" };

/** Nobody has to name the bot. */
const OPEN = { groupPolicy: "open", groups: { "*": { requireMention: false } } };

function heard(message: object, section: object = OPEN) {
  const settings = accountsOf(Section().parse(section)).get("default");
  if (!settings) throw new Error("there is no default account");
  const whole = {
    message_id: 7,
    date: 1,
    chat: { id: 42, type: "private", first_name: "Ada" },
    from: ADA,
    ...message,
  };
  return toHeard(whole as Message, ME, settings);
}

const mentioned = (message: object): boolean =>
  heard({ chat: GROUP, ...message }, { groupPolicy: "open" })?.inbound.isMentioned === true;

test("somebody writes", () => {
  expect(heard({ text: "Hello" })).toEqual({
    inbound: {
      chatId: "42",
      messageId: "42:7",
      sender: { id: "42", name: "Ada Byron" },
      isGroup: false,
      text: "Hello",
    },
  });
});

test("what nobody wrote to the agent is not heard", () => {
  expect(heard({})).toBeUndefined();
  expect(heard({ chat: GROUP, new_chat_members: [ADA] })).toBeUndefined();
  expect(heard({ text: "mine", from: { ...ADA, id: ME.id } })).toBeUndefined();
  expect(heard({ text: "post", chat: { id: -5, type: "channel", title: "News" } })).toBeUndefined();
  expect(heard({ text: "post", chat: GROUP, is_automatic_forward: true })).toBeUndefined();
});

test("named, in whatever way", () => {
  const entity = (type: string, text: string, name: string) => ({
    text,
    entities: [{ type, offset: text.indexOf(name), length: name.length }],
  });
  expect(mentioned({ text: "hello" })).toBe(false);
  expect(mentioned({ text: "hello @house_bot" })).toBe(false);
  expect(mentioned(entity("mention", "😀 @House_Bot hello", "@House_Bot"))).toBe(true);
  expect(mentioned(entity("mention", "@house_bot2 hello", "@house_bot2"))).toBe(false);
  expect(mentioned(entity("bot_command", "/ask@house_bot", "/ask@house_bot"))).toBe(true);
  expect(mentioned(entity("bot_command", "/ask@other_bot", "/ask@other_bot"))).toBe(false);
  expect(mentioned(entity("bot_command", "/ask", "/ask"))).toBe(false);
  expect(
    mentioned({
      text: "you",
      entities: [{ type: "text_mention", offset: 0, length: 3, user: { id: ME.id } }],
    }),
  ).toBe(true);
  const { text, entities } = entity("mention", "@house_bot look", "@house_bot");
  expect(mentioned({ photo: [], caption: text, caption_entities: entities })).toBe(true);
});

test("an answer to the agent names it; what only stands in a topic it opened does not", () => {
  const mine = { from: { ...ADA, id: ME.id } };
  expect(mentioned({ text: "and?", reply_to_message: mine })).toBe(true);
  expect(mentioned({ text: "and?", reply_to_message: { from: ADA } })).toBe(false);
  expect(mentioned({ text: "and?", reply_to_message: { ...mine, forum_topic_created: {} } })).toBe(false);
});

test("a topic is a thread; a chain of answers is none", () => {
  const inTopic = { chat: GROUP, text: "a", message_thread_id: 9 };
  expect(heard({ ...inTopic, is_topic_message: true })?.inbound.threadId).toBe("9");
  expect(heard(inTopic)?.inbound).not.toHaveProperty("threadId");
});

test("a topic has its own word on mentions", () => {
  const topic = (requireMention: boolean) => ({
    groupPolicy: "open",
    groups: { "-100": { topics: { "9": { requireMention } } } },
  });
  const message = { chat: GROUP, text: "a", message_thread_id: 9, is_topic_message: true };
  expect(heard(message, topic(false))?.inbound.isMentioned).toBe(true);
  expect(heard(message, topic(true))).toBeUndefined();
});

test("somebody who writes as a channel is that channel", () => {
  const helper = { id: 136_817_688, is_bot: true, first_name: "Channel" };
  const found = heard({
    chat: GROUP,
    text: "a",
    from: helper,
    sender_chat: { id: -7, type: "channel", title: "News" },
  });
  expect(found?.inbound.sender).toEqual({ id: "-7", name: "News" });
});

test("the largest picture within the bound is taken", () => {
  const photo = [90, 320, 800, 1_280].map((width) => ({
    file_id: `p${width}`,
    width,
    height: width,
    file_size: width * 1_000,
  }));
  expect(heard({ photo, caption: "see" })).toMatchObject({
    inbound: { text: "see" },
    picture: { fileId: "p1280", mimeType: "image/jpeg" },
  });
  expect(heard({ photo }, { mediaMaxMb: 0.5 })).toMatchObject({
    inbound: { text: "" },
    picture: { fileId: "p320" },
  });
  expect(heard({ photo, caption: "see" }, { mediaMaxMb: 0.01 })).toMatchObject({
    inbound: { text: "see\n[photo: too large]" },
  });
  const document = { file_id: "d", mime_type: "image/png", file_size: 10 };
  expect(heard({ document })?.picture).toEqual({ fileId: "d", mimeType: "image/png" });
});

test("what is no text is said to be there", () => {
  expect(heard({ voice: { file_id: "v" } })?.inbound.text).toBe("[voice]");
  expect(heard({ video_note: {} })?.inbound.text).toBe("[video note]");
  expect(heard({ document: { mime_type: "application/pdf" } })?.inbound.text).toBe("[document]");
});

test("the name in front that only says who is meant is no part of what is said", () => {
  const said = (text: string) => heard({ text, chat: GROUP })?.inbound.text;
  expect(said("/new@house_bot")).toBe("/new");
  expect(said("/new@House_Bot test/one hello")).toBe("/new test/one hello");
  expect(said("@house_bot stop")).toBe("stop");
  expect(said("@house_bot")).toBe("@house_bot");
  for (const other of ["/new@other_bot", "@house_bot2 stop", "ask @house_bot", "a/new@house_bot"])
    expect(said(other)).toBe(other);
});
