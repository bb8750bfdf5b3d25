import { describe, expect, test } from "bun:test";
import { RpcError } from "../../../../src/contract/errors.ts";
import { DatabaseError } from "../../../../src/ports.ts";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { createMemoryChannel, quiet, setupChannels } from "./kit.ts";

function started(options: Parameters<typeof setupChannels>[0] = {}) {
  const kit = setupChannels(options);
  kit.start();
  const channel = createMemoryChannel();
  const leave = kit.channels.add(channel);
  let key = 0;
  const send = (to: string, message: string, more: object = {}) =>
    kit.call("send", { to, message, idempotencyKey: `k-${++key}`, ...more });
  /** Given without waiting for the answer: on disk, and tried if it can be. */
  const give = async (to: string, message: string) => {
    const sent = send(to, message);
    await quiet();
    // Not the promise itself, which would be waited for.
    return { sent };
  };
  return { ...kit, channel, leave, send, give };
}

const busy = (retryAfterMs?: number) =>
  new RpcError("busy", "Cannot send: slow down", retryAfterMs === undefined ? {} : { retryAfterMs });

describe("send", () => {
  test("leaves, and answers with the name it has there", async () => {
    const { send, channel, misfits, of } = started();
    const { result, error } = await send("alice", "hello", { threadId: "t" });
    expect(error).toBeUndefined();
    expect(result).toMatchObject({ channel: "pigeon", messageId: "m-1", status: "sent" });
    expect(channel.given).toEqual([{ accountId: "default", to: "alice", text: "hello", threadId: "t" }]);
    expect(of("channels.undelivered")).toEqual([]);
    expect(misfits).toEqual([]);
  });

  test("the same key is the same message, in another gateway too; for another one it is a conflict", async () => {
    const { call, channel, path } = started();
    const asked = { to: "alice", message: "hello", idempotencyKey: "k" };
    const first = await call("send", asked);
    const next = setupChannels({ path });
    next.start();
    const later = createMemoryChannel();
    next.channels.add(later);
    expect(await next.call("send", asked)).toEqual(first);
    const third = setupChannels({ path });
    third.start();
    third.channels.add(later);
    expect(await third.call("send", { ...asked, to: "bob" })).toMatchObject({
      error: { code: "conflict", message: expect.stringContaining("the key was used") },
    });
    expect([channel.given.length, later.given.length]).toEqual([1, 0]);
  });

  test("a message that says nothing is not said to be sent", async () => {
    const { send, channel, rows } = started();
    expect((await send("alice", " \n ")).error).toMatchObject({ code: "invalid_params" });
    expect([channel.given, rows("SELECT id FROM deliveries")]).toEqual([[], []]);
  });

  test("half a character in a name is none, and that name is the same again", async () => {
    const { send } = started();
    expect((await send("a\ud800", "hello", { threadId: "\udc00" })).result).toMatchObject({ status: "sent" });
  });

  test("a copy goes into a session, and nobody answers it", async () => {
    const { send, runs, agent } = started();
    await send("alice", "hello", { sessionKey: "notes" });
    expect(runs.texts("notes")).toEqual(["assistant: hello"]);
    await quiet();
    expect(agent.turns).toEqual([]);
  });

  test("what will never leave is an error, and told", async () => {
    const { send, channel, of, log, states } = started();
    channel.receiving = () => Promise.reject(new RpcError("not_found", "Cannot send to chat: no such chat"));
    expect(await send("nobody", "hello")).toMatchObject({
      error: { code: "unavailable", message: expect.stringContaining("no such chat") },
    });
    expect(of("channels.undelivered")).toMatchObject([{ channel: "pigeon", to: "nobody" }]);
    expect(log.lines.map(({ message }) => message)).toContain("message not delivered");
    expect(states()).toEqual(["failed"]);
  });

  test("an error that nobody expected is no reason to try again, nor a line break in the log", async () => {
    const { send, channel, log } = started();
    channel.receiving = () => Promise.reject(new TypeError("x\n2026-01-01 error forged\u001b[2J"));
    expect((await send("alice", "hello")).error?.code).toBe("unavailable");
    expect(channel.given).toHaveLength(1);
    const [line] = log.lines.filter(({ message }) => message === "message not delivered");
    expect(line?.fields["reason"]).toBe("x 2026-01-01 error forged [2J");
  });

  test.each([undefined, null, {}, { messageId: 7 }, { messageId: "x".repeat(1_000) }])(
    "what a channel answers that sent it is its own affair: %j",
    async (answer) => {
      const { send, channel, states } = started();
      channel.receiving = () => Promise.resolve(answer as never);
      const { result } = await send("alice", "hello");
      expect(result).toMatchObject({ status: "sent" });
      expect(result).not.toHaveProperty("messageId");
      expect(states()).toEqual(["sent"]);
    },
  );

  test("which channel is meant", async () => {
    const kit = setupChannels();
    kit.start();
    let key = 0;
    const send = (more: object = {}) =>
      kit.call("send", { to: "a", message: "b", idempotencyKey: `k-${++key}`, ...more });
    expect((await send()).error).toMatchObject({ code: "not_found" });
    kit.channels.add(createMemoryChannel());
    kit.channels.add(createMemoryChannel({}, { id: "dove" }));
    expect((await send()).error).toMatchObject({ code: "conflict" });
    expect((await send({ channel: "owl" })).error).toMatchObject({ code: "not_found" });
    expect((await send({ channel: "dove", accountId: "other" })).error).toMatchObject({ code: "not_found" });
    expect((await send({ channel: "dove" })).result).toMatchObject({ channel: "dove", status: "sent" });
  });

  test("a plugin that drops it is named as the reason", async () => {
    const { send, channel } = started({ hooks: { sending: () => ({ drop: "not today" }) } });
    expect(await send("alice", "hello")).toMatchObject({
      error: { code: "conflict", message: expect.stringContaining("not today") },
    });
    expect(channel.given).toEqual([]);
  });

  test("more than may wait is refused", async () => {
    const { db, send } = started();
    db.transaction(() => {
      const insert = db.prepare(
        "INSERT INTO deliveries (id, channel, account_id, recipient, text, state, due_at, created_at) VALUES (?, 'pigeon', 'gone', 'x', 'x', 'due', 1, 1)",
      );
      for (let n = 0; n < LIMITS.deliveriesWaitingMax; n++) insert.run(`x-${n}`);
    });
    expect(await send("alice", "hello")).toMatchObject({ error: { code: "busy" } });
  });
});

describe("a channel that cannot send now", () => {
  test("is asked again after growing pauses, and the answer of send does not wait for that", async () => {
    const { give, channel, time, states, rows } = started();
    let failures = 3;
    channel.receiving = () => (failures-- > 0 ? Promise.reject(busy()) : Promise.resolve({}));
    const { sent } = await give("alice", "hello");
    expect((await sent).result).toMatchObject({ status: "waiting" });
    for (const pauseMs of [1, 2, 4].map((factor) => factor * LIMITS.deliveryPauseMsMin)) {
      const before = channel.given.length;
      time.advance(pauseMs - 1);
      await quiet();
      expect(channel.given).toHaveLength(before);
      time.advance(1);
      await quiet();
      expect(channel.given).toHaveLength(before + 1);
    }
    expect(states()).toEqual(["sent"]);
    expect(rows("SELECT attempts FROM deliveries")).toEqual([{ attempts: 3 }]);
  });

  test("says when to come back: not before, and never later than a bound", async () => {
    const { give, channel, time } = started();
    channel.receiving = () => Promise.reject(busy(60_000));
    await give("alice", "hello");
    time.advance(59_999);
    await quiet();
    expect(channel.given).toHaveLength(1);
    channel.receiving = () => Promise.reject(busy(1e12));
    time.advance(1);
    await quiet();
    expect(channel.given).toHaveLength(2);
    time.advance(LIMITS.deliveryPauseMsMax);
    await quiet();
    expect(channel.given).toHaveLength(3);
  });

  test("keeps the order of one conversation, and holds back no other", async () => {
    const { give, channel, time } = started();
    let isDown = true;
    channel.receiving = ({ to }) => (to === "alice" && isDown ? Promise.reject(busy()) : Promise.resolve({}));
    await give("alice", "one");
    await give("alice", "two");
    await give("bob", "hi");
    const got = () => channel.given.map(({ to, text }) => `${to} ${text}`);
    expect(got()).toEqual(["alice one", "bob hi"]);
    isDown = false;
    time.advance(LIMITS.deliveryPauseMsMin);
    await quiet();
    expect(got()).toEqual(["alice one", "bob hi", "alice one", "alice two"]);
  });

  test("never answers: given up for this time, and tried again", async () => {
    const { give, channel, time, states } = started();
    channel.receiving = () => new Promise(() => {});
    await give("alice", "hello");
    time.advance(LIMITS.pluginCallMs);
    await quiet();
    channel.receiving = () => Promise.resolve({});
    time.advance(LIMITS.deliveryPauseMsMin);
    await quiet();
    expect(channel.given).toHaveLength(2);
    expect(states()).toEqual(["sent"]);
  });

  test("is given up after a day, and the next one of that conversation goes on", async () => {
    const { give, channel, time, states, of } = started();
    channel.receiving = ({ text }) => (text === "old" ? Promise.reject(busy()) : Promise.resolve({}));
    await give("alice", "old");
    for (let ms = 0; ms < LIMITS.deliveryMsMax; ms += LIMITS.deliveryPauseMsMax) {
      time.advance(LIMITS.deliveryPauseMsMax);
      await quiet();
    }
    await give("alice", "new");
    expect(states()).toEqual(["failed", "sent"]);
    expect(of("channels.undelivered")).toMatchObject([{ to: "alice", error: "Cannot send: slow down" }]);
  });

  test("sends to a few at a time, and to all in turn", async () => {
    const { channel, send } = started();
    const open: (() => void)[] = [];
    let most = 0;
    let now = 0;
    channel.receiving = () => {
      most = Math.max(most, ++now);
      return new Promise((resolve) => void open.push(() => (now--, resolve({}))));
    };
    const all = Array.from({ length: 20 }, (_, n) => send(`p${n % 10}`, `${n}`));
    for (let left = 20; left > 0; left--) {
      await channel.got(21 - left);
      await quiet();
      open.shift()?.();
    }
    await Promise.all(all);
    expect(most).toBe(4);
    expect(channel.given).toHaveLength(20);
    for (let n = 0; n < 10; n++) {
      const texts = channel.given.filter(({ to }) => to === `p${n}`).map(({ text }) => Number(text));
      expect(texts).toEqual(texts.toSorted((a, b) => a - b));
      expect(texts).toHaveLength(2);
    }
  });
});

test("one that has much to hear does not keep others waiting", async () => {
  const { channel, send } = started();
  const open: (() => void)[] = [];
  channel.receiving = () => new Promise((resolve) => void open.push(() => resolve({})));
  const much = Array.from({ length: 40 }, (_, n) => send(`p${n % 4}`, `${n}`));
  await channel.got(4);
  const little = send("late", "hello");
  await quiet();
  for (let sent = 1; sent <= 41; sent++) {
    await channel.got(sent);
    open.shift()?.();
    await quiet();
  }
  await Promise.all([...much, little]);
  expect(channel.given.findIndex(({ to }) => to === "late")).toBeLessThan(12);
});

describe("a channel that is away", () => {
  test("what is to leave waits until its account is there again", async () => {
    const { give, channel, channels, states } = started();
    channels.state("pigeon", "default", { state: "failed", detail: "no network" });
    const { sent } = await give("alice", "hello");
    expect(channel.given).toEqual([]);
    expect(states()).toEqual(["due"]);
    channels.state("pigeon", "default", { state: "connected" });
    expect((await sent).result).toMatchObject({ status: "sent" });
    expect(states()).toEqual(["sent"]);
  });

  test("its account is started again: tried at once, even before it says that it is connected", async () => {
    const { give, channels, states } = started();
    channels.state("pigeon", "default", { state: "ended" });
    await give("alice", "hello");
    expect(states()).toEqual(["due"]);
    channels.state("pigeon", "default", { state: "connecting" });
    await quiet();
    expect(states()).toEqual(["sent"]);
  });

  test("connected again: what was put off is tried at once", async () => {
    const { give, channel, channels, states } = started();
    channel.receiving = () => Promise.reject(busy(LIMITS.deliveryPauseMsMax));
    await give("alice", "hello");
    channel.receiving = () => Promise.resolve({});
    channels.state("pigeon", "default", { state: "connected" });
    await quiet();
    expect(states()).toEqual(["sent"]);
  });

  test("another version of it takes over without a word, and the old one's stop changes nothing", async () => {
    const { channel, channels, leave, send, of, time } = started();
    channels.state("pigeon", "default", { state: "connected" });
    const next = createMemoryChannel();
    // As a registry swaps: away and there again in one step.
    leave();
    const leaveNext = channels.add(next);
    leave();
    time.advance(1);
    expect(of("channels.changed")).toEqual([{ channel: "pigeon", accountId: "default", state: "connected" }]);
    await send("alice", "hello");
    expect([channel.given.length, next.given.length]).toEqual([0, 1]);
    leaveNext();
    time.advance(1);
    expect(of("channels.changed").at(-1)).toEqual({ channel: "pigeon", accountId: "default", state: "gone" });
  });

  test("an account that another version does not have is gone", async () => {
    const { channels, of } = started();
    const policy = createMemoryChannel().accounts[0]?.policy;
    if (!policy) throw new Error("no account");
    channels.add(createMemoryChannel({}, { accounts: [{ id: "work", policy }] }));
    expect(of("channels.changed")).toEqual([{ channel: "pigeon", accountId: "default", state: "gone" }]);
  });

  test("for more than a day: given up by the next look, while its channel is not even there", async () => {
    const { path, receive, leave, time, answer, agent } = started();
    await receive("hello");
    leave();
    time.advance(1);
    await answer(await agent.started(1), "late");
    await quiet();
    const next = setupChannels({ path });
    next.time.advance(LIMITS.deliveryMsMax + 60_000);
    next.start();
    await quiet();
    expect(next.states()).toEqual(["failed"]);
    expect(next.of("channels.undelivered")).toHaveLength(1);
    const channel = createMemoryChannel();
    next.channels.add(channel);
    await quiet();
    expect(channel.given).toEqual([]);
  });

  test("what has ended is forgotten after two days, what has not stays", async () => {
    const { give, channels, time, states, agent, receive } = started();
    await receive("hello");
    await agent.started(1);
    await give("bob", "one");
    expect(states()).toEqual(["run", "sent"]);
    for (let hour = 0; hour < 50; hour++) {
      time.advance(60 * 60_000);
      await quiet();
    }
    // The run has ended by its time, and was answered; the rows of both are old.
    expect(states()).toEqual([]);
    await channels.stop();
  });
});

describe("the disk", () => {
  test("does not take that it was sent: it is not sent again, and written down when it can be", async () => {
    const { give, channel, refuse, time, states } = started();
    channel.receiving = () => {
      refuse("full");
      return Promise.resolve({});
    };
    const { sent } = await give("alice", "hello");
    for (let n = 0; n < 3; n++) {
      time.advance(LIMITS.writeRetryMs);
      await quiet();
    }
    expect(states()).toEqual(["due"]);
    refuse(undefined);
    time.advance(LIMITS.writeRetryMs);
    expect((await sent).result).toMatchObject({ status: "sent" });
    expect(channel.given).toHaveLength(1);
  });

  test("does not take the answer of a run: sent when it does", async () => {
    const { receive, agent, channel, refuse, time, runs } = started();
    await receive("hello");
    const turn = await agent.started(1);
    await quiet();
    turn.say({ type: "text", text: "fine" });
    turn.end();
    await runs.wait(turn.turn.runId);
    refuse("io");
    for (let n = 0; n < 3; n++) {
      await quiet();
      time.advance(LIMITS.writeRetryMs);
    }
    refuse(undefined);
    await quiet();
    time.advance(LIMITS.writeRetryMs);
    expect((await channel.got(1))[0]?.text).toBe("fine");
  });
});

describe("a database that cannot be read for a moment", () => {
  test("keeps no answer back: its run is looked for again", async () => {
    const { receive, agent, channel, channels, time, journal, log, runs } = started();
    const find = journal.find.bind(journal);
    let failures = 3;
    journal.find = (id) => {
      if (failures-- > 0) throw new DatabaseError("io", "as the test wants it");
      return find(id);
    };
    await receive("hello");
    const turn = await agent.started(1);
    turn.say({ type: "text", text: "fine" });
    turn.end();
    for (let n = 0; n < 5; n++) {
      await quiet();
      time.advance(LIMITS.deliveryPauseMsMax);
    }
    await runs.wait(turn.turn.runId);
    await quiet();
    expect(channel.given.map(({ text }) => text)).toEqual(["fine"]);
    expect(log.lines.filter(({ message }) => message === "answer put off")).toHaveLength(3);
    await channels.stop();
  });

  test("does not hold up a stop", async () => {
    const { receive, agent, channels, journal, time } = started();
    await receive("hello");
    await agent.started(1);
    journal.find = () => {
      throw new DatabaseError("io", "as the test wants it");
    };
    await receive("and");
    await quiet();
    await channels.stop();
    time.advance(LIMITS.deliveryPauseMsMax);
    await quiet();
  });
});

describe("a stop", () => {
  test("waits for what is being sent, and no longer than it may", async () => {
    const { give, channel, channels, states } = started();
    let finish = (): void => {};
    channel.receiving = () => new Promise((resolve) => void (finish = () => resolve({})));
    const { sent } = await give("alice", "hello");
    await channel.got(1);
    const stopped = channels.stop();
    finish();
    await stopped;
    expect(states()).toEqual(["sent"]);
    await sent;
  });

  test("a channel that hangs does not hold it", async () => {
    const { give, channel, channels, time, states } = started();
    channel.receiving = () => new Promise(() => {});
    const { sent } = await give("alice", "hello");
    await channel.got(1);
    const stopped = channels.stop();
    time.advance(LIMITS.pluginStopMs);
    await stopped;
    expect(states()).toEqual(["due"]);
    expect((await sent).result).toMatchObject({ status: "waiting" });
  });

  test("does not wait for a disk that takes nothing", async () => {
    const { give, channel, channels, refuse, time, states } = started();
    channel.receiving = () => {
      refuse("full");
      return Promise.resolve({});
    };
    await give("alice", "hello");
    await channels.stop();
    await quiet();
    expect(states()).toEqual(["due"]);
    expect(time.pending()).toBe(0);
  });

  test("leaves no timer behind", async () => {
    const { receive, agent, answer, channel, channels, time, runs } = started();
    await receive("hello");
    const turn = await agent.started(1);
    channel.receiving = () => Promise.reject(busy());
    await answer(turn, "fine");
    await channel.got(1);
    await quiet();
    await runs.runs.stop(0);
    await channels.stop();
    await quiet();
    expect(time.pending()).toBe(0);
  });
});
