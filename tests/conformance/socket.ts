import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

import type { SendResult } from "../../src/ports.ts";
import { BINARY, CLOSE, frame, PING, PONG, RawClient, TEXT } from "./raw-client.ts";
import { MIB, serve } from "./serving.ts";
import { type Subject, within } from "./suite.ts";

/** The `Socket` port: what a connection does, whoever misbehaves on it. */
export function socketSuite({ platform, test, idleCodeOnWire }: Subject): void {
  test("socket: text comes and goes", async () => {
    const { connect, stop } = await serve(platform);
    const { client, server } = await connect();
    client.text("echo grüß dich 🙂");
    assert.equal((await client.next("the echo")).payload.toString("utf8"), "echo grüß dich 🙂");
    assert.equal(server.socket.remoteAddress, "127.0.0.1");
    assert.equal(server.socket.send(""), "sent");
    assert.deepEqual(await client.next("an empty frame"), { opcode: TEXT, payload: Buffer.alloc(0) });
    await stop();
  });

  test("socket: a binary message is read as UTF-8", async () => {
    const { connect, stop } = await serve(platform);
    const { client, server } = await connect();
    client.write(frame(BINARY, Buffer.from("écho")));
    assert.deepEqual(await server.events.next("the message"), { type: "message", text: "écho" });
    client.write(frame(BINARY, Buffer.from([0x61, 0xff])));
    assert.deepEqual(await server.events.next("the message"), { type: "message", text: "a\ufffd" });
    await stop();
  });

  test("socket: the address is the peer's, whatever a header says", async () => {
    const { connect, stop } = await serve(platform);
    const { server } = await connect({ "X-Forwarded-For": "203.0.113.9", Forwarded: "for=203.0.113.9" });
    assert.equal(server.socket.remoteAddress, "127.0.0.1");
    await stop();
  });

  test("socket: the chosen subprotocol is confirmed, and no other", async () => {
    const chosen = await serve(platform, { protocol: "jsonrpc" });
    const offered = { "Sec-WebSocket-Protocol": "other, jsonrpc" };
    assert.match((await chosen.connect(offered)).head, /sec-websocket-protocol: jsonrpc\r\n/i);
    await chosen.stop();

    const silent = await serve(platform);
    assert.doesNotMatch((await silent.connect(offered)).head, /sec-websocket-protocol/i);
    assert.doesNotMatch((await silent.connect()).head, /sec-websocket-protocol/i);
    await silent.stop();
  });

  test("socket: compression is not agreed to", async () => {
    const { connect, stop } = await serve(platform);
    const { client, head } = await connect({ "Sec-WebSocket-Extensions": "permessage-deflate" });
    assert.doesNotMatch(head, /sec-websocket-extensions/i);
    client.text("echo plainly");
    assert.equal((await client.next("the echo")).payload.toString(), "echo plainly");
    await stop();
  });

  for (const [what, request] of [
    ["a plain request", "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n"],
    [
      "an upgrade without a key",
      "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
    ],
    [
      "an upgrade that the connection does not name",
      "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ],
  ] as const) {
    test(`socket: ${what} becomes no socket`, async () => {
      const { listener, accepted, stop } = await serve(platform);
      const client = new RawClient(listener.port);
      assert.match(await client.request(request), /^HTTP\/1.1 426 /);
      assert.deepEqual(accepted.seen, []);
      client.destroy();
      await stop();
    });
  }

  test("socket: a message over the limit closes with 1009, whole or in pieces", async () => {
    const { connect, stop } = await serve(platform);
    const { client, server } = await connect();
    client.write(frame(TEXT, Buffer.alloc(2 * MIB, "a")));
    assert.equal((await client.nextClose()).code, 1009);
    assert.equal((await closeOf(server)).code, 1009);
    const pieces = await connect();
    pieces.client.write(frame(TEXT, Buffer.alloc(MIB - 10, "a"), false));
    pieces.client.write(frame(0, Buffer.alloc(20, "a")));
    assert.equal((await pieces.client.nextClose()).code, 1009);
    const exact = await connect();
    exact.client.write(frame(TEXT, Buffer.alloc(MIB, "a")));
    assert.equal((await exact.server.events.next("a message of the limit")).type, "message");
    await stop();
  });

  test("socket: the limit counts bytes, not characters", async () => {
    const { connect, stop } = await serve(platform);
    const { client } = await connect();
    client.text("é".repeat(MIB / 2 + 1));
    assert.equal((await client.nextClose()).code, 1009);
    await stop();
  });

  test("socket: a half frame that trickles for ever is ended by the pings", async () => {
    const { connect, stop } = await serve(platform, { options: { socket: limits({ pingMs: 60 }) } });
    const { client, server } = await connect();
    const half = frame(TEXT, Buffer.alloc(100_000, "a"));
    let sent = 0;
    const trickle = setInterval(() => client.write(half.subarray(sent, (sent += 1))), 5);
    assert.equal((await client.nextClose()).code, idleCodeOnWire);
    clearInterval(trickle);
    assert.deepEqual(await closeOf(server), { type: "close", code: 4009, reason: "no answer to pings" });
    await within(client.ended, "the end of the connection");
    await stop();
  });

  test("socket: a client that answers pings stays", async () => {
    const { connect, stop } = await serve(platform, { options: { socket: limits({ pingMs: 60 }) } });
    const { client, server } = await connect();
    for (let pings = 0; pings < 6; pings += 1) {
      const { opcode, payload } = await client.frames.next("a ping");
      assert.equal(opcode, PING);
      client.write(frame(PONG, payload));
    }
    client.text("echo here");
    assert.equal((await client.next("the echo")).payload.toString(), "echo here");
    assert.deepEqual(server.events.seen, [{ type: "message", text: "echo here" }]);
    await stop();
  });

  test("socket: a throw in a handler closes that socket with 1011 and nothing else", async () => {
    const { connect, errors, stop } = await serve(platform);
    const [bad, good] = [await connect(), await connect()];
    bad.client.text("throw");
    assert.deepEqual(await bad.client.nextClose(), { code: 1011, reason: "internal error" });
    assert.match(String(await errors.next("the error")), /handler failed/);
    assert.equal((await closeOf(bad.server)).code, 1011);
    good.client.text("echo still here");
    assert.equal((await good.client.next("the echo")).payload.toString(), "echo still here");
    assert.equal(errors.seen.length, 1);
    await stop();
  });

  test("socket: a throw while it opens or closes is reported and ends nothing else", async () => {
    const open = (): never => {
      throw new Error("open failed");
    };
    const opening = await serve(platform, { open });
    const client = new RawClient(opening.listener.port);
    await client.upgrade();
    assert.equal((await client.nextClose()).code, 1011);
    assert.match(String(await opening.errors.next("the error")), /open failed/);
    client.destroy();
    await opening.stop();

    const closing = await serve(platform);
    const { client: leaving } = await closing.connect();
    leaving.write(frame(CLOSE, Buffer.concat([Buffer.from([0x03, 0xe8]), Buffer.from("throw")])));
    assert.match(String(await closing.errors.next("the error")), /close failed/);
    assert.equal((await closing.connect()).server.socket.send("x"), "sent");
    await closing.stop();
  });

  test("socket: the end says who closed it and how", async () => {
    const { connect, stop } = await serve(platform);
    const polite = await connect();
    polite.client.write(frame(CLOSE, Buffer.concat([Buffer.from([0x0f, 0xa0]), Buffer.from("bye")])));
    assert.deepEqual(await closeOf(polite.server), { type: "close", code: 4000, reason: "bye" });
    const curt = await connect();
    curt.client.write(frame(CLOSE, Buffer.alloc(0)));
    assert.deepEqual(await closeOf(curt.server), { type: "close", code: 1005, reason: "" });
    const gone = await connect();
    gone.client.destroy();
    assert.equal((await closeOf(gone.server)).code, 1006);
    await stop();
    for (const { server } of [polite, curt, gone]) assert.equal(server.events.seen.length, 1);
  });

  test("socket: close tells both sides at once, cuts the reason between characters, and is final", async () => {
    const { connect, stop } = await serve(platform);
    const { client, server } = await connect();
    const reason = `${"x".repeat(118)}€ and more`;
    server.socket.close(4008, reason);
    assert.deepEqual(server.events.seen, [{ type: "close", code: 4008, reason: "x".repeat(118) }]);
    assert.equal(server.socket.send("late"), "closed");
    assert.equal(server.socket.bufferedBytes(), 0);
    server.socket.close(4000, "again");
    assert.deepEqual(await client.nextClose(), { code: 4008, reason: "x".repeat(118) });
    // The client never answers the close frame.
    await within(client.ended, "the end of the connection");
    assert.equal(server.events.seen.length, 1);
    await stop();
  });

  test("socket: terminate cuts at once", async () => {
    const { connect, stop } = await serve(platform);
    const { client, server } = await connect();
    server.socket.terminate();
    assert.deepEqual(server.events.seen, [{ type: "close", code: 1006, reason: "" }]);
    await within(client.ended, "the end of the connection");
    assert.deepEqual(client.frames.seen, []);
    assert.equal(server.socket.send("late"), "closed");
    server.socket.terminate();
    const closed = await connect();
    closed.server.socket.close(4001, "bye");
    closed.server.socket.terminate();
    await within(closed.client.ended, "the end of the connection");
    assert.equal(closed.server.events.seen.length, 1);
    await stop();
  });

  test("socket: a reader that stalls is queued for, then dropped; nothing accepted is lost", async () => {
    const { connect, stop } = await serve(platform);
    const { client, server } = await connect();
    client.pause();
    const results = flood(server.socket.send.bind(server.socket));
    assert.equal(results.at(-1), "dropped");
    assert.ok(results.includes("queued"));
    assert.equal(server.socket.send("late"), "dropped");
    const buffered = server.socket.bufferedBytes();
    assert.ok(buffered > MIB / 2 && buffered < MIB + 2 * FRAME_BYTES, `${buffered} bytes`);
    client.resume();
    assert.deepEqual(await server.events.next("the drain"), { type: "drain" });
    assert.equal(server.socket.bufferedBytes(), 0);
    const accepted = results.filter((result) => result !== "dropped").length;
    for (let index = 0; index < accepted; index += 1) {
      const { payload } = await client.next(`frame ${index} of ${accepted}`);
      assert.equal(payload.subarray(0, 4).toString(), String(index).padStart(4, "0"));
    }
    assert.equal(server.socket.send("next"), "sent");
    assert.equal((await client.next("the frame after")).payload.toString(), "next");
    await stop();
  });

  test("socket: close comes after all that was accepted, also when something was dropped", async () => {
    const { connect, stop } = await serve(platform);
    const { client, server } = await connect();
    client.pause();
    const results = flood(server.socket.send.bind(server.socket));
    server.socket.close(4008, "too slow");
    client.resume();
    const accepted = results.filter((result) => result !== "dropped").length;
    for (let index = 0; index < accepted; index += 1) {
      assert.equal((await client.next(`frame ${index}`)).opcode, TEXT);
    }
    assert.deepEqual(await client.nextClose(), { code: 4008, reason: "too slow" });
    await stop();
  });
}

const FRAME_BYTES = 64 * 1024;

/** Sends numbered frames until one is dropped. */
function flood(send: (text: string) => SendResult): SendResult[] {
  const results: SendResult[] = [];
  while (results.at(-1) !== "dropped" && results.length < 1_000) {
    results.push(send(String(results.length).padStart(4, "0") + "x".repeat(FRAME_BYTES)));
  }
  return results;
}

function limits({ pingMs }: { pingMs: number }) {
  return { messageBytesMax: MIB, bufferedBytesMax: MIB, pingMs, pingsMissedMax: 2 };
}

async function closeOf({ events }: { events: { next(what: string): Promise<{ type: string }> } }) {
  for (;;) {
    const event = await events.next("the close of a socket");
    if (event.type === "close") return event as { type: "close"; code: number; reason: string };
  }
}
