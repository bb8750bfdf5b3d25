/** What a stranger or a broken client may send over a real socket, and what the gateway makes of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CLOSE } from "../../src/contract/errors.ts";
import { LIMITS } from "../../src/contract/limits.ts";
import { startQuiet } from "../support/gateway.ts";
import { openDeaf, rawRequest, upgradeHead } from "../support/raw.ts";
import type { WireClient } from "../support/transcript.ts";
import { socketWire } from "../support/wires.ts";

type Started = Awaited<ReturnType<typeof startQuiet>>;
type Frame = {
  id?: unknown;
  event?: string;
  result?: Record<string, unknown>;
  error?: { code: string; data: { retryAfterMs?: number } };
};

let started: Started;
beforeAll(async () => void (started = await startQuiet()));
afterAll(() => started.gateway.close({ drainMs: 0 }));

const bearer = () => ({ headers: { authorization: `Bearer ${started.token}` } });
const wire = () => socketWire(started.url, started.token);

async function nextFrame(client: WireClient, isWanted: (frame: Frame) => boolean): Promise<Frame> {
  for (;;) {
    const next = await client.next();
    if ("closed" in next) throw new Error(`closed with ${next.closed}`);
    const frame = JSON.parse(next.frame) as Frame;
    if (isWanted(frame)) return frame;
  }
}

async function closeCode(client: WireClient): Promise<number> {
  for (;;) {
    const next = await client.next();
    if ("closed" in next) return next.closed;
  }
}

async function answers(client: WireClient): Promise<void> {
  client.send('{"id":"alive","method":"health"}');
  expect((await nextFrame(client, ({ id }) => id === "alive")).result).toMatchObject({ ok: true });
}

describe("before the upgrade", () => {
  const status = async (headers: string[], path?: string) =>
    (
      await rawRequest(started.gateway.port, upgradeHead([...headers, "Connection: close"], path), /\r\n\r\n/)
    ).slice(9, 12);
  const own = () => `Host: 127.0.0.1:${started.gateway.port}`;

  test.each([
    ["two Host headers", ["Host: localhost", "Host: evil.example"], "400"],
    ["markup for a host", ["Host: a<script>"], "400"],
    ["user info in the host", ["Host: me@localhost"], "400"],
    ["a name that was made to point here", ["Host: evil.example"], "403"],
    ["a look-alike", ["Host: 127.0.0.1.evil.example"], "403"],
  ])("%s", async (_what, headers, wanted) => {
    expect(await status(headers)).toBe(wanted);
  });

  test.each(["http://evil.example", "null", "http://localhost.evil.example", "https://127.0.0.1"])(
    "a page of %s gets no socket",
    async (origin) => {
      expect(await status([own(), `Origin: ${origin}`, `Authorization: Bearer ${started.token}`])).toBe(
        "403",
      );
    },
  );

  test("a page we served does", async () => {
    const own = `127.0.0.1:${started.gateway.port}`;
    const head = upgradeHead([
      `Host: ${own}`,
      `Origin: http://${own}`,
      `Authorization: Bearer ${started.token}`,
    ]);
    expect(await rawRequest(started.gateway.port, head, /challenge/)).toStartWith("HTTP/1.1 101");
  });

  test.each(["token", "password", "access_token", "auth", "api_key"])(
    "?%s= in the address is refused and not logged",
    async (name) => {
      expect(await status([own()], `/ws?${name}=canary-in-address`)).toBe("400");
      expect(started.log.join("")).not.toContain("canary-in-address");
    },
  );

  test("a wrong bearer is 401 before there is a socket", async () => {
    expect(await status([own(), "Authorization: Bearer wrong"])).toBe("401");
  });

  test("the seventeenth silent socket of an address is 429, one with a credential is not", async () => {
    const silent = await Promise.all(
      Array.from({ length: LIMITS.unauthenticatedPerAddressMax }, () => wire().open({ headers: {} })),
    );
    expect(await status([own()])).toBe("429");
    const known = await wire().open(bearer());
    await answers(known);
    for (const client of [...silent, known]) client.close();
  });

  test("a body over the bound is 413, a body of another kind 400", async () => {
    const post = (body: string, type: string) =>
      fetch(`${started.url}/rpc`, {
        method: "POST",
        body,
        headers: { ...bearer().headers, "content-type": type },
      });
    expect((await post("x".repeat(LIMITS.bodyBytesMax + 1), "application/json")).status).toBe(413);
    expect((await post("{}", "application/x-www-form-urlencoded")).status).toBe(400);
  });

  test("no route but the health probe answers without a credential, and none tells anything", async () => {
    for (const path of [
      "/",
      "/ui",
      "/ws",
      "/rpc",
      "/schema",
      "/metrics",
      "/readyz",
      "/healthz",
      "/v1/models",
      "/.env",
      "//evil.example/",
    ]) {
      const response = await fetch(`${started.url}${path}`);
      const text = await response.text();
      expect(text).not.toContain(started.home);
      expect(text).not.toContain(started.token);
      if (response.status === 200) expect(text).toMatch(/^\{"status":"(ok|ready)"\}$/);
    }
  });
});

describe("frames", () => {
  test("a megabyte and a bit ends the socket with 1009", async () => {
    const client = await wire().open(bearer());
    client.send(
      JSON.stringify({ id: 1, method: "health", params: { pad: "x".repeat(LIMITS.frameBytesMax) } }),
    );
    expect(await closeCode(client)).toBe(1009);
  });

  test("just under it is read", async () => {
    const client = await wire().open(bearer());
    client.send(
      JSON.stringify({ id: 1, method: "health", params: { pad: "x".repeat(LIMITS.frameBytesMax - 1_000) } }),
    );
    expect((await nextFrame(client, ({ id }) => id === 1)).error?.code).toBe("invalid_params");
    client.close();
  });

  test("65 KiB before connect ends it", async () => {
    const client = await wire().open({ headers: {} });
    client.send(JSON.stringify({ id: 1, method: "connect", params: { pad: "x".repeat(65 * 1024) } }));
    expect(await closeCode(client)).toBe(1009);
  });

  test("what waits past its places is busy, and what has a place is answered", async () => {
    const client = await wire().open(bearer());
    const long = "word ".repeat(10_000);
    client.send(
      JSON.stringify({
        id: "run",
        method: "chat.send",
        params: { sessionKey: "busy", message: long, idempotencyKey: "busy" },
      }),
    );
    const { result } = await nextFrame(client, ({ id }) => id === "run");
    const all = LIMITS.inflightMax + LIMITS.queuedRequestsMax + 40;
    for (let n = 0; n < all; n++)
      client.send(
        JSON.stringify({
          id: n,
          method: "agent.wait",
          params: { runId: result?.["runId"], timeoutMs: 60_000 },
        }),
      );
    const codes = new Map<string, number>();
    let counted = 0;
    while (counted < 40) {
      const { error } = await nextFrame(client, ({ id }) => typeof id === "number");
      codes.set(error?.code ?? "ok", (codes.get(error?.code ?? "ok") ?? 0) + 1);
      counted++;
    }
    expect([...codes]).toEqual([["busy", 40]]);
    client.close();
    const other = await wire().open(bearer());
    other.send('{"id":"stop","method":"chat.abort","params":{"sessionKey":"busy"}}');
    await nextFrame(other, ({ id }) => id === "stop");
    other.close();
  });

  test("a batch of a hundred and one is too large, the socket stays", async () => {
    const client = await wire().open(bearer());
    client.send(
      JSON.stringify(Array.from({ length: 101 }, (_, id) => ({ jsonrpc: "2.0", id, method: "health" }))),
    );
    expect(await nextFrame(client, ({ error }) => error !== undefined)).toMatchObject({
      id: null,
      error: { code: -32013 },
    });
    client.send('{"jsonrpc":"2.0","id":"alive","method":"health"}');
    await nextFrame(client, ({ id }) => id === "alive");
    client.close();
  });
});

test("over HTTP too, more than have a place are busy", async () => {
  const own = await startQuiet({ config: '{"agents":{"defaults":{"model":"echo/echo"}}}' });
  const post = (method: string, params: object) =>
    fetch(`${own.url}/rpc`, {
      method: "POST",
      headers: { authorization: `Bearer ${own.token}`, "content-type": "application/json" },
      body: JSON.stringify({ id: 1, method, params }),
    });
  try {
    const message = "word ".repeat(50_000);
    const sent = await post("chat.send", { sessionKey: "s", message, idempotencyKey: "k" });
    const { result } = (await sent.json()) as { result: { runId: string } };
    const all = LIMITS.httpInflightMax + 10;
    const waiting = Array.from({ length: all }, () =>
      post("agent.wait", { runId: result.runId }).then(({ status }) => status),
    );
    // Those who have a place answer when the run has ended, the others at once.
    await Promise.any(waiting);
    const client = await socketWire(own.url, own.token).open({
      headers: { authorization: `Bearer ${own.token}` },
    });
    client.send('{"id":"stop","method":"chat.abort","params":{"sessionKey":"s"}}');
    await nextFrame(client, ({ id }) => id === "stop");
    const statuses = await Promise.all(waiting);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(LIMITS.httpInflightMax);
    expect((await post("health", {})).status).toBe(200);
    client.close();
  } finally {
    await own.gateway.close({ drainMs: 0 });
  }
});

describe("a client that does not read", () => {
  test("is closed for the sake of a must event, and costs the others nothing", async () => {
    const deaf = await openDeaf(started.gateway.port, started.token);
    const quick = await wire().open(bearer());
    const pad = "x".repeat(60_000);
    const before = JSON.stringify({ runId: "r", sessionKey: "s", state: "delta", offset: 0, delta: pad });
    // Far more than the kernel's own buffers and ours together.
    const count = 400;
    for (let n = 0; n < count; n++) {
      started.gateway.broadcast("chat", JSON.parse(before) as object);
      await new Promise((resolve) => setImmediate(resolve));
    }
    let received = 0;
    while (received < count)
      if ((await nextFrame(quick, ({ event }) => event === "chat")) !== undefined) received++;
    await answers(quick);
    const rest = await deaf.read();
    // The close frame's two bytes, 4008, are the last thing it was sent, or it was cut off.
    expect(rest.length).toBeLessThan(count * pad.length);
    const status = (await (
      await fetch(`${started.url}/rpc`, {
        method: "POST",
        headers: { ...bearer().headers, "content-type": "application/json" },
        body: '{"id":1,"method":"status"}',
      })
    ).json()) as { result: { clients: number } };
    expect(status.result.clients).toBe(1);
    quick.close();
  }, 30_000);

  test("hears which droppable events it did not get", async () => {
    const deaf = await openDeaf(started.gateway.port, started.token);
    const pad = "x".repeat(60_000);
    const count = 400;
    for (let n = 0; n < count; n++) {
      started.gateway.broadcast(
        "chat",
        { runId: "r", sessionKey: "s", state: "delta", offset: n, delta: pad },
        { dropIfSlow: true },
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { promise, resolve } = Promise.withResolvers<string>();
    let got = "";
    deaf.socket.on("data", (chunk) => {
      got = (got + chunk.toString("latin1")).slice(-500_000);
      const found = /\{"event":"resync"[^}]*\}/.exec(got)?.[0];
      if (found !== undefined) resolve(found);
    });
    deaf.socket.resume();
    const resync = JSON.parse(await promise) as { from: number; to: number; dropped: number };
    expect(resync.to - resync.from + 1).toBe(resync.dropped);
    expect(resync.dropped).toBeGreaterThan(0);
    deaf.socket.destroy();
  }, 30_000);
});

describe("guessing", () => {
  test("after ten wrong tokens even the right one has to wait, by socket and by HTTP", async () => {
    const own = await startQuiet();
    try {
      const attempt = async (token: string): Promise<{ code: string | undefined; closed: number }> => {
        const client = await socketWire(own.url, own.token).open({ headers: {} });
        client.send(
          JSON.stringify({ id: 1, method: "connect", params: { auth: { token, deviceToken: "bogus" } } }),
        );
        const { error } = await nextFrame(client, ({ id }) => id === 1);
        return { code: error?.code, closed: error ? await closeCode(client) : 0 };
      };
      const post = (token: string) =>
        fetch(`${own.url}/rpc`, {
          method: "POST",
          headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
          body: "{}",
        });
      for (let n = 0; n < LIMITS.failedCredentialsMax / 2; n++) {
        expect(await attempt(`guess ${n}`)).toEqual({ code: "unauthorized", closed: CLOSE.unauthorized });
        expect((await post(`guess-${n}`)).status).toBe(401);
      }
      expect(await attempt(own.token)).toEqual({ code: "busy", closed: CLOSE.rateLimited });
      const limited = await post(own.token);
      expect(limited.status).toBe(429);
      expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(own.log.join("")).not.toContain("guess");
    } finally {
      await own.gateway.close({ drainMs: 0 });
    }
  });
});
