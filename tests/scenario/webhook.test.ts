/** Webhooks of a gateway, over real sockets: what comes in is on disk, and is asked of an agent. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { createHmac } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { listen } from "../support/sdk.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, startProgram } from "./program.ts";

afterEach(endPrograms);
setDefaultTimeout(60_000);

const TOKEN = "the-token-of-this-test-0123456789";
const HOOKS = "the-token-of-webhooks-0123456789";
const SECRET = "the-secret-of-one-sender";
let home: string;

beforeEach(() => {
  home = tempDir();
  mkdirSync(join(home, ".clawdbot"), { mode: 0o700 });
  const config = {
    gateway: { port: 0, auth: { token: TOKEN } },
    agents: { defaults: { model: "echo/echo" } },
    hooks: {
      enabled: true,
      token: HOOKS,
      mappings: [
        { match: { path: "github" }, secret: SECRET, messageTemplate: "Sum up: {{payload.title}}" },
        { match: { path: "bell" }, action: "event" },
      ],
    },
  };
  writeFileSync(join(home, ".clawdbot/moltbot.json"), JSON.stringify(config), { mode: 0o600 });
});

async function start() {
  const program = startProgram(["run"], { home, env: { OLLAMA_HOST: "127.0.0.1:9" } });
  const [, url = ""] = await program.until(/gateway listening url=(http:\/\/127\.0\.0\.1:\d+)/);
  const { client, until, chat } = await listen({ url }, { token: TOKEN });
  await program.until(/plugin started/);
  async function post(name: string, body: unknown, headers: Record<string, string> = {}) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const given = { authorization: `Bearer ${HOOKS}`, "content-type": "application/json", ...headers };
    const answer = await fetch(`${url}/hooks/${name}`, { method: "POST", body: text, headers: given });
    const said: Record<string, unknown> = JSON.parse((await answer.text()) || "{}");
    return { status: answer.status, body: said, headers: answer.headers };
  }
  return { url, client, until, chat, post };
}

test("a webhook is a run that can be waited for, and a message that says where it is from", async () => {
  const { post, client } = await start();
  const { status, body } = await post("agent", { message: "the door is open" });
  expect([status, body]).toEqual([202, { ok: true, runId: expect.any(String), sessionKey: "hook:agent" }]);
  expect(await client.call("agent.wait", { runId: String(body["runId"]) })).toMatchObject({ status: "ok" });
  const { messages } = await client.call("chat.history", { sessionKey: "hook:agent" });
  expect(messages[0]?.content[0]).toMatchObject({
    text: expect.stringContaining(">the door is open</external-"),
  });
  expect((await client.call("sessions.list", {})).sessions).toMatchObject([{ kind: "hook" }]);
});

test("what is signed needs no token; a delivery that comes again is the same run, also after a restart", async () => {
  const body = JSON.stringify({ title: "leak" });
  const signed = (text: string) => ({
    authorization: "",
    "x-hub-signature-256": `sha256=${createHmac("sha256", SECRET).update(text).digest("hex")}`,
  });
  const first = await start();
  const { status, body: answer } = await first.post("github", body, signed(body));
  expect(status).toBe(202);
  expect((await first.post("github", body, signed(body))).body).toEqual(answer);
  expect((await first.post("github", body, signed(`${body} `))).status).toBe(401);
  await endPrograms();
  const second = await start();
  expect((await second.post("github", body, signed(body))).body).toEqual(answer);
  const { messages } = await second.client.call("chat.history", { sessionKey: "hook:github" });
  expect(messages.filter(({ role }) => role === "user")).toHaveLength(1);
});

test("an event reaches who listens; a wake the main session", async () => {
  const { post, until, client } = await start();
  expect((await post("bell", { floor: 2 })).status).toBe(202);
  const { payload } = await until("webhook.received", ({ event }) => event === "webhook.received");
  expect(payload).toMatchObject({ name: "bell", payload: { floor: 2 } });
  const woken = await post("wake", { text: "tea" });
  expect([woken.status, woken.body["mode"]]).toEqual([200, "now"]);
  await client.call("agent.wait", { runId: String(woken.body["runId"]) });
  const note = await post("wake", { text: "milk", mode: "next-heartbeat" });
  expect([note.status, note.body]).toEqual([200, { ok: true, mode: "next-heartbeat" }]);
  const { messages } = await client.call("chat.history", { sessionKey: "main" });
  expect(messages.map(({ role }) => role)).toEqual(["user", "assistant", "assistant"]);
});

test("who is refused, and how", async () => {
  const { post, url } = await start();
  const statuses = async (...calls: (() => Promise<{ status: number }>)[]): Promise<number[]> => {
    const all: number[] = [];
    for (const call of calls) all.push((await call()).status);
    return all;
  };
  const wrong = { authorization: "Bearer wrong" };
  expect(
    await statuses(
      () => post("agent", { message: "m" }, wrong),
      () => post("agent", { message: "m" }, { authorization: `Bearer ${TOKEN}` }),
      () => post("agent?token=x", { message: "m" }),
      () => post("agent", "no JSON"),
      () => post("agent", { message: "x".repeat(300_000) }),
      () => post("nobody", {}),
      () => fetch(`${url}/hooks/agent`, { headers: { authorization: `Bearer ${HOOKS}` } }),
    ),
  ).toEqual([401, 401, 400, 400, 413, 404, 405]);
  while ((await post("agent", {}, wrong)).status === 401);
  const refused = await post("agent", { message: "m" });
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
});
