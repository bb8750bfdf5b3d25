import { afterAll, beforeAll, expect, test } from "bun:test";
import { createGatewayClient, type GatewayClient, GatewayError } from "../../../src/client/mod.ts";
import { startGatewayServer } from "../../../src/gateway.ts";
import type { GatewayServer } from "../../../src/gateway.ts";
import { quietPlatform, startQuiet } from "../../support/gateway.ts";

// The client against the real gateway over a real socket.

let gateway: GatewayServer;
let url: string;
let token: string;
let home: string;

beforeAll(async () => {
  const started = await startQuiet({ config: '{ "agents": { "defaults": { "model": "echo/echo" } } }' });
  ({ gateway, token, home } = started);
  url = `${started.url.replace("http", "ws")}/ws`;
});
afterAll(() => gateway.close({ drainMs: 0 }));

/** Sockets that a test can close behind the client's back. */
class Breakable extends WebSocket {
  static readonly all: Breakable[] = [];

  constructor(address: string | URL) {
    super(address);
    Breakable.all.push(this);
  }

  static break(): void {
    for (const socket of this.all.splice(0)) socket.close(3000, "broken by the test");
  }
}

async function connected(
  options: Partial<Parameters<typeof createGatewayClient>[0]> = {},
): Promise<GatewayClient> {
  const client = createGatewayClient({ url, token, reconnect: { initialMs: 1, maxMs: 20 }, ...options });
  await client.connect();
  return client;
}

function triggersOf(client: GatewayClient, last: string): { seen: string[]; done: Promise<void> } {
  const seen: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  client.on("voicewake.changed", ({ triggers }) => {
    seen.push(...triggers);
    if (triggers.includes(last)) resolve();
  });
  return { seen, done: promise };
}

test("a conversation, typed from end to end", async () => {
  const client = await connected();
  const final = Promise.withResolvers<string>();
  client.on("chat", (event) => {
    if (event.state === "final") final.resolve(event.message.content.map((part) => part.type).join());
  });
  const { runId, status } = await client.call("chat.send", { sessionKey: "typed", message: "Hello" });
  expect([typeof runId, status]).toEqual(["string", "started"]);
  expect(await final.promise).toBe("text");
  const { messages } = await client.call("chat.history", { sessionKey: "typed" });
  expect(messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
  expect(client.hello?.features.methods).toContain("chat.send");
  await client.close();
});

test("a wrong credential, and one too many rights asked for", async () => {
  const refused = await connected({ token: "wrong" }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(GatewayError);
  expect(refused).toMatchObject({ code: "unauthorized", from: "gateway" });
  const reader = await connected({ scopes: ["read"] });
  expect(reader.hello?.auth.scopes).toEqual(["read"]);
  const denied = await reader.call("voicewake.set", { triggers: ["x"] }).catch((error: unknown) => error);
  expect(denied).toMatchObject({ code: "forbidden" });
  await reader.close();
});

test("a repeated call with the same key does its work once", async () => {
  const client = await connected();
  const send = () =>
    client.call("chat.send", { sessionKey: "once", message: "m" }, { idempotencyKey: "the-same" });
  const [first, second] = await Promise.all([send(), send()]);
  expect(second.runId).toBe(first.runId);
  await client.call("agent.wait", { runId: first.runId ?? "none" });
  expect((await client.call("chat.history", { sessionKey: "once" })).messages.length).toBe(2);
  await client.close();
});

test("a broken connection misses nothing: what happened meanwhile is replayed, in order, once", async () => {
  const listener = await connected({ WebSocket: Breakable });
  const other = await connected();
  const resyncs: unknown[] = [];
  listener.on("resync", (resync) => resyncs.push(resync));
  const { seen, done } = triggersOf(listener, "w20");
  for (let round = 1; round <= 20; round++) {
    if (round % 5 === 0) Breakable.break();
    await other.call("voicewake.set", { triggers: [`w${round}`] });
  }
  await done;
  expect(seen).toEqual(Array.from({ length: 20 }, (_, at) => `w${at + 1}`));
  expect(resyncs).toEqual([]);
  await Promise.all([listener.close(), other.close()]);
});

test("a gateway that was stopped and started again: goes on where it was, with what was missed", async () => {
  const client = await connected();
  const resyncs: unknown[] = [];
  client.on("resync", (missed) => resyncs.push(missed));
  const { epoch } = client.hello?.resume ?? {};
  const { port } = gateway;
  const again = new Promise<void>((resolve) => client.onState(({ name }) => name === "ready" && resolve()));
  await gateway.close({ drainMs: 0 });
  gateway = await startGatewayServer(port, { platform: quietPlatform({ home }).platform });
  await again;
  expect(client.hello?.resume.epoch).toBe(epoch ?? "");
  expect(await client.call("voicewake.get")).toEqual({ triggers: ["w20"] });
  expect(resyncs).toEqual([]);
  await client.close();
});
