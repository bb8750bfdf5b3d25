import assert from "node:assert/strict";

import { AddressInUse } from "../../src/ports.ts";
import { RawClient } from "./raw-client.ts";
import { serve } from "./serving.ts";
import { Events, type Subject, within } from "./suite.ts";

/** The `Server` port: requests, their bounds, and how a listener ends. */
export function serverSuite({ platform, test }: Subject): void {
  for (const [how, fetch] of [
    [
      "throws",
      () => {
        throw new Error("secret state");
      },
    ],
    ["rejects", () => Promise.reject(new Error("secret state"))],
  ] as const) {
    test(`server: a handler that ${how} is answered without a word about why`, async () => {
      const { listener, errors, stop } = await serve(platform, { options: { fetch } });
      const client = new RawClient(listener.port);
      assert.match(
        await client.request("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        /^HTTP\/1.1 500 /,
      );
      const body: unknown = JSON.parse(await client.rest());
      assert.deepEqual(body, {
        error: {
          code: "internal",
          message: "Cannot answer request: internal error",
          data: { code: "internal", retry: "later" },
        },
      });
      assert.match(String(await errors.next("the error")), /secret state/);
      await stop();
    });
  }

  test("server: a body over the limit is 413 before the handler sees the request", async () => {
    let calls = 0;
    const fetch = (): Response => new Response(String((calls += 1)));
    const { listener, stop } = await serve(platform, { options: { fetch, bodyBytesMax: 1_000 } });
    const client = new RawClient(listener.port);
    const head = await client.request("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
    assert.match(head, /^HTTP\/1.1 413 /);
    assert.equal(calls, 0);
    client.destroy();
    await stop();
  });

  test("server: a body of unknown length is counted while it is read", async () => {
    const fetch = async (request: Request): Promise<Response> => {
      try {
        return new Response(`read ${(await request.text()).length}`);
      } catch {
        // What an application does with errors of its own.
        return new Response("failed", { status: 500 });
      }
    };
    const { listener, errors, stop } = await serve(platform, { options: { fetch, bodyBytesMax: 1_000 } });
    const chunk = `1f4\r\n${"x".repeat(500)}\r\n`;
    const send = async (chunks: number): Promise<string> => {
      const client = new RawClient(listener.port);
      const head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
      return (await client.request(`${head}${chunk.repeat(chunks)}0\r\n\r\n`)) + (await client.rest());
    };
    assert.match(await send(2), /^HTTP\/1.1 200 [^]*read 1000/);
    assert.match(await send(3), /^HTTP\/1.1 413 /);
    assert.deepEqual(errors.seen, []);
    await stop();
  });

  test("server: the peer's address is that of the connection", async () => {
    const { listener, stop } = await serve(platform, {
      options: { fetch: (_, peer) => new Response(`from ${peer.address}`) },
    });
    const client = new RawClient(listener.port);
    await client.request(
      "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n",
    );
    assert.match(await client.rest(), /from 127\.0\.0\.1/);
    await stop();
  });

  test("server: two Host headers are handed over as one that no guard can miss, or refused", async () => {
    const hosts = new Events<string | null>();
    const fetch = (request: Request): Response => {
      hosts.push(request.headers.get("host"));
      return new Response("ok");
    };
    const { listener, stop } = await serve(platform, { options: { fetch } });
    const client = new RawClient(listener.port);
    const head = await client.request("GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n");
    if (head.startsWith("HTTP/1.1 200 ")) assert.deepEqual(hosts.seen, ["a.test, b.test"]);
    else assert.match(head, /^HTTP\/1.1 400 /);
    client.destroy();
    await stop();
  });

  test("server: a port that is taken is AddressInUse", async () => {
    const { listener, stop } = await serve(platform);
    await assert.rejects(
      serve(platform, { options: { port: listener.port } }),
      (error) => error instanceof AddressInUse && error.message.includes(String(listener.port)),
    );
    await stop();
  });

  test("server: why it cannot listen is said in words", async () => {
    // Set aside for documentation, so no machine has it (RFC 5737).
    const hostname = "203.0.113.77";
    await assert.rejects(serve(platform, { options: { hostname, port: 18_789 } }), {
      name: "ListenError",
      message: `Cannot listen on "${hostname}" port 18789: this machine has no such address`,
    });
  });

  test("server: after refuse open sockets live on and nothing new gets in", async () => {
    const { listener, accepted, connect, stop } = await serve(platform);
    const { client } = await connect();
    const kept = new RawClient(listener.port);
    await kept.request("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    listener.refuse();
    listener.refuse();
    const stranger = new RawClient(listener.port);
    const answer = await within(
      Promise.race([stranger.upgrade(), stranger.ended.then(() => "refused")]),
      "an answer",
    );
    assert.match(answer, /^refused|^HTTP\/1.1 503 /);
    kept.write("GET /kept HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    // What came before was read; the rest is nothing, or a refusal.
    assert.match((await kept.rest()).replace("upgrade required", ""), /^$|^HTTP\/1.1 503 /);
    client.text("echo still here");
    assert.equal((await client.next("the echo")).payload.toString(), "echo still here");
    assert.equal(accepted.seen.length, 1);
    stranger.destroy();
    await stop();
  });

  test("server: stop waits for nobody and frees the port", async () => {
    const asked = new Events<"asked">();
    const hang = await serve(platform, {
      options: {
        fetch() {
          asked.push("asked");
          return new Promise<Response>(() => {});
        },
      },
    });
    const waiting = new RawClient(hang.listener.port);
    waiting.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await asked.next("the request");
    await within(hang.listener.stop(), "stop with a request that hangs");
    await within(waiting.ended, "the end of the request that hangs");

    const { listener, connect } = await serve(platform);
    const { client, server } = await connect();
    await within(Promise.all([listener.stop(), listener.stop()]), "stop with an open socket");
    assert.equal((await client.nextClose()).code, 1001);
    assert.deepEqual(
      server.events.seen.map(({ type }) => type),
      ["close"],
    );
    await within(client.ended, "the end of the socket");
    const again = await serve(platform, { options: { port: listener.port } });
    assert.equal(again.listener.port, listener.port);
    await again.stop();
  });
}
