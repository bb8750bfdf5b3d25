/** What an edit changes while everything runs: runs, clients, values set over the file, and mistakes. */
import { describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { backAgain, breaksOf, changedTo, rejectedAs, startConfigured } from "../support/configured.ts";
import { type OpenAiServer, startOpenAiServer } from "../support/openai-server.ts";

setDefaultTimeout(60_000);

async function startModels(...text: readonly string[]): Promise<OpenAiServer> {
  const models = await startOpenAiServer();
  onTestFinished(() => models.stop());
  models.on("slow", { kind: "answer", text, gated: true });
  return models;
}

const withModels = ({ url }: OpenAiServer, keepMax = 100): string => `{
  "gateway": { "port": 0, "reload": { "debounceMs": 10 } },
  "agents": { "defaults": { "model": "test/slow" } },
  "models": { "providers": { "test": { "baseUrl": "${url}" } } },
  "sessions": { "keepMax": ${keepMax} },
}
`;

test("a run keeps the model it began with, the next has the new one, and nobody is cut off", async () => {
  const [old, fresh] = [
    await startModels("From ", "the ", "old."),
    await startModels("From ", "the ", "new."),
  ];
  await using live = await startConfigured(withModels(old));
  const { person, path } = live;
  const say = async (message: string): Promise<string> =>
    (await person.client.call("chat.send", { sessionKey: "main", message })).runId;
  const first = await say("Who is there?");
  const request = await old.next();
  request.release(2);
  await person.chat(first, "delta");

  const changed = changedTo(person, withModels(fresh));
  writeFileSync(path, withModels(fresh));
  expect((await changed).payload).toMatchObject({ changed: ["models.providers"], restartOwed: [] });
  const second = await say("And now?");
  request.release(100);
  expect((await person.chat(first, "final")).message.content).toEqual([
    { type: "text", text: "From the old." },
  ]);
  expect((await request.ended).how).toBe("answered");
  (await fresh.next()).release(100);
  expect((await person.chat(second, "final")).message.content).toEqual([
    { type: "text", text: "From the new." },
  ]);
  expect([old.requests.length, fresh.requests.length]).toEqual([1, 1]);
  expect(breaksOf(person)).toEqual([]);
  expect(live.log.filter((line) => line.includes("startedAnew=models"))).toHaveLength(1);
});

describe("a bad edit changes nothing", () => {
  const text = (keepMax: unknown, more = ""): string => `{
  "gateway": { "port": 0, "reload": { "debounceMs": 10 } },
  "agents": { "defaults": { "model": "echo/echo" } },
  "sessions": { "keepMax": ${JSON.stringify(keepMax)} },${more}
}
`;

  test.each([
    ["of the wrong type", text("many"), { line: 4, column: 28, key: "sessions.keepMax" }],
    ["a key nobody knows", text(7, '\n  "sesions": {},'), { line: 5, column: 3, key: "sesions" }],
    ["cut in the middle", text(7).slice(0, 100), { line: 3, column: expect.any(Number), key: "" }],
    ["empty", "", { line: 1, column: 1, key: "" }],
    ["a variable that is not set", text(7, '\n  "env": { "A": "${NOWHERE}" },'), { line: 5, key: "env.A" }],
    ["an include that is not there", text(7, '\n  "agents": { "$include": "gone.json" },'), {}],
    ["a key of prototypes", text(7, '\n  "__proto__": { "isAdmin": true },'), { line: 5, column: 3 }],
  ])("%s", async (_name, bad, place) => {
    await using live = await startConfigured(text(5));
    const { person, path } = live;
    const rejected = rejectedAs(person, bad);
    writeFileSync(path, bad);
    const { errors } = (await rejected).payload as { readonly errors: readonly Record<string, unknown>[] };
    expect(errors[0]).toMatchObject({ file: path, message: expect.stringMatching(/^Cannot /), ...place });

    // Told wherever one may look; the file is the author's, as it is.
    const { key: _key, ...shown } = errors[0] ?? {};
    const { config } = await person.client.call("status");
    expect(config).toMatchObject({ valid: false, error: shown, restartOwed: [] });
    const get = await person.client.call("config.get");
    expect(get).toMatchObject({ valid: false, issues: errors, config: { sessions: { keepMax: 5 } } });
    expect(live.log.join("")).toContain("configuration not used");
    expect(readFileSync(path, "utf8")).toBe(bad);

    // Nothing is written over what cannot be read, and overrides wait for a file that can.
    for (const [method, params] of [
      ["config.set", { key: "agents.defaults.timeoutSeconds", value: 9 }],
      ["config.patch", { raw: '{"agents":{"defaults":{"timeoutSeconds":9}}}', baseHash: get.hash }],
      ["config.override.set", { key: "gateway.limits.clientsMax", value: 9 }],
    ] as const) {
      const error = await person.client.call(method, params as never).catch((reason: unknown) => reason);
      expect([method, error]).toEqual([method, expect.objectContaining({ code: "invalid_params" })]);
    }
    expect(readFileSync(path, "utf8")).toBe(bad);
    expect((await person.client.call("config.override.list")).overrides).toEqual([]);

    const mended = changedTo(person, text(6));
    writeFileSync(path, text(6));
    expect((await mended).payload["changed"]).toEqual(["sessions.keepMax"]);
    expect((await person.client.call("status")).config).toMatchObject({ valid: true });
    expect(breaksOf(person)).toEqual([]);
    expect(Object.hasOwn(Object.prototype, "isAdmin")).toBe(false);
  });
});

describe("values set while the gateway runs, over the file", () => {
  const text = (keepMax: number): string => `{
  "gateway": { "port": 0, "reload": { "debounceMs": 10, "mode": "hot" } },
  "agents": { "defaults": { "model": "echo/echo" } },
  "sessions": { "keepMax": ${keepMax} },
}
`;
  const KEY = "sessions.keepMax";

  test("hide the file until they are taken back, and show what they hide", async () => {
    await using live = await startConfigured(text(5));
    const { person, path } = live;
    const explain = () => person.client.call("config.explain", { key: KEY });
    expect(await person.client.call("config.override.set", { key: KEY, value: 7 })).toMatchObject({
      changed: [KEY],
      restartOwed: [],
    });
    expect(await explain()).toMatchObject({
      value: 7,
      layer: "override",
      hidden: [
        { layer: "file", value: 5, source: { file: path, line: 4, column: 17 } },
        { layer: "default", value: 10_000 },
      ],
    });
    const changed = changedTo(person, text(6));
    writeFileSync(path, text(6));
    // What the file says is another, what is in force is not.
    expect((await changed).payload["changed"]).toEqual([]);
    expect(await explain()).toMatchObject({ value: 7, hidden: [{ value: 6 }, { value: 10_000 }] });
    expect(await person.client.call("config.override.list")).toEqual({ overrides: [{ key: KEY, value: 7 }] });
    await person.client.call("config.override.unset", { key: KEY });
    expect(await explain()).toMatchObject({ value: 6, layer: "file", hidden: [{ layer: "default" }] });
    expect(readFileSync(path, "utf8")).toBe(text(6));
  });

  test("what is wrong is refused and leaves all as it was", async () => {
    await using live = await startConfigured(text(5));
    const { person } = live;
    for (const [key, value, code] of [
      [KEY, 0, "invalid_params"],
      [KEY, { a: 1 }, "invalid_params"],
      ["sessions.keepMin", 1, "not_found"],
      ["__proto__.isAdmin", true, "not_found"],
      ["sessions", { keepMax: 9 }, "not_found"],
    ] as const) {
      const error = await person.client
        .call("config.override.set", { key, value })
        .catch((one: unknown) => one);
      expect([key, error]).toEqual([key, expect.objectContaining({ code })]);
    }
    expect(
      await person.client.call("config.override.unset", { key: KEY }).catch((one: unknown) => one),
    ).toMatchObject({ code: "not_found" });
    expect(await person.client.call("config.override.list")).toEqual({ overrides: [] });
    expect(await person.client.call("config.explain", { key: KEY })).toMatchObject({
      value: 5,
      layer: "file",
    });
  });

  test("one that needs a restart waits for it, and is still there after it", async () => {
    await using live = await startConfigured(text(5));
    const { person } = live;
    const key = "gateway.limits.frameBytesMax";
    const { restartOwed } = await person.client.call("config.override.set", { key, value: 2 ** 21 });
    expect(restartOwed).toEqual([key]);
    expect(await person.client.call("config.explain", { key })).toMatchObject({
      value: 2 ** 20,
      restartOwed: true,
    });
    const back = backAgain(person);
    await person.client.call("system.restart");
    await back;
    expect(await person.client.call("config.explain", { key })).toMatchObject({
      value: 2 ** 21,
      layer: "override",
      restartOwed: false,
    });
  });
});
