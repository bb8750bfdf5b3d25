import { expect, test } from "bun:test";
import { failure, setupRuns } from "./kit.ts";

test("a session whose agent is not configured any more takes no message, and keeps what it has", async () => {
  const list = [{ id: "main" }, { id: "work", tools: { deny: ["*"] } }];
  const path = setupRuns().path;
  const before = setupRuns({ path, config: { agents: { defaults: { model: "test/one" }, list } } });
  await before.send("agent:work:x", "one");
  await before.answer(await before.agent.started(1), "done");

  const config = { agents: { defaults: { model: "test/one" }, list: [{ id: "main" }] } };
  const { send, runs, call, agent, texts } = setupRuns({ path, config });
  const said = texts("agent:work:x");
  const refusal = {
    code: "not_found",
    message: 'Cannot run in session "agent:work:x": no agent "work" is configured',
  };
  expect(await failure(send("agent:work:x", "two", { idempotencyKey: "second" }))).toMatchObject(refusal);
  const { error } = await call("chat.send", {
    sessionKey: "agent:work:x",
    message: "three",
    idempotencyKey: "third",
  });
  expect(error).toMatchObject(refusal);
  expect([runs.list(), agent.turns]).toEqual([[], []]);
  expect(texts("agent:work:x")).toEqual(said);
  expect((await call("chat.history", { sessionKey: "agent:work:x" })).error).toBeUndefined();
});
