/** People write to a bot at home: from the first message of a stranger to answers that outlive a kill. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BOT_TOKEN, TelegramServer } from "../support/telegram-server.ts";
import { listen } from "../support/sdk.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, type Program, runProgram, startProgram } from "./program.ts";

setDefaultTimeout(60_000);

const TOKEN = "the-token-of-this-test-0123456789";
const ADA = { id: 42, is_bot: false, first_name: "Ada" };
const FROM_ADA = { from: ADA, chat: { id: 42, type: "private", first_name: "Ada" } };
const GROUP = { id: -100, type: "supergroup", title: "Home" };

let home: string;
let server: TelegramServer;

beforeEach(async () => {
  home = tempDir();
  mkdirSync(join(home, ".clawdbot"), { mode: 0o700 });
  server = await TelegramServer.start();
});

afterEach(async () => {
  await endPrograms();
  await server.stop();
});

function configure(telegram: object | undefined, channels?: object): void {
  const config = {
    gateway: { port: 0, auth: { token: TOKEN }, reload: { debounceMs: 10 } },
    agents: { defaults: { model: "echo/echo" } },
    ...(channels && { channels }),
    ...(telegram && { channels: { telegram: { botToken: BOT_TOKEN, apiRoot: server.url, ...telegram } } }),
  };
  writeFileSync(join(home, ".clawdbot/moltbot.json"), JSON.stringify(config), { mode: 0o600 });
}

async function start(): Promise<{ readonly program: Program; readonly url: string }> {
  const program = startProgram(["run"], { home, env: { OLLAMA_HOST: "127.0.0.1:9" } });
  const [, url = ""] = await program.until(/gateway listening url=(http:\/\/127\.0\.0\.1:\d+)/);
  return { program, url };
}

async function call(method: string, params: object): Promise<Record<string, unknown>> {
  const { code, out, err } = await runProgram(["call", method, JSON.stringify(params)], { home });
  expect({ code, err }).toMatchObject({ code: 0 });
  return JSON.parse(out) as Record<string, unknown>;
}

const entity = (text: string, name: string) => ({
  text,
  entities: [{ type: "mention", offset: text.indexOf(name), length: name.length }],
});

test("a stranger is given a code; with the owner's word the next message is answered", async () => {
  configure({});
  const { program } = await start();
  server.write({ ...FROM_ADA, text: "Anybody there?" });
  const { text } = await server.said((said) => /\b[A-Z0-9]{8}\b/.test(said));
  const code = /\b[A-Z0-9]{8}\b/.exec(text)?.[0];
  const approved = await call("channels.pairing.approve", { code });
  expect(approved).toMatchObject({ channel: "telegram", senderId: "42", name: "Ada", state: "approved" });
  server.write({ ...FROM_ADA, text: "And **now**?" });
  await server.said((said, chatId) => chatId === "42" && said.includes("And now?"));
  expect(server.sent.some((said) => said.text.includes("Anybody there?"))).toBe(false);
  expect(await call("channels.status", {})).toMatchObject({
    channels: { telegram: { configured: true, running: true } },
    channelAccounts: { telegram: [{ accountId: "default", connected: true, state: "connected" }] },
  });
  expect(program.out() + program.err()).not.toContain(BOT_TOKEN.split(":")[1] ?? "");
});

test("the README's section, followed word for word", async () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const section = readme.split("\n## Telegram\n")[1]?.split("\n## ")[0] ?? "";
  const lines = [...section.matchAll(/^gateway .*$/gm)].map(([line]) => line);
  expect(lines).toHaveLength(5);
  const [set = "", status = "", pairing = "", approve = "", groups = ""] = lines;
  const follow = async (line: string): Promise<string> => {
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? "");
    const { code, out, err } = await runProgram(words.slice(1), { home });
    expect([line, code], err).toEqual([line, 0]);
    return out;
  };
  // Of this test alone: a Telegram that is on this machine, and a port that is free.
  configure(undefined, { telegram: { enabled: false, apiRoot: server.url } });
  const { program } = await start();
  configure(undefined, { telegram: { apiRoot: server.url } });
  await program.until(/plugin started/);
  await follow(set.replace("123456:ABC-your-token", BOT_TOKEN));
  await server.until(() => server.calls.some(({ method }) => method === "getUpdates"));
  expect(await follow(status)).toContain("default  connected");

  server.write({ ...FROM_ADA, text: "Anybody there?" });
  await server.said((text) => /\b[A-Z0-9]{8}\b/.test(text));
  const [, id = "", code = ""] =
    /Ada \((\d+)\) {2}waits with the code (\S{8}),/.exec(await follow(pairing)) ?? [];
  expect(await follow(approve.replace("K7QF2M9X", code))).toBe("Ada (42) may write on telegram\n");
  await server.said((text) => text.startsWith("You are in"));
  server.write({ ...FROM_ADA, text: "And now?" });
  await server.said((text) => text.includes("And now?"));

  const polls = () => server.calls.filter(({ method }) => method === "deleteWebhook").length;
  const before = polls();
  const named = { from: ADA, chat: GROUP, ...entity("@house_bot hello", "@house_bot") };
  server.write({ ...named, text: "@house_bot too early" });
  await follow(groups.replace("42", id));
  await server.until(() => polls() > before && server.waiting === 0);
  server.write({ from: ADA, chat: GROUP, text: "not named" });
  server.write({ ...named, from: { ...ADA, id: 43, first_name: "Bob" } });
  server.write({ ...named, text: "@house_bot good morning" });
  await server.said((text, chatId) => chatId === "-100" && text.includes("good morning"));
  expect(server.sent.filter(({ chatId }) => chatId === "-100")).toHaveLength(1);
});

test("in a group whoever names the bot is answered, in their topic; the others are not", async () => {
  configure({ groupPolicy: "open", groups: { "-100": {} } });
  await start();
  const from = { from: ADA, chat: GROUP };
  server.write({ ...from, text: "just talking" });
  server.write({ from: ADA, chat: { ...GROUP, id: -200 }, ...entity("@house_bot elsewhere", "@house_bot") });
  const topic = { message_thread_id: 9, is_topic_message: true };
  server.write({ ...from, ...topic, ...entity("@house_bot hello there", "@house_bot") });
  const said = await server.said((text) => text.includes("hello there"));
  expect(said).toMatchObject({ chatId: "-100", params: { message_thread_id: 9 } });
  expect(server.sent).toHaveLength(1);
});

test("what the gateway has taken is answered, although it is killed before", async () => {
  configure({ dmPolicy: "open", allowFrom: ["*"] });
  const { program } = await start();
  await program.until(/plugin started/);
  // The answer does not get through before the kill.
  server.fail("sendMessage", { cut: true });
  server.write({ ...FROM_ADA, text: "remember me" });
  await server.until(() => server.calls.some(({ method }) => method === "sendMessage"));
  program.signal("SIGKILL");
  await program.exited;
  server.write({ ...FROM_ADA, text: "while you were away" });
  await start();
  await server.said((text) => text.includes("while you were away"));
  await server.said((text) => text.includes("remember me"));
});

test("killed whenever, it answers everybody who wrote", async () => {
  configure({ groupPolicy: "open", groups: { "*": { requireMention: false } } });
  const count = (...methods: string[]): number =>
    server.calls.filter(({ method }) => methods.includes(method)).length;
  // Moments of a message: Telegram has it, the gateway has it, its answer is about to leave.
  const moments = [
    () => true,
    () => server.waiting === 0,
    (before: number) => count("sendChatAction", "sendMessage") > before,
  ];
  // Each in a conversation of its own: what comes together may be answered together.
  const chats: string[] = [];
  for (const isMoment of [...moments, ...moments]) {
    const polls = count("getUpdates");
    const { program } = await start();
    await server.until(() => count("getUpdates") > polls);
    const before = count("sendChatAction", "sendMessage");
    const id = -1_000 - chats.length;
    chats.push(String(id));
    server.write({ from: ADA, chat: { ...GROUP, id }, text: "hello" });
    await server.until(() => isMoment(before));
    program.signal("SIGKILL");
    await program.exited;
  }
  await start();
  await server.until(() => chats.every((chat) => server.sent.some(({ chatId }) => chatId === chat)));
  await server.until(() => server.waiting === 0);
  expect(new Set(server.sent.map(({ chatId }) => chatId))).toEqual(new Set(chats));
});

test("a line in the file starts it and another one stops it; other settings take over while it runs", async () => {
  configure(undefined);
  const { program, url } = await start();
  const { until } = await listen({ url }, { token: TOKEN });
  configure({ dmPolicy: "disabled" });
  await program.until(/plugin started/);
  await server.until(() => server.calls.some(({ method }) => method === "getUpdates"));
  configure({ dmPolicy: "open", allowFrom: ["*"] });
  await program.until(/plugin started[^]*plugin started/);
  server.write({ ...FROM_ADA, text: "hello" });
  await server.said((text) => text.includes("hello"));
  configure({ enabled: false });
  await until("plugins.changed", ({ event, payload }) => {
    return event === "plugins.changed" && payload["id"] === "telegram" && payload["state"] === "disabled";
  });
});

test("while an answer is on its way other settings take over, and two never poll at once", async () => {
  const polls = (): number => server.calls.filter(({ method }) => method === "getUpdates").length;
  configure({ dmPolicy: "open", allowFrom: ["*"] });
  const { program } = await start();
  server.fail("sendMessage", { hang: true });
  server.write({ ...FROM_ADA, text: "hello" });
  await server.until(
    () => server.calls.some(({ method }) => method === "sendMessage") && server.waiting === 0,
  );
  const before = polls();
  configure({ dmPolicy: "open", allowFrom: ["*"], replyToMode: "off" });
  await program.until(/plugin started[^]*plugin started/);
  await server.until(() => polls() > before);
  expect(server.conflicts).toBe(0);
});

test("its token may be in a file of its own, which is all that it may read", async () => {
  writeFileSync(join(home, "bot-token"), `${BOT_TOKEN}\n`, { mode: 0o600 });
  configure({ dmPolicy: "open", allowFrom: ["*"], botToken: undefined, tokenFile: "~/bot-token" });
  await start();
  server.write({ ...FROM_ADA, text: "from a file" });
  await server.said((text) => text.includes("from a file"));
  const { grants, denied } = await call("plugins.info", { id: "telegram" });
  expect({ grants, denied }).toMatchObject({ grants: { files: [join(home, "bot-token")] } });
  expect(denied).toBeUndefined();
});

test("Telegram delivers to a webhook, through the gateway's own port", async () => {
  configure(undefined);
  const { program, url } = await start();
  const hook = `${url}/plugins/telegram/webhook`;
  configure({ dmPolicy: "open", allowFrom: ["*"], webhookUrl: hook, webhookSecret: "a-secret-of-this-test" });
  await program.until(/plugin started/);
  await server.until(() => server.webhook !== undefined);
  expect((await fetch(hook, { method: "POST", body: "{}" })).status).toBe(401);
  server.write({ ...FROM_ADA, text: "pushed" });
  await server.said((text) => text.includes("pushed"));
  expect(server.pushed).toEqual([200]);
  expect(server.waiting).toBe(0);
});
