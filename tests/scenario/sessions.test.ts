/** Sessions as a person handles them: the command line and a program beside it, over restarts. */
import { afterEach, beforeEach, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startOpenAiServer } from "../support/openai-server.ts";
import { listen } from "../support/sdk.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, type Program, runProgram, startProgram } from "./program.ts";

afterEach(endPrograms);
setDefaultTimeout(60_000);

const TOKEN = "a-token-of-the-sessions-scenario";

let home: string;
beforeEach(() => void (home = tempDir()));

const gateway = (args: readonly string[], stdin?: string) =>
  runProgram(args, { home, ...(stdin !== undefined && { stdin }) });
const sessions = (...args: string[]) => gateway(["sessions", ...args]);

/** @param config beside what every one of these has */
async function start(config: object = {}): Promise<Program & { readonly url: string }> {
  const path = join(home, "gateway.json");
  const model = { agents: { defaults: { model: "echo/echo" } } };
  writeFileSync(path, JSON.stringify({ gateway: { port: 0, auth: { token: TOKEN } }, ...model, ...config }));
  const program = startProgram(["run", "--config", path], { home });
  const [, url = ""] = await program.until(/gateway listening url=(http:\S+)/);
  return { ...program, url };
}

async function stop(program: Program): Promise<void> {
  program.signal("SIGTERM");
  expect(await program.exited).toBe(0);
}

/** What differs from one run to the next. */
function steady(text: string): string {
  const aged = text.replaceAll(/\d+ (?:s|min) ago( *)/g, (_, gap: string) => (gap === "" ? "AGO" : "AGO  "));
  return aged.replaceAll(home, "HOME");
}

test("list, search, export, import, reset and delete, as words and as JSON", async () => {
  await start();
  await gateway(["chat", "--token", TOKEN, "--session", "garden", "When do I plant tomatoes?"]);
  await gateway(["chat", "--token", TOKEN, "Hello"]);
  const file = join(home, "garden.jsonl");
  const said: string[] = [];
  const say = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await sessions(...args, "--token", TOKEN);
    said.push(`$ ${args.join(" ")}`, out.trimEnd(), ...(err === "" ? [] : [err.trimEnd()]), `= ${code}`);
    return out;
  };
  await say("list");
  await say("search", "plant", "tom");
  await say("search", "nothing", "of", "that");
  await say("export", "garden", "--out", file);
  await say("export", "garden", "--out", file);
  await say("import", file);
  await say("import", file, "--key", "balcony");
  await say("reset", "garden");
  await say("search", "tomatoes", "--session", "garden", "--limit", "1");
  await say("delete", "garden");
  await say("delete", "garden");
  await say("delete", "main");
  await say("export", "garden");
  await say("list", "--kind", "cron");
  expect(steady(said.join("\n"))).toMatchInlineSnapshot(`
    "$ list
    agent:main:main  AGO  2 messages  Hello
    garden           AGO  2 messages  When do I plant tomatoes?
    = 0
    $ search plant tom
    garden, assistant, AGO
      You said: When do I plant tomatoes?
    garden, user, AGO
      When do I plant tomatoes?
    = 0
    $ search nothing of that
    There are no such messages
    = 0
    $ export garden --out HOME/garden.jsonl

    Exported session "garden" to "HOME/garden.jsonl": 2 messages
    = 0
    $ export garden --out HOME/garden.jsonl

    Cannot write file "HOME/garden.jsonl": it exists
    = 1
    $ import HOME/garden.jsonl

    Cannot import session "garden": there is one of this key
    --key KEY gives it another key
    = 1
    $ import HOME/garden.jsonl --key balcony
    Imported session "balcony": 2 messages
    = 0
    $ reset garden
    Session "garden" begins anew
    = 0
    $ search tomatoes --session garden --limit 1
    garden, assistant, AGO
      You said: When do I plant tomatoes?
    and more
    = 0
    $ delete garden
    Session "garden" is deleted
    = 0
    $ delete garden

    Cannot delete session "garden": there is none
    = 1
    $ delete main

    Cannot delete session "agent:main:main": it is a main session, which can be reset
    = 1
    $ export garden

    Cannot export session "garden": there is none
    = 1
    $ list --kind cron
    There are no such sessions
    = 0"
  `);

  const listed: unknown = JSON.parse(await say("list", "--json"));
  expect(listed).toMatchObject({ total: 2, sessions: [{ key: "balcony" }, { key: "agent:main:main" }] });
  const hits: unknown = JSON.parse(await say("search", "tomatoes", "--json"));
  expect(hits).toMatchObject({ hits: [{ key: "balcony" }, { key: "balcony" }] });
  expect(JSON.parse(await say("reset", "main", "--json"))).toMatchObject({ key: "agent:main:main" });
  expect(JSON.parse(await say("delete", "balcony", "--json"))).toEqual({ key: "balcony", deleted: true });
});

test("what is called wrongly, and what is not there", async () => {
  expect(await sessions("export")).toMatchObject({ code: 2 });
  expect(await sessions("search", " ")).toMatchObject({ code: 2 });
  expect(await sessions("list", "--kind", "odd")).toMatchObject({ code: 2 });
  expect((await sessions("lst")).err).toContain("did you mean sessions list");
  expect(await sessions("import", join(home, "none"))).toMatchObject({
    code: 1,
    err: expect.stringContaining("there is no such file") as string,
  });
  writeFileSync(join(home, "odd"), "{}\n");
  expect(await sessions("import", join(home, "odd"))).toMatchObject({
    code: 2,
    err: expect.stringContaining("it names no session, --key KEY does") as string,
  });
  // No gateway is there: at the usual address there may be one of whoever runs this.
  expect(await sessions("list", "--url", "ws://127.0.0.1:1/ws")).toMatchObject({ code: 69 });
});

test("a file that cannot be made is named, in one line", async () => {
  await start();
  await gateway(["chat", "--token", TOKEN, "Hello"]);
  const out = join(home, "nowhere", "main.jsonl");
  expect(await sessions("export", "main", "--out", out, "--token", TOKEN)).toEqual({
    code: 1,
    out: "",
    err: `Cannot open file "${out}": no such file or directory\n`,
  });
});

test("a long session goes out and comes back over many requests, the same to the letter", async () => {
  const { url } = await start({ sessions: { keepMax: 10 } });
  const lines = ['{"type":"session","version":1,"key":"long","createdAtMs":5}'];
  for (let n = 0; n < 1_200; n++) {
    const role = n % 2 === 0 ? "user" : "assistant";
    const text = `Message ${n} "quoted" \\ \u2028 ${"päd".repeat(n % 500)}`;
    lines.push(JSON.stringify({ type: "message", role, ts: n, content: [{ type: "text", text }] }));
  }
  // Blank lines are none.
  const stdin = `${lines.join("\r\n\n")}\n\n`;
  const done = await gateway(["sessions", "import", "-", "--token", TOKEN], stdin);
  expect(done).toMatchObject({ code: 0, out: 'Imported session "long": 1200 messages\n' });
  // How far it is, is for terminals.
  expect(done.err).toBe("");

  const { code, out } = await sessions("export", "long", "--token", TOKEN);
  expect(code).toBe(0);
  const plain = (text: string): unknown[] =>
    text
      .split(/\r?\n/)
      .filter((line) => line !== "")
      .map((line) => ({ ...(JSON.parse(line) as object), id: 0, agentId: 0, title: 0 }));
  expect(plain(out)).toEqual(plain(stdin));

  const { client } = await listen({ url }, { token: TOKEN });
  const { hits } = await client.call("sessions.search", { query: "quoted 1199" });
  expect(hits).toMatchObject([{ key: "long", role: "assistant" }]);
  const bad = lines.with(900, '{"type":"message","role":"nobody"}').join("\n");
  const failed = await gateway(["sessions", "import", "-", "--key", "bad", "--token", TOKEN], bad);
  expect(failed).toMatchObject({ code: 1, out: "" });
  expect(failed.err).toContain('Cannot import "-": line 901 cannot be used');
  expect(failed.err).toContain("gateway sessions delete bad");
});

test("a transcript of the original with a large picture in it", async () => {
  await start();
  const file = join(home, "0b1d.jsonl");
  const picture = { type: "image", mimeType: "image/png", data: "A".repeat(3 * 1024 * 1024) };
  const timestamp = "2026-01-02T03:04:05.678Z";
  const content = [{ type: "text", text: "Look" }, picture];
  const lines = [
    { type: "session", version: 3, id: "0b1d", timestamp, cwd: "/" },
    { type: "message", id: "1", timestamp, message: { role: "user", content } },
    { type: "custom", id: "2", timestamp },
  ];
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join("\n"));
  const done = await sessions("import", file, "--key", "old", "--token", TOKEN, "--json");
  expect(done).toMatchObject({ code: 0, err: "" });
  expect(JSON.parse(done.out)).toEqual({
    key: "old",
    imported: 1,
    skipped: 1,
    leftOut: 0,
    isTorn: false,
  });
  const { out } = await sessions("export", "old", "--token", TOKEN);
  expect(out).toContain("[a picture]");
  expect(statBytes(out)).toBeLessThan(1_000);
});

function statBytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

test("a session's own model and instructions hold over a restart; a reset begins its conversation anew", async () => {
  const models = await startOpenAiServer();
  onTestFinished(() => models.stop());
  const config = { models: { providers: { test: { baseUrl: models.url } } } };
  const first = await start(config);
  {
    const { client, chat } = await listen({ url: first.url }, { token: TOKEN });
    await client.call("sessions.create", { key: "main" });
    await client.call("sessions.patch", {
      key: "main",
      model: "test/own",
      instructions: "You are a gardener",
      env: { SECRET_OF_IT: "hidden-value" },
    });
    const { runId } = await client.call("chat.send", { sessionKey: "main", message: "Who are you?" });
    await chat(runId ?? "", "final");
  }
  await stop(first);

  const second = await start(config);
  const { client, chat } = await listen({ url: second.url }, { token: TOKEN });
  const ask = async (message: string): Promise<void> => {
    const { runId } = await client.call("chat.send", { sessionKey: "main", message });
    await chat(runId ?? "", "final");
  };
  await ask("And now?");
  const before = await client.call("sessions.get", { key: "main" });
  expect(before).toMatchObject({
    session: { key: "agent:main:main", model: "test/own", messages: 4, title: "Who are you?" },
    settings: { instructions: "You are a gardener", env: ["SECRET_OF_IT"] },
  });
  await client.call("sessions.reset", { key: "main" });
  await ask("Once more");
  const after = await client.call("sessions.get", { key: "main" });
  expect(after.session.sessionId).not.toBe(before.session.sessionId);
  expect(after).toMatchObject({
    session: { model: "test/own", messages: 2, title: "Once more" },
    settings: before.settings,
  });
  expect(models.requests.map(({ messages }) => messages)).toEqual([
    [told, said("user", "Who are you?")],
    [
      told,
      said("user", "Who are you?"),
      expect.objectContaining({ role: "assistant" }),
      said("user", "And now?"),
    ],
    [told, said("user", "Once more")],
  ]);
  expect(JSON.stringify(models.requests)).not.toContain("hidden-value");
  expect(readFileSync(join(home, "gateway.json"), "utf8")).not.toContain("gardener");
});

test("a reset and a deletion stop what runs, keep what it had said, and tell why", async () => {
  const models = await startOpenAiServer();
  onTestFinished(() => models.stop());
  const { url } = await start({
    agents: { defaults: { model: "test/m" } },
    models: { providers: { test: { baseUrl: models.url } } },
  });
  const person = await listen({ url }, { token: TOKEN });
  const { client } = person;
  const begin = async (sessionKey: string): Promise<string> => {
    models.queue({ kind: "stall", after: ["Once upon"] });
    const { runId } = await client.call("chat.send", { sessionKey, message: "Tell me a story" });
    await person.chat(runId, "delta");
    return runId;
  };
  const first = await begin("main");
  const waits = await client.call("chat.send", { sessionKey: "main", message: "And another" });
  const { session } = await client.call("sessions.reset", { key: "main" });
  expect(session).toMatchObject({ key: "agent:main:main", messages: 0, active: false });
  const aborted = await person.chat(first, "aborted");
  expect(aborted).toMatchObject({
    reason: "reset",
    message: { content: [{ type: "text", text: "Once upon" }] },
  });
  if (waits.runId !== undefined && waits.runId !== first) await person.chat(waits.runId, "aborted");
  expect((await client.call("chat.history", { sessionKey: "main" })).messages).toEqual([]);
  const { hits } = await client.call("sessions.search", { query: "once upon" });
  expect(hits).toMatchObject([{ key: "agent:main:main", role: "assistant", snippet: "Once upon" }]);

  const second = await begin("review");
  expect(await client.call("sessions.delete", { key: "review" })).toEqual({ deleted: true });
  expect(await person.chat(second, "aborted")).toMatchObject({ reason: "deleted" });
  expect(await client.call("sessions.list", { search: "review" })).toMatchObject({ total: 0 });
  // The lane is free: the next message runs.
  const { runId } = await client.call("chat.send", { sessionKey: "main", message: "Hello" });
  await person.chat(runId, "final");
});

const said = (role: string, content: string) => expect.objectContaining({ role, content }) as object;
const told = said("system", "You are a gardener");

test("a transcript of the original over many requests: only the branch it ends on, up to where it was cut", async () => {
  await start();
  const file = join(home, "tree.jsonl");
  const entry = (id: string, parentId: string | null, content: string): string => {
    const timestamp = "2026-01-02T03:04:05.678Z";
    return JSON.stringify({ type: "message", id, parentId, timestamp, message: { role: "user", content } });
  };
  const lines = ['{"type":"session","version":3,"id":"0b1d"}', entry("r", null, "root")];
  for (let n = 0; n < 1_100; n++) lines.push(entry(`${n}`, n === 0 ? "r" : `${n - 1}`, `stray ${n}`));
  lines.push(entry("e", "r", "said anew"), entry("f", "e", "cut off").slice(0, -4));
  writeFileSync(file, lines.join("\n"));
  expect(await sessions("import", file, "--key", "tree", "--token", TOKEN)).toEqual({
    code: 0,
    out:
      'Imported session "tree": 2 messages, 1100 messages of other branches were left out, ' +
      "the last line was cut off and was left out\n",
    err: "",
  });
  const { out } = await sessions("export", "tree", "--token", TOKEN);
  expect(out.match(/"text":"[^"]*"/g)).toEqual(['"text":"root"', '"text":"said anew"']);
});
