// Servers of tools over HTTP, which behave and which do not.
import { afterEach, expect, test } from "bun:test";
import { type McpHttpServer, eventOf, events, startMcpHttpServer } from "../../support/mcp-http.ts";
import { callTool, createMcpKit, stopMcpKits } from "../../support/mcp-tools.ts";
import { freePort } from "../../support/tcp.ts";
import { createFakeTime } from "../../support/time.ts";

const servers: McpHttpServer[] = [];

async function start(...options: Parameters<typeof startMcpHttpServer>): Promise<McpHttpServer> {
  const server = await startMcpHttpServer(...options);
  servers.push(server);
  return server;
}

afterEach(async () => {
  await stopMcpKits();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

const kitOf = ({ url }: { url: string }, headers = {}) =>
  createMcpKit({ mcp: { servers: { web: { url, headers } } } });

const textResult = (text: string) => ({ content: [{ type: "text", text }] });

test("tools over HTTP answer as JSON and as events, with the headers of the configuration", async () => {
  const server = await start({
    tools: { json: (_message, answer) => Response.json(JSON.parse(answer(textResult("as JSON")))) },
  });
  const kit = kitOf(server, { authorization: "Bearer canary-of-ours", "x-team": "a" });
  const set = await kit.open();
  expect(set.specs.map(({ name }) => name)).toEqual(["web__plain", "web__json"]);
  expect(await callTool(set, "web__plain")).toEqual({ text: "plain", isError: false });
  expect(await callTool(set, "web__json")).toEqual({ text: "as JSON", isError: false });
  expect(server.seen.every(({ headers }) => headers.get("authorization") === "Bearer canary-of-ours")).toBe(
    true,
  );
  await kit.tools.stop();
  // It is told that we have gone.
  expect(server.seen.at(-1)).toMatchObject({ method: "DELETE" });
  expect(JSON.stringify(kit.lines)).not.toContain("canary");
});

test("progress and cancelling work over HTTP", async () => {
  const server = await start({
    tools: {
      slow({ params }, answer) {
        const { progressToken } = params._meta;
        const update = { progressToken, progress: 1, message: "half way" };
        const progress = JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params: update });
        return events([eventOf(progress), eventOf(answer(textResult("done")))]);
      },
      hang: () => events([": waiting\n\n"], "stall"),
    },
  });
  const kit = kitOf(server);
  const set = await kit.open();
  const updates: string[] = [];
  const answer = await callTool(set, "web__slow", {}, { onUpdate: (text) => updates.push(text) });
  expect([answer.text, updates]).toEqual(["done", ["half way"]]);
  const abort = new AbortController();
  const hanging = callTool(set, "web__hang", {}, { signal: abort.signal });
  await server.asked("POST", "tools/call");
  abort.abort();
  expect((await hanging).text).toBe('Cannot call tool "hang" of "web": it was cancelled');
  const told = await server.asked("POST", "notifications/cancelled");
  expect(told.message?.params).toMatchObject({ reason: "it was cancelled" });
});

test("a redirect is not followed: what we send goes to the configured host alone", async () => {
  const elsewhere = await start();
  for (const status of [301, 307, 308]) {
    const server = await start({ all: () => Response.redirect(elsewhere.url, status) });
    const kit = kitOf(server, { authorization: "Bearer canary" });
    await kit.open();
    const { fields } = await kit.logged("tools server cannot be started");
    expect(fields["reason"]).toBe(`it answered HTTP ${status}, a redirect: set its url to the target`);
  }
  expect(elsewhere.seen).toEqual([]);
});

test.each([
  [401, "it answered HTTP 401: check its headers"],
  [404, "it answered HTTP 404: check its url"],
  [500, "it answered HTTP 500"],
])(
  "a server that answers %i is left out with a sentence that holds nothing it said",
  async (status, reason) => {
    const server = await start({ all: () => new Response("your token canary-token is bad", { status }) });
    const kit = kitOf(server, { authorization: "canary-token" });
    expect((await kit.open()).specs).toEqual([]);
    expect((await kit.logged("tools server cannot be started")).fields["reason"]).toBe(reason);
    expect(JSON.stringify([kit.lines, kit.tools.status()])).not.toContain("canary");
  },
);

test("a page that is no server, no listener, and a header nobody can send are left out", async () => {
  const page = await start({
    all: () => new Response("<html>", { headers: { "content-type": "text/html" } }),
  });
  const kit = createMcpKit({
    mcp: {
      servers: {
        page: { url: page.url },
        nobody: { url: `http://127.0.0.1:${freePort()}/mcp?key=canary` },
        header: { url: page.url, headers: { authorization: "canary\n" } },
        name: { url: page.url, headers: { "bad name": "canary" } },
      },
    },
  });
  await kit.open();
  const status = kit.tools.status().map(({ name, problem }) => [name, problem]);
  expect(status).toEqual([
    ["page", "Unexpected content type: text/html"],
    ["nobody", "it cannot be reached"],
    ["header", 'its header "authorization" has characters that no header takes'],
    ["name", 'its header "bad name" has no valid name'],
  ]);
  expect(JSON.stringify(kit.lines)).not.toContain("canary");
});

test.each([
  ["breaks its answer off", () => events(["event: mess"], "break"), "it cut off its answer"],
  ["ends its stream without an answer", () => events([": nothing\n\n"]), "it cut off its answer"],
  [
    "sends an event without an end",
    () => events(Array(18).fill("x".repeat(1024 * 1024)), "stall"),
    "it sent a message of more than 16777216 bytes",
  ],
])("a server that %s is an error of the call, and is connected again", async (_, tool, reason) => {
  const server = await start({ tools: { tool } });
  const kit = kitOf(server);
  const set = await kit.open();
  expect((await callTool(set, "web__tool")).text).toBe(`Cannot call tool "tool" of "web": ${reason}`);
  expect((await kit.logged("tools server is gone")).fields).toMatchObject({ reason, againInMs: 1_000 });
  await kit.logged("tools server is ready");
  await kit.logged("tools server is ready");
  expect((await callTool(set, "web__plain")).text).toBe("plain");
});

test("an answer without an end is an error, however it is sent", async () => {
  const large = (): Response => {
    const piece = new TextEncoder().encode(" ".repeat(1024 * 1024));
    const body = new ReadableStream({ pull: (controller) => controller.enqueue(piece) });
    return new Response(body, { headers: { "content-type": "application/json" } });
  };
  const server = await start({ tools: { large } });
  const set = await kitOf(server).open();
  expect((await callTool(set, "web__large")).text).toBe(
    'Cannot call tool "large" of "web": an answer without an end',
  );
});

test("a server that was started anew knows no session: an error, then it is connected again", async () => {
  const server = await start();
  const kit = kitOf(server);
  const set = await kit.open();
  server.forget();
  expect((await callTool(set, "web__plain")).text).toBe(
    'Cannot call tool "plain" of "web": it has forgotten the session',
  );
  await kit.logged("tools server is ready");
  await kit.logged("tools server is ready");
  expect((await callTool(set, "web__plain")).text).toBe("plain");
});

test("a server that goes away is an error of the call, and is there again when it is back", async () => {
  const first = await start();
  const kit = kitOf(first);
  const set = await kit.open();
  await first.stop();
  expect((await callTool(set, "web__plain")).text).toBe(
    'Cannot call tool "plain" of "web": it cannot be reached',
  );
  await start({ port: Number(first.host.split(":")[1]) });
  await kit.logged("tools server is ready");
  await kit.logged("tools server is ready");
  expect((await callTool(set, "web__plain")).text).toBe("plain");
});

test("a stream for news that ends is opened again, and not in a hurry", async () => {
  const time = createFakeTime();
  const server = await start({ listens: true });
  const kit = createMcpKit({ mcp: { servers: { web: { url: server.url } } } }, time);
  const set = await kit.open();
  await server.asked("GET");
  const before = time.pending();
  server.hangUp();
  while (time.pending() === before) await new Promise((resolve) => setImmediate(resolve));
  time.advance(999);
  expect((await callTool(set, "web__plain")).text).toBe("plain");
  expect(server.seen.filter(({ method }) => method === "GET")).toHaveLength(1);
  time.advance(1);
  await server.askedTimes("GET", 2);
  expect(kit.tools.status()).toMatchObject([{ state: "ready" }]);
});
