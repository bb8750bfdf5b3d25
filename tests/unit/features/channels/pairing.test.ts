import { describe, expect, test } from "bun:test";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { newCode, toCode } from "../../../../src/features/channels/codes.ts";
import { createCountingCrypto } from "../../../support/ports.ts";
import { failure } from "../runs/kit.ts";
import { createMemoryChannel, quiet, setupChannels } from "./kit.ts";

function started(options: Parameters<typeof setupChannels>[0] = {}) {
  const kit = setupChannels(options);
  kit.start();
  const channel = createMemoryChannel({ direct: "pairing" });
  kit.channels.add(channel);
  const approve = (code: unknown, more: object = {}) =>
    kit.call("channels.pairing.approve", { code, ...more });
  const codeOf = (place = 0) => String(kit.of("channels.pairing.requested")[place]?.["code"]);
  return { ...kit, channel, approve, codeOf };
}

describe("codes", () => {
  test("eight characters that are not mistaken for each other, all of them in use", () => {
    const crypto = createCountingCrypto();
    const codes = Array.from({ length: 2_000 }, () => newCode(crypto));
    for (const code of codes) expect(code).toMatch(/^[A-HJ-NP-Z2-9]{8}$/);
    expect(new Set(codes).size).toBe(2_000);
    expect(new Set(codes.join("")).size).toBe(32);
  });

  test.each([
    ["abcd2345", "ABCD2345"],
    [" ABCD2345\n", "ABCD2345"],
    ["ABCD234", undefined],
    ["ABCD23456", undefined],
    ["ABCD2340", undefined],
    ["' OR 1=1", undefined],
    ["", undefined],
  ])("%j is kept as %p", (typed, code) => {
    expect(toCode(typed)).toBe(code as never);
  });
});

describe("a stranger", () => {
  test("is given a code, told of, let in by it, and told that", async () => {
    const { receive, channel, approve, codeOf, of, agent, misfits, call } = started();
    expect(await receive("let me in", { sender: { id: "eve", name: "Eve\n\u202e!" }, chatId: "c" })).toBe(
      "pairing",
    );
    const [told] = await channel.got(1);
    const code = codeOf();
    expect(told).toMatchObject({ to: "c", text: expect.stringContaining(code) });
    const who = { channel: "pigeon", accountId: "default", senderId: "eve", name: "Eve !" };
    expect(of("channels.pairing.requested")).toMatchObject([{ ...who, state: "waiting" }]);
    expect((await call("channels.pairing.list")).result).toMatchObject({ senders: [{ ...who, code }] });
    const { result } = await approve(code.toLowerCase());
    expect(result).toMatchObject({ ...who, state: "approved" });
    expect(result).not.toHaveProperty("code");
    expect((await channel.got(2))[1]?.to).toBe("c");
    expect(await receive("hello", { sender: { id: "eve" }, chatId: "c" })).toBe("accepted");
    // What was said before is not answered now: nobody was heard.
    expect((await agent.started(1)).said).toEqual(["user: hello"]);
    expect(misfits).toEqual([]);
  });

  test("is told once an hour, however often they write, and nothing is written down meanwhile", async () => {
    const { receive, channel, of, time, states, codeOf, refuse } = started();
    for (let n = 0; n < 50; n++) expect(await receive(`${n}`)).toBe("pairing");
    await quiet();
    expect(channel.given).toHaveLength(1);
    expect(states()).toHaveLength(1);
    refuse("full");
    expect(await receive("once more")).toBe("pairing");
    refuse(undefined);
    time.advance(LIMITS.pairingCodeMs);
    expect(await receive("again")).toBe("pairing");
    await channel.got(2);
    expect(of("channels.pairing.requested")).toHaveLength(2);
    expect(codeOf(0)).not.toBe(codeOf(1));
  });

  test("at once, many times: one code", async () => {
    const { receive, channel, of } = started();
    expect(new Set(await Promise.all(Array.from({ length: 20 }, (_, n) => receive(`${n}`))))).toEqual(
      new Set(["pairing"]),
    );
    await quiet();
    expect(channel.given).toHaveLength(1);
    expect(of("channels.pairing.requested")).toHaveLength(1);
  });

  test("one of a crowd: three wait, the others hear nothing", async () => {
    const { receive, channel, states, time, rows } = started();
    const crowd = await Promise.all(Array.from({ length: 500 }, (_, n) => receive("hi", { from: `s${n}` })));
    expect(crowd.filter((one) => one === "pairing")).toHaveLength(LIMITS.pairingWaitingMax);
    expect(crowd.filter((one) => one === "ignored")).toHaveLength(500 - LIMITS.pairingWaitingMax);
    await quiet();
    expect(channel.given).toHaveLength(LIMITS.pairingWaitingMax);
    expect(states()).toHaveLength(LIMITS.pairingWaitingMax);
    time.advance(LIMITS.pairingCodeMs);
    expect(await receive("hi", { from: "later" })).toBe("pairing");
    // Those whose time is over are not kept.
    expect(rows("SELECT sender_id FROM channel_senders")).toEqual([{ sender_id: "later" }]);
  });

  test("is none any more in another gateway, and one again when forgotten", async () => {
    const { receive, approve, codeOf, path } = started();
    await receive("hi");
    await approve(codeOf());
    const next = setupChannels({ path });
    next.start();
    next.channels.add(createMemoryChannel({ direct: "pairing" }));
    expect(await next.receive("hi")).toBe("accepted");
    const remove = { channel: "pigeon", senderId: "alice" };
    expect((await next.call("channels.pairing.remove", remove)).result).toEqual({ removed: true });
    expect((await next.call("channels.pairing.remove", remove)).result).toEqual({ removed: false });
    expect(await next.receive("hi again")).toBe("pairing");
  });

  test("of one account is one of another", async () => {
    const kit = setupChannels();
    kit.start();
    const policy = createMemoryChannel({ direct: "pairing" }).accounts[0]?.policy;
    if (!policy) throw new Error("no account");
    kit.channels.add(
      createMemoryChannel(
        {},
        {
          accounts: [
            { id: "default", policy },
            { id: "work", policy },
          ],
        },
      ),
    );
    await kit.receive("hi");
    await kit.call("channels.pairing.approve", { code: kit.of("channels.pairing.requested")[0]?.["code"] });
    const message = { chatId: "alice", messageId: "1", sender: { id: "alice" }, isGroup: false, text: "hi" };
    expect(await kit.channels.receive("pigeon", "default", message)).toBe("accepted");
    expect(await kit.channels.receive("pigeon", "work", message)).toBe("pairing");
  });

  test("a disk that takes nothing: handed over again, with a code then", async () => {
    const { receive, refuse, channel, of } = started();
    refuse("full");
    expect(await failure(receive("hi", { messageId: "1" }))).toMatchObject({ code: "unavailable" });
    expect(of("channels.pairing.requested")).toEqual([]);
    refuse(undefined);
    expect(await receive("hi", { messageId: "1" })).toBe("pairing");
    expect(await channel.got(1)).toHaveLength(1);
  });
});

describe("approving", () => {
  test("a code that has run out, is another channel's, or was used is none", async () => {
    const { receive, approve, codeOf, time } = started();
    await receive("hi");
    expect((await approve(codeOf(), { channel: "dove" })).error).toMatchObject({ code: "not_found" });
    expect((await approve(codeOf(), { channel: "pigeon" })).error).toBeUndefined();
    expect((await approve(codeOf())).error).toMatchObject({ code: "not_found" });
    await receive("hi", { from: "bob" });
    time.advance(LIMITS.pairingCodeMs);
    expect((await approve(codeOf(1))).error).toMatchObject({ code: "not_found" });
  });

  test("at once, twice: one of them", async () => {
    const { receive, approve, codeOf, channel } = started();
    await receive("hi");
    const both = await Promise.all([approve(codeOf()), approve(codeOf())]);
    expect(both.filter(({ error }) => error === undefined)).toHaveLength(1);
    expect(both.filter(({ error }) => error?.code === "not_found")).toHaveLength(1);
    await quiet();
    expect(channel.given).toHaveLength(2);
  });

  test("guesses are bounded: then even the right code is none for a while", async () => {
    const { receive, approve, codeOf, time, misfits } = started();
    await receive("hi");
    for (let n = 0; n < LIMITS.pairingTriesMax; n++)
      expect((await approve(`WRNG${String(2222 + n).replaceAll(/[01]/g, "A")}`)).error?.code).toBe(
        "not_found",
      );
    const refused = await approve(codeOf());
    expect(refused.error).toMatchObject({ code: "busy" });
    expect(refused.error?.message).not.toContain(codeOf());
    time.advance(60 * 60_000);
    await receive("hi");
    expect((await approve(codeOf(1))).error).toBeUndefined();
    expect(misfits).toEqual([]);
  });

  test("needs the scope of its own", async () => {
    const { call } = started();
    for (const method of ["channels.pairing.approve", "channels.pairing.list"]) {
      const { error } = await call(method, { code: "ABCD2345" }, ["read", "write", "admin"]);
      expect(error?.code).toBe("forbidden");
    }
  });
});

describe("how channels are", () => {
  test("each account with what its channel said last, and what waits for it", async () => {
    const { channels, call, receive, approve, codeOf, time, misfits } = started();
    channels.state("pigeon", "default", { state: "connected" });
    channels.state("pigeon", "nobody", { state: "connected" });
    await receive("hi");
    await approve(codeOf());
    await quiet();
    channels.state("pigeon", "default", { state: "failed", detail: "token\nrevoked" });
    const status = await call("channels.status", { probe: true });
    expect(status.result).toEqual({
      ts: time.clock.now(),
      channelOrder: ["pigeon"],
      channelLabels: { pigeon: "Pigeon" },
      channels: { pigeon: { configured: true, running: false } },
      channelAccounts: {
        pigeon: [
          {
            ...{ accountId: "default", enabled: true, configured: true, running: false, connected: false },
            ...{ state: "failed", lastError: "token revoked", waiting: 0 },
            ...{ lastInboundAt: time.clock.now(), lastOutboundAt: time.clock.now() },
          },
        ],
      },
      channelDefaultAccountId: { pigeon: "default" },
    });
    expect(misfits).toEqual([]);
  });

  test("the same state said again is not told again", () => {
    const { channels, of } = started();
    for (let n = 0; n < 100; n++) channels.state("pigeon", "default", { state: "connected" });
    expect(of("channels.changed")).toHaveLength(1);
    // Why it is so may change alone.
    channels.state("pigeon", "default", { state: "connected", detail: "by webhook" });
    expect(of("channels.changed").at(-1)).toMatchObject({ detail: "by webhook" });
  });

  test("why it is not connected is in its status, and in the log once", async () => {
    const { channels, call, log } = started();
    const errorOf = async () => {
      const { result = {} } = await call("channels.status", {});
      return (result["channelAccounts"] as { pigeon: { lastError?: string }[] }).pigeon[0]?.lastError;
    };
    channels.state("pigeon", "default", { state: "connecting" });
    expect(await errorOf()).toBeUndefined();
    channels.state("pigeon", "default", { state: "connecting", detail: "out of reach" });
    expect(await errorOf()).toBe("out of reach");
    channels.state("pigeon", "default", { state: "connecting", detail: "out of reach still" });
    channels.state("pigeon", "default", { state: "connected" });
    expect(await errorOf()).toBeUndefined();
    for (const detail of ["no token", "still no\ntoken"])
      channels.state("pigeon", "default", { state: "failed", detail });
    const said = log.lines.filter(({ message }) => message.startsWith("channel "));
    const fields = { channel: "pigeon", account: "default" };
    expect(said).toMatchObject([
      { level: "warn", message: "channel not connected", fields: { ...fields, reason: "out of reach" } },
      { level: "info", message: "channel connected", fields },
      { level: "warn", message: "channel failed", fields: { ...fields, reason: "no token" } },
    ]);
  });

  test("logging out", async () => {
    const kit = setupChannels();
    kit.start();
    let how = (): Promise<boolean> => Promise.resolve(true);
    kit.channels.add(createMemoryChannel({}, { logout: () => how() }));
    const logout = (more: object = {}) => kit.call("channels.logout", { channel: "pigeon", ...more });
    expect((await logout()).result).toEqual({ channel: "pigeon", accountId: "default", cleared: true });
    expect((await logout({ channel: "dove" })).error?.code).toBe("not_found");
    expect((await logout({ accountId: "x" })).error?.code).toBe("not_found");
    how = () => Promise.reject(new Error("token 1234"));
    const failed = await logout();
    expect(failed.error?.code).toBe("unavailable");
    expect(failed.error?.message).not.toContain("1234");
    how = () => new Promise(() => {});
    const hangs = logout();
    await quiet();
    kit.time.advance(LIMITS.pluginCallMs);
    expect((await hangs).error?.code).toBe("unavailable");
  });
});
