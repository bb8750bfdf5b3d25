import { expect, test } from "bun:test";
import { type Candidate, createFallbackRuntime } from "../../../src/agents/fallback.ts";
import { type ErrorCode, RpcError } from "../../../src/contract/errors.ts";
import { createMemoryLog } from "../../support/ports.ts";
import { listen, turnOf } from "./kit.ts";

/** A model that says `says` and then fails with `code`, if given. */
function candidate(model: string, says: readonly string[], code?: ErrorCode): Candidate & { asked: number } {
  const made = {
    model,
    asked: 0,
    open: () => ({
      async *prompt() {
        made.asked += 1;
        for (const text of says) yield { type: "text" as const, text };
        if (code) throw new RpcError(code, `Cannot use model "${model}": ${code}`);
        yield { type: "end" as const, reason: "stop" as const };
      },
    }),
  };
  return made;
}

test.each(["unavailable", "busy", "not_found"] as const)(
  "after %s the next model answers, and the log says so",
  async (code) => {
    const log = createMemoryLog();
    const last = candidate("c/3", ["no"]);
    const models = [candidate("a/1", [], code), candidate("b/2", ["yes"]), last];
    const { text, error } = await listen(createFallbackRuntime(models, log));
    expect({ text, error }).toEqual({ text: "yes", error: undefined });
    expect(last.asked).toBe(0);
    expect(log.lines).toEqual([
      {
        level: "warn",
        message: "model failed, trying the next",
        fields: { run: "run-1", model: "a/1", next: "b/2", code },
      },
    ]);
  },
);

test.each(["forbidden", "invalid_request", "internal"] as const)(
  "%s is for a person, not for the next model",
  async (code) => {
    const next = candidate("b/2", ["yes"]);
    const { error } = await listen(
      createFallbackRuntime([candidate("a/1", [], code), next], createMemoryLog()),
    );
    expect(error).toMatchObject({ code });
    expect(next.asked).toBe(0);
  },
);

test("a model that has begun is not replaced", async () => {
  const next = candidate("b/2", ["yes"]);
  const models = [candidate("a/1", ["half "], "unavailable"), next];
  const { text, error } = await listen(createFallbackRuntime(models, createMemoryLog()));
  expect(text).toBe("half ");
  expect(error).toMatchObject({ code: "unavailable" });
  expect(next.asked).toBe(0);
});

test("the last failure is the answer", async () => {
  const models = [candidate("a/1", [], "busy"), candidate("b/2", [], "not_found")];
  const { error } = await listen(createFallbackRuntime(models, createMemoryLog()));
  expect(error).toMatchObject({ message: 'Cannot use model "b/2": not_found' });
});

test("a model that cannot be opened is passed over", async () => {
  const broken: Candidate = {
    model: "x/1",
    open() {
      throw new RpcError("not_found", "no such provider");
    },
  };
  const { text } = await listen(
    createFallbackRuntime([broken, candidate("b/2", ["yes"])], createMemoryLog()),
  );
  expect(text).toBe("yes");
});

test("nobody is asked after an abort", async () => {
  const next = candidate("b/2", ["yes"]);
  const models = [candidate("a/1", [], "unavailable"), next];
  await listen(createFallbackRuntime(models, createMemoryLog()), turnOf("a"), AbortSignal.abort());
  expect(next.asked).toBe(0);
});
