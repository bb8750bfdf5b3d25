import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LIMITS } from "../../../../src/contract/limits.ts";
import type { Content } from "../../../../src/features/runs/contract.ts";
import { joined, Transcript } from "../../../../src/features/runs/transcript.ts";
import { openDatabase } from "../../../../src/platform/database.ts";
import type { AgentEvent } from "../../../../src/ports.ts";
import { createCountingCrypto } from "../../../support/ports.ts";
import { failure, lines, nextTurn, setupRuns } from "./kit.ts";
import { Journal } from "../../../../src/features/runs/journal.ts";

describe("tool calls", () => {
  test("are in the history in their place, and in the conversation that follows", async () => {
    const { send, agent, answer, wait, history, streamed, journal } = setupRuns();
    const { runId } = await send("a", "look");
    const turn = await agent.started(1);
    turn.say(
      { type: "text", text: "let me see" },
      { type: "tool_start", id: "1", name: "read", args: '{"path":"x"}' },
      { type: "tool_start", id: "2", name: "list", args: "{}" },
      { type: "tool_result", id: "2", text: "no such", isError: true },
      { type: "tool_result", id: "1", text: "contents", isError: false },
      { type: "tool_result", id: "unknown", text: "of nobody", isError: false },
      { type: "text", text: "there" },
      { type: "tool_start", id: "3", name: "slow", args: "{}" },
    );
    turn.end();
    await wait(runId);
    expect(history("a").at(-1)?.content).toEqual([
      { type: "text", text: "let me see" },
      { type: "tool_call", id: "1", name: "read", args: '{"path":"x"}', result: "contents" },
      { type: "tool_call", id: "2", name: "list", args: "{}", result: "no such", isError: true },
      { type: "text", text: "there" },
      { type: "tool_call", id: "3", name: "slow", args: "{}" },
    ]);
    expect(streamed("tool").slice(0, 3)).toEqual([
      { phase: "start", toolCallId: "1", name: "read", args: '{"path":"x"}' },
      { phase: "start", toolCallId: "2", name: "list", args: "{}" },
      { phase: "result", toolCallId: "2", result: "no such", isError: true },
    ]);
    expect(journal.find(runId)?.status).toBe("ok");
    await send("a", "go on");
    const next = await agent.started(2);
    expect(next.turn.messages[1]?.parts).toEqual(history("a")[1]?.content as never);
    await answer(next, "done");
  });

  test("long answers are cut, where they are told more than where they are kept, and end no run", async () => {
    const { send, agent, wait, history, streamed } = setupRuns();
    const { runId } = await send("a", "look");
    const turn = await agent.started(1);
    const long = "x".repeat(50_000);
    for (let id = 1; id <= 30; id++) {
      turn.say({ type: "tool_start", id: `${id}`, name: "read", args: "{}" });
      turn.say({ type: "tool_result", id: `${id}`, text: long, isError: false });
    }
    turn.end();
    expect(await wait(runId)).toMatchObject({ status: "ok" });
    const kept = (history("a").at(-1)?.content ?? []) as { result: string }[];
    const chars = LIMITS.toolResultBytesMax;
    expect(kept[0]?.result.slice(0, chars - 10)).toBe(long.slice(0, chars - 10));
    expect(kept[0]?.result).toEndWith("more characters were read and not kept]");
    expect(kept.at(-1)?.result).toBe("[50000 more characters were read and not kept]");
    const all = kept.reduce((sum, { result }) => sum + result.length, 0);
    expect(all).toBeLessThan(LIMITS.toolResultsBytesMax + 30 * 100);
    const [, told] = streamed("tool") as { result: string }[];
    expect(told?.result.length).toBeLessThan(10_000);
  });
});

test("what it thought is kept and shown, and not given to the model again", async () => {
  const { send, agent, wait, texts } = setupRuns();
  const { runId } = await send("a", "one");
  const turn = await agent.started(1);
  turn.say({ type: "thinking", text: "hm" }, { type: "thinking", text: "m" });
  turn.say({ type: "text", text: "yes" }, { type: "thinking", text: "or" }, { type: "text", text: " no" });
  turn.end();
  await wait(runId);
  expect(texts("a").at(-1)).toBe("assistant: <hmm> yes <or>  no");
  await send("a", "two");
  expect((await agent.started(2)).said).toEqual(["user: one", "assistant: yes  no", "user: two"]);
});

describe("pictures", () => {
  const png = { mimeType: "image/png" as const, content: "iVBORw0KGgo=" };

  test("are named in the history, read by their id, and shown to the model", async () => {
    const { send, agent, answer, history, call, settings, sessions } = setupRuns();
    const attachments = [
      png,
      { ...png, content: `data:image/png;base64,${png.content}\n`, fileName: "x.png" },
    ];
    await send("a", "what is it", { attachments });
    const turn = await agent.started(1);
    const shown = { type: "image", mimeType: "image/png", data: png.content };
    expect(turn.turn.messages as unknown[]).toEqual([
      { role: "user", parts: [{ type: "text", text: "what is it" }, shown, shown] },
    ]);
    const [, image] = history("a")[0]?.content ?? [];
    expect(image).toMatchObject({ type: "image", mimeType: "image/png", bytes: 8 });
    const id = image?.type === "image" ? image.id : "";
    const { result } = await call("chat.image", { sessionKey: "a", id });
    expect(result).toEqual({ mimeType: "image/png", data: png.content });
    await send("b", "other");
    expect((await call("chat.image", { sessionKey: "b", id })).error?.code).toBe("not_found");
    await answer(turn, "a dot");
    await settings("a", { queueMode: "steer" });
    await send("a", "", { attachments: [png] });
    const next = await agent.started(3);
    expect(next.said.at(-1)).toBe("user: [image/png]");
    await send("a", "", { attachments: [png] });
    expect(next.turn.steered() as unknown[]).toEqual([{ role: "user", parts: [shown] }]);
    expect(sessions.find("a")?.title).toBe("what is it");
  });

  test("older ones than the last ten are only named", async () => {
    const { send, agent, answer } = setupRuns();
    for (let n = 1; n <= 3; n++) {
      await send("a", `${n}`, { attachments: [png, png, png, png] });
      if (n < 3) await answer(await agent.started(n), "ok");
    }
    const { said } = await agent.started(3);
    const images = said.map((line) => line.split("[image/png]").length - 1);
    expect(images).toEqual([2, 0, 4, 0, 4]);
    expect(said[0]).toContain("[a picture]");
  });

  test.each([
    "",
    "====",
    "A===",
    "AAA",
    "AAAA AAAA",
    "AA=A",
    "data:image/png;base64,",
    "ÄAAA",
    "A".repeat(99_999),
  ])("%p is no picture", async (content) => {
    const { send, history } = setupRuns();
    const refused = await failure(send("a", "hi", { attachments: [png, { ...png, content }] }));
    expect(refused).toMatchObject({
      code: "invalid_params",
      message: "Cannot send attachment 2: it is not base64",
    });
    expect(history("a")).toEqual([]);
  });

  test.each([
    ["image/png", "aGVsbG8gd29ybGQ="],
    ["image/jpeg", "iVBORw0KGgo="],
    ["image/gif", "R0lGODhhAAAA"],
    ["image/webp", "UklGRgAAAABXQVZFAAAA"],
  ] as const)("what is no %p is refused, and not left for its model to refuse", async (mimeType, content) => {
    const { send, history } = setupRuns();
    const refused = await failure(send("a", "hi", { attachments: [{ mimeType, content }] }));
    expect(refused).toMatchObject({
      code: "invalid_params",
      message: `Cannot send attachment 1: it is not of type ${mimeType}`,
    });
    expect(history("a")).toEqual([]);
  });

  test.each([
    ["image/jpeg", "/9j/4AAQ"],
    ["image/gif", "R0lGODlhAQABAIAA"],
    ["image/gif", "R0lGODdhAQABAIAA"],
    ["image/webp", "UklGRiR6AQBXRUJQVlA4IAAA"],
  ] as const)("a %p is one", async (mimeType, content) => {
    const { send } = setupRuns();
    expect(await send("a", "hi", { attachments: [{ mimeType, content }] })).toMatchObject({
      status: "started",
    });
  });

  test("too much of them is refused, and looking at them takes no time", async () => {
    const { send } = setupRuns();
    const half = { ...png, content: "iVBORw0KGgoA".padEnd(LIMITS.imagesCharsMax / 2, "A") };
    const much = await failure(send("a", "hi", { attachments: [half, half, png] }));
    expect(much).toMatchObject({
      code: "invalid_params",
      message: "Cannot send attachment 3: it is too much",
    });
    const hostile = { ...png, content: `${"A".repeat(LIMITS.imagesCharsMax - 4)}===!` };
    expect(await failure(send("a", "hi", { attachments: [hostile] }))).toMatchObject({
      code: "invalid_params",
    });
  });
});

type Step = { readonly event: AgentEvent } | "save" | "lose";

const text = fc.string({ minLength: 1, maxLength: 6, unit: "binary" });
const id = fc.constantFrom("1", "2", "3");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: text.map((said) => ({ event: { type: "text" as const, text: said } })) },
  { weight: 2, arbitrary: text.map((said) => ({ event: { type: "thinking" as const, text: said } })) },
  {
    weight: 1,
    arbitrary: fc.tuple(id, text).map(([call, name]) => ({
      event: { type: "tool_start" as const, id: call, name, args: "{}" },
    })),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(id, text, fc.boolean()).map(([call, said, isError]) => ({
      event: { type: "tool_result" as const, id: call, text: said, isError },
    })),
  },
  { weight: 3, arbitrary: fc.constant("save" as const) },
  { weight: 1, arbitrary: fc.constant("lose" as const) },
);

function hear(transcript: Transcript, event: AgentEvent): void {
  if (event.type === "text") transcript.text(event.text);
  if (event.type === "thinking") transcript.thinking(event.text);
  if (event.type === "tool_start") transcript.toolStarted(event);
  if (event.type === "tool_result") transcript.toolAnswered(event);
}

/** All before the first call that is open. */
function settledPart(content: readonly Content[], open: ReadonlySet<number>): Content[] {
  const end = content.findIndex((_part, place) => open.has(place));
  return content.slice(0, end < 0 ? content.length : end);
}

describe("pieces", () => {
  test("joined again are what had been said when the last one was written, whatever was lost between", () => {
    const check = (steps: readonly Step[]): void => {
      const transcript = new Transcript();
      let disk: Content[] = [];
      const said: { part: Content; call: string | undefined }[] = [];
      for (const one of steps) {
        if (typeof one === "object") {
          hear(transcript, one.event);
          note(said, one.event);
          continue;
        }
        const isAnew = transcript.takeAnew();
        const found = structuredClone(transcript.unsaved());
        if (one === "lose") {
          transcript.forgetSaved();
          continue;
        }
        disk = isAnew ? found : [...disk, ...found];
        const open = new Set(said.flatMap(({ call }, place) => (call === undefined ? [] : [place])));
        expect(joined(disk)).toEqual(
          settledPart(
            said.map(({ part }) => part),
            open,
          ),
        );
      }
      expect(transcript.content()).toEqual(said.map(({ part }) => part));
    };
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), check), { seed: 20_260_301, numRuns: 2_000 });
  });

  test("on the disk, after a kill in the middle of an answer", async () => {
    const { send, agent, time, path, texts, writer, refuse } = setupRuns();
    const { runId } = await send("a", "one");
    const turn = await agent.started(1);
    const save = async () => {
      await nextTurn();
      time.advance(LIMITS.piecesMs);
      await writer.settled();
    };
    /** What a gateway would find that starts now. */
    const onDisk = () => {
      const db = openDatabase(path);
      const journal = new Journal(db, createCountingCrypto());
      try {
        return db.transaction(() => {
          const [run] = journal.openRuns();
          if (run) journal.interrupt(run, 1);
          const { messages } = journal.page(run?.sessionDbId ?? "", { limit: 10, start: 0 });
          throw Object.assign(new Error("only looked at"), { found: lines(messages).at(-1) });
        });
      } catch (error) {
        return (error as { found?: string }).found;
      } finally {
        db.close();
      }
    };
    turn.say({ type: "thinking", text: "hm" }, { type: "text", text: "it " });
    await save();
    expect(onDisk()).toBe("assistant: <hm> it  (interrupted)");
    turn.say({ type: "text", text: "is" }, { type: "tool_start", id: "1", name: "f", args: "{}" });
    await save();
    expect(onDisk()).toBe("assistant: <hm> it is (interrupted)");
    turn.say({ type: "tool_result", id: "1", text: "done", isError: false }, { type: "text", text: "so" });
    refuse("full");
    await save();
    expect(onDisk()).toBe("assistant: <hm> it is (interrupted)");
    refuse(undefined);
    await save();
    expect(onDisk()).toBe("assistant: <hm> it is [f: done] so (interrupted)");
    turn.say({ type: "text", text: " not written" });
    await nextTurn();
    expect(onDisk()).toBe("assistant: <hm> it is [f: done] so (interrupted)");

    const after = setupRuns({ path });
    expect(after.recover()).toEqual([runId]);
    expect(after.texts("a")).toEqual(["user: one", "assistant: <hm> it is [f: done] so (interrupted)"]);
    expect(after.db.prepare("SELECT count(*) AS n FROM pieces").get()).toEqual({ n: 0 });
    expect(texts("a")).toHaveLength(2);
  });

  test("are gone when the run has ended, and cost nothing while nothing is said", async () => {
    const { send, agent, answer, time, db, writer } = setupRuns();
    await send("a", "one");
    const turn = await agent.started(1);
    turn.say({ type: "text", text: "some" });
    await nextTurn();
    for (let n = 0; n < 5; n++) {
      time.advance(LIMITS.piecesMs);
      await writer.settled();
    }
    const count = () => db.prepare("SELECT count(*) AS n FROM pieces").get()?.["n"];
    expect(count()).toBe(1);
    await answer(turn, " more");
    expect(count()).toBe(0);
    expect(time.pending()).toBe(0);
  });
});

/** What a transcript should be, the plain way. */
function note(said: { part: Content; call: string | undefined }[], event: AgentEvent): void {
  const last = said.at(-1);
  if (event.type === "text" || event.type === "thinking") {
    if (last?.part.type === event.type)
      said[said.length - 1] = {
        part: { type: event.type, text: last.part.text + event.text },
        call: undefined,
      };
    else said.push({ part: { type: event.type, text: event.text }, call: undefined });
  }
  if (event.type === "tool_start") {
    const { id: call, name, args } = event;
    // One of the same name is never answered, and waits for nothing.
    for (const one of said) if (one.call === call) one.call = undefined;
    said.push({ part: { type: "tool_call", id: call, name, args }, call });
  }
  if (event.type === "tool_result") {
    const open = said.findLast(({ call }) => call === event.id);
    if (!open || open.part.type !== "tool_call") return;
    open.part = { ...open.part, result: event.text, ...(event.isError && { isError: true }) };
    open.call = undefined;
  }
}
