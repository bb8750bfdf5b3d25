import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import type { ChannelLink, Inbound, Received } from "../../../../src/plugins/api.ts";
import { RpcError } from "../../../../src/plugins/api.ts";
import plugin from "../../../../src/plugins/telegram/plugin.ts";
import { startPlugin } from "../../../../src/plugins/testing.ts";
import type { TestedPlugin, TestWorld } from "../../../../src/plugins/testing.ts";
import {
  BOT_ID,
  BOT_TOKEN,
  TelegramServer,
  type TelegramServerOptions,
} from "../../../support/telegram-server.ts";

setDefaultTimeout(20_000);

const ADA = { id: 42, is_bot: false, first_name: "Ada" };
const FROM_ADA = { from: ADA, chat: { id: 42, type: "private", first_name: "Ada" } };
const KEY = `offset:default:${BOT_ID}`;

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function serve(options?: TelegramServerOptions): Promise<TelegramServer> {
  const server = await TelegramServer.start(options);
  stops.push(() => server.stop());
  return server;
}

/** Waits take no time: what is waited for is counted. */
const pauses: number[] = [];
const HASTY: NonNullable<TestWorld["timers"]> = {
  after(ms, work) {
    pauses.push(ms);
    const timer = setImmediate(work);
    return () => clearImmediate(timer);
  },
  every: () => () => {},
};

async function start(server: TelegramServer, world: TestWorld = {}): Promise<TestedPlugin> {
  const config = { botToken: BOT_TOKEN, apiRoot: server.url, ...world.config };
  const started = await startPlugin(plugin, { fetch, timers: HASTY, ...world, config });
  stops.push(() => started.stop());
  return started;
}

interface Run {
  readonly received: Inbound[];
  readonly states: { readonly state: string; readonly detail?: string }[];
  readonly ended: Promise<void>;
  stop(): Promise<void>;
  /** Resolves with the state that fits, come or coming. */
  state(wanted: string): Promise<string | undefined>;
}

/** Runs the default account as the gateway does. */
function run(started: TestedPlugin, receive?: (message: Inbound) => Promise<Received>): Run {
  const ended = new AbortController();
  const received: Inbound[] = [];
  const states: Run["states"] = [];
  const waiting = new Set<() => void>();
  const link: ChannelLink = {
    signal: ended.signal,
    async receive(message) {
      const answer = await (receive?.(message) ?? Promise.resolve("accepted" as const));
      received.push(message);
      return answer;
    },
    status(now) {
      states.push(now);
      for (const look of [...waiting]) look();
    },
  };
  const channel = started.channel("telegram");
  const account = channel.accounts.find(({ id }) => id === "default");
  if (!account) throw new Error("there is no default account");
  const running = channel.run(account, link);
  // Looked at by the test that expects it.
  running.catch(() => {});
  const stop = async (): Promise<void> => {
    ended.abort();
    await running.catch(() => {});
  };
  stops.push(stop);
  return {
    ...{ received, states, ended: running, stop },
    state: (wanted) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = states.find(({ state }) => state === wanted);
          if (!found) return;
          waiting.delete(look);
          resolve(found.detail);
        };
        waiting.add(look);
        look();
      }),
  };
}

const confirmed = (server: TelegramServer) => server.until(() => server.waiting === 0);
const methods = (server: TelegramServer) => server.calls.map(({ method }) => method);

test("what is written while nobody listens is heard, in order, and confirmed afterwards", async () => {
  const server = await serve();
  for (const text of ["one", "two", "three"]) server.write({ ...FROM_ADA, text });
  const started = await start(server);
  const { received, state } = run(started);
  expect(await state("connected")).toBe("@house_bot");
  await confirmed(server);
  expect(received.map(({ text }) => text)).toEqual(["one", "two", "three"]);
  expect(received[0]).toMatchObject({
    chatId: "42",
    messageId: "42:1",
    isGroup: false,
    sender: { name: "Ada" },
  });
  expect(await started.store.get(KEY)).toMatchObject({ next: 1_003 });
  server.write({ ...FROM_ADA, text: "four" });
  await confirmed(server);
  expect(received).toHaveLength(4);
  const polls = server.calls.filter(({ method }) => method === "getUpdates");
  expect(polls.at(-1)?.params).toMatchObject({ offset: 1_004, allowed_updates: ["message"], timeout: 30 });
  expect(server.calls.some(({ params }) => params["drop_pending_updates"] === true)).toBe(false);
});

test("a message that the gateway has no room for is handed over again, and not confirmed before", async () => {
  const server = await serve();
  server.write({ ...FROM_ADA, text: "one" });
  let tries = 0;
  const waiting: number[] = [];
  const { received, states } = run(await start(server), async () => {
    waiting.push(server.waiting);
    if (++tries < 3) throw new RpcError("busy", "Cannot receive: no room", { retryAfterMs: 5 });
    return "accepted";
  });
  await confirmed(server);
  expect(received.map(({ text }) => text)).toEqual(["one"]);
  expect(waiting).toEqual([1, 1, 1]);
  // Nothing is wrong with the connection.
  expect(states.map(({ state }) => state)).toEqual(["connecting", "connected"]);
});

test("a message that cannot be taken at all is passed over, and told", async () => {
  const server = await serve();
  server.write({ ...FROM_ADA, text: "bad" });
  server.write({ ...FROM_ADA, text: "good" });
  const started = await start(server);
  const { received } = run(started, async ({ text }) => {
    if (text === "bad") throw new RpcError("invalid_params", "Cannot receive: bad");
    return "accepted";
  });
  await confirmed(server);
  expect(received.map(({ text }) => text)).toEqual(["good"]);
  expect(started.logs).toContain("error message not taken");
});

test("stopped before the gateway has a message, it is heard again; what was heard is not", async () => {
  const server = await serve();
  server.write({ ...FROM_ADA, text: "one" });
  server.write({ ...FROM_ADA, text: "two" });
  const started = await start(server);
  const reached = Promise.withResolvers<void>();
  const first = run(started, ({ text }) => {
    if (text === "one") return Promise.resolve("accepted");
    reached.resolve();
    return new Promise((_, reject) => {
      stops.push(async () => reject(new Error("over")));
    });
  });
  await reached.promise;
  expect(await started.store.get(KEY)).toMatchObject({ next: 1_001 });
  void first.stop();
  const second = run(started);
  await server.until(() => second.received.length === 1 && server.waiting === 0);
  expect(second.received.map(({ text }) => text)).toEqual(["two"]);
});

test("where it read up to is forgotten after days: the numbers begin anew", async () => {
  const server = await serve({ firstUpdate: 5 });
  server.write({ ...FROM_ADA, text: "one" });
  const atMs = Date.now() - 7 * 24 * 60 * 60_000;
  const { received } = run(await start(server, { stored: { [KEY]: { next: 900_000, atMs } } }));
  await server.until(() => received.length === 1);
});

test("stopping ends the poll that waits", async () => {
  const server = await serve();
  const { state, stop, ended } = run(await start(server));
  await state("connected");
  await server.until(() => methods(server).includes("getUpdates"));
  await stop();
  expect(await ended).toBeUndefined();
});

test("a token nobody knows is told in plain words, and not tried again", async () => {
  const server = await serve();
  const started = await start(server, { config: { botToken: "99:wrong" } });
  const { state, states, ended, stop } = run(started);
  expect(await state("failed")).toBe("Telegram does not know the bot token (401)");
  expect(server.calls).toEqual([]);
  await stop();
  await ended;
  expect(states.map((one) => one.state)).toEqual(["connecting", "failed"]);
  const noToken = run(await start(server, { config: { botToken: "no token" } }));
  expect(await noToken.state("failed")).toBe("Telegram does not know the bot token (404)");
  const none = run(await start(server, { config: { botToken: "" } }));
  expect(await none.state("failed")).toBe('account "default" has no bot token');
  // Somebody may see to the token before it is given up.
  const channel = started.channel("telegram");
  const error = await channel.send(to("hello")).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "unavailable" });
});

test("what passes is waited for as long as Telegram says, else longer each time", async () => {
  const server = await serve();
  server.fail("getMe", {
    code: 429,
    description: "Too Many Requests: retry after 7",
    parameters: { retry_after: 7 },
  });
  server.fail("getMe", { code: 502, description: "Bad Gateway" }, { cut: true });
  server.fail("getUpdates", { code: 409, description: "Conflict: terminated by other getUpdates request" });
  pauses.length = 0;
  const { states } = run(await start(server));
  server.write({ ...FROM_ADA, text: "one" });
  await confirmed(server);
  expect(pauses).toEqual([7_000, 2_000, 4_000, 1_000]);
  expect(states.map(({ state }) => state).join(" ")).toBe(
    "connecting connecting connecting connecting connected connected connecting connected",
  );
  expect(states[6]?.detail).toStartWith("another program has this bot's messages");
  // The first poll after a failure does not wait: that it is over is known at once.
  const timeouts = server.calls
    .filter(({ method }) => method === "getUpdates")
    .map(({ params }) => params["timeout"]);
  expect(timeouts.slice(0, 3)).toEqual([30, 0, 30]);
});

test("two gateways with one bot: each is told of the other", async () => {
  const server = await serve();
  const first = run(await start(server));
  await server.until(() => methods(server).includes("getUpdates"));
  const second = run(await start(server));
  const told = ({ states }: Run) => states.some(({ detail = "" }) => detail.startsWith("another program"));
  await server.until(() => told(first) && told(second));
});

test("no error, state or line of the log has the token", async () => {
  const server = await serve();
  const started = await start(server);
  const { states, state } = run(started);
  await state("connected");
  const channel = started.channel("telegram");
  await server.stop();
  const message = { accountId: "default", to: "42", text: "hello" };
  const error = await channel.send(message).catch((caught: unknown) => caught);
  expect(error).toMatchObject({
    code: "unavailable",
    message: 'Cannot send to Telegram chat "42": Telegram cannot be reached',
  });
  await state("connecting");
  await channel.typing?.({ accountId: "default", to: "42" });
  const secret = BOT_TOKEN.split(":")[1] ?? "";
  const said = [Bun.inspect(error, { depth: 9 }), JSON.stringify(states), ...started.logs].join("\n");
  expect(said).not.toContain(secret);
});

test("a picture comes with its message; one that cannot be had is said to be missing", async () => {
  const server = await serve();
  const bytes = new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3]);
  server.file("p1", bytes);
  const photo = (id: string) => [{ file_id: id, file_unique_id: id, width: 9, height: 9, file_size: 7 }];
  const { received } = run(await start(server));
  server.write({ ...FROM_ADA, photo: photo("p1"), caption: "look" });
  server.write({ ...FROM_ADA, photo: photo("gone"), caption: "and" });
  server.fail("getFile", { code: 500, description: "Internal Server Error" });
  await server.until(() => received.length === 2);
  expect(received[0]).toMatchObject({
    text: "look",
    images: [{ mimeType: "image/jpeg", data: Buffer.from(bytes).toString("base64") }],
  });
  expect(received[1]?.text).toBe("and\n[picture: could not be loaded]");
});

test("pictures that a group shows each other are not fetched", async () => {
  const server = await serve();
  const { received } = run(await start(server, { config: { groupPolicy: "open" } }));
  const photo = [{ file_id: "p1", file_unique_id: "p1", width: 9, height: 9, file_size: 7 }];
  server.write({ from: ADA, chat: { id: -100, type: "supergroup", title: "Home" }, photo });
  server.write({ ...FROM_ADA, text: "after it" });
  await server.until(() => received.some(({ text }) => text === "after it"));
  expect(methods(server)).not.toContain("getFile");
});

// --- what leaves ---

const to = (text: string, more: object = {}) => ({ accountId: "default", to: "42", text, ...more });

test("a message is sent as it was meant, as an answer and in its topic", async () => {
  const server = await serve();
  const channel = (await start(server)).channel("telegram");
  const sent = await channel.send(to("**Hi** <you>", { to: "-100", threadId: "9", replyTo: "-100:7" }));
  expect(sent.messageId).toBe("-100:1");
  expect(server.sent).toMatchObject([
    {
      chatId: "-100",
      text: "Hi <you>",
      params: {
        text: "<b>Hi</b> &lt;you&gt;",
        message_thread_id: 9,
        reply_parameters: { message_id: 7, allow_sending_without_reply: true },
      },
    },
  ]);
  expect(await channel.send(to("  "))).toEqual({});
  await channel.typing?.({ accountId: "default", to: "-100", threadId: "9" });
  expect(server.calls.at(-1)).toEqual({
    method: "sendChatAction",
    params: { chat_id: "-100", action: "typing", message_thread_id: 9 },
  });
});

test("markup that Telegram does not take is sent as it was written", async () => {
  const server = await serve();
  server.fail("sendMessage", {
    code: 400,
    description: "Bad Request: can't parse entities: Unsupported start tag",
  });
  await (await start(server)).channel("telegram").send(to("**Hi**"));
  expect(server.sent.map(({ text }) => text)).toEqual(["**Hi**"]);
});

test("a long message goes on, when tried again, where it failed", async () => {
  const server = await serve();
  const channel = (await start(server, { config: { textChunkLimit: 500 } })).channel("telegram");
  const paragraphs = ["a", "b", "c"].map((letter) => letter.repeat(400));
  const message = to(paragraphs.join("\n\n"), { replyTo: "42:5" });
  await server.until(() => true);
  const failing = { code: 429, description: "Too Many Requests", parameters: { retry_after: 3 } };
  const first = server.until(() => server.sent.length === 1).then(() => server.fail("sendMessage", failing));
  const error = await channel.send(message).catch((caught: unknown) => caught);
  await first;
  expect(error).toMatchObject({ code: "unavailable", extra: { retryAfterMs: 3_000 } });
  await channel.send(message);
  expect(server.sent.map(({ text }) => text)).toEqual(paragraphs);
  expect(server.sent.map(({ params }) => "reply_parameters" in params)).toEqual([true, false, false]);
});

test("a long message that was given up begins anew when it is said again", async () => {
  const server = await serve();
  const channel = (await start(server, { config: { textChunkLimit: 500 } })).channel("telegram");
  const paragraphs = ["a", "b"].map((letter) => letter.repeat(400));
  const message = to(paragraphs.join("\n\n"));
  const blocked = { code: 403, description: "Forbidden: bot was blocked by the user" };
  const first = server.until(() => server.sent.length === 1).then(() => server.fail("sendMessage", blocked));
  await channel.send(message).catch(() => {});
  await first;
  await channel.send(message);
  expect(server.sent.map(({ text }) => text)).toEqual(["a".repeat(400), ...paragraphs]);
});

test("a group that has moved is written to where it is; somebody who blocked the bot is not tried again", async () => {
  const server = await serve();
  const started = await start(server);
  const channel = started.channel("telegram");
  const parameters = { migrate_to_chat_id: -1_007 };
  server.fail("sendMessage", { code: 400, description: "Bad Request: group chat was upgraded", parameters });
  await channel.send(to("hello", { to: "-7" }));
  expect(server.sent.map(({ chatId }) => chatId)).toEqual(["-1007"]);
  expect(started.logs).toContain("warn group has another id now");
  server.fail("sendMessage", { code: 403, description: "Forbidden: bot was blocked by the user" });
  const error = await channel.send(to("hello")).catch((caught: unknown) => caught);
  expect(error).not.toBeInstanceOf(RpcError);
  expect(String(error)).toContain("Telegram says 403: Forbidden: bot was blocked by the user");
});

// --- webhook ---

const HOOK = {
  webhookUrl: "https://home.example/plugins/telegram/webhook",
  webhookSecret: "the-secret_of-1",
};

test("with a webhook Telegram delivers; who does not know the secret is not heard", async () => {
  const server = await serve();
  const gone = Promise.withResolvers<Received>();
  const started = await start(server, { config: HOOK });
  const post = (secret: string | undefined, body: string | object) =>
    started
      .http("POST", "/webhook", {
        headers: secret === undefined ? {} : { "x-telegram-bot-api-secret-token": secret },
        body,
      })
      .then(
        ({ status }) => status,
        (error: { code?: string }) => error.code,
      );
  const update = { update_id: 1, message: { ...FROM_ADA, message_id: 1, date: 1, text: "one" } };
  // Not running yet: it is pushed again.
  expect(await post(HOOK.webhookSecret, update)).toBe("unavailable");
  const { received, state } = run(started, ({ text }) =>
    text === "one" ? gone.promise : Promise.resolve("accepted"),
  );
  expect(await state("connected")).toBe("@house_bot");
  expect(server.webhook).toEqual({ url: HOOK.webhookUrl, secret: HOOK.webhookSecret });
  for (const wrong of [undefined, "", "the-secret_of-2", `${HOOK.webhookSecret}x`])
    expect(await post(wrong, update)).toBe("unauthorized");
  expect(await post(HOOK.webhookSecret, "no json")).toBe("invalid_request");
  expect(await post(HOOK.webhookSecret, { nothing: 1 })).toBe("invalid_request");
  let isAnswered = false;
  const answer = post(HOOK.webhookSecret, update).finally(() => void (isAnswered = true));
  expect(await post(HOOK.webhookSecret, { ...update, message: { ...update.message, text: "two" } })).toBe(
    200,
  );
  expect(isAnswered).toBe(false);
  gone.resolve("accepted");
  expect(await answer).toBe(200);
  expect(received.map(({ text }) => text)).toEqual(["two", "one"]);
});

test("a bot that had a webhook is polled all the same; logging out takes a webhook away", async () => {
  const server = await serve();
  const hooked = await start(server, { config: HOOK });
  const first = run(hooked);
  await first.state("connected");
  await first.stop();
  const started = await start(server);
  const { received, state } = run(started);
  await state("connected");
  expect(server.webhook).toBeUndefined();
  server.write({ ...FROM_ADA, text: "one" });
  await server.until(() => received.length === 1 && server.waiting === 0);
  const logout = (one: TestedPlugin) => one.channel("telegram").logout?.("default");
  expect(await logout(started)).toBe(true);
  expect(await started.store.get(KEY)).toBeUndefined();
  expect(await logout(started)).toBe(false);
  const again = run(hooked);
  await again.state("connected");
  expect(await logout(hooked)).toBe(true);
  expect(server.webhook).toBeUndefined();
});

test("names in its lists let nobody in, which is told", async () => {
  const server = await serve();
  const { logs } = await start(server, {
    config: { allowFrom: ["@ada", 42, "*"], groupAllowFrom: ["tg:-7"] },
  });
  expect(logs).toEqual(["warn only ids let people in, names do not"]);
});

test("the token may be in a file, or in the environment", async () => {
  const server = await serve();
  const files = { "/home/a/token": `${BOT_TOKEN}\n` };
  const fromFile = await start(server, {
    config: { botToken: undefined, tokenFile: "/home/a/token" },
    files,
  });
  await run(fromFile).state("connected");
  const env = { TELEGRAM_BOT_TOKEN: BOT_TOKEN };
  await run(await start(server, { config: { botToken: undefined }, env })).state("connected");
});
