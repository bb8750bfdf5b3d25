import { afterEach, describe, expect, test } from "bun:test";
import { sending, startTurn, type TurnEnd } from "../../../src/cli/turn.ts";
import { createGatewayClient, type GatewayClient } from "../../../src/client/mod.ts";
import { greeting, type Line, type Peer, type Script, startPeer } from "../client/peer.ts";

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const COMMON = { runId: "r1", sessionKey: "s" };
const message = (text: string) => ({
  id: "1",
  role: "assistant",
  content: [{ type: "text", text }],
  ts: 1,
  runId: "r1",
});

let seq = 0;

function chat(line: Line, event: Record<string, unknown>): void {
  line.send({ event: "chat", seq: ++seq, ...COMMON, ...event });
}

const delta = (line: Line, offset: number, text: string): void =>
  chat(line, { state: "delta", offset, delta: text });
const final = (line: Line, text: string): void => chat(line, { state: "final", message: message(text) });

type Run = {
  readonly text: string[];
  /** What was said beside the answer. */
  readonly notes: string[];
  readonly end: Promise<TurnEnd>;
  abort(): void;
};

async function begin(script: Script): Promise<{ peer: Peer; client: GatewayClient; run: Run }> {
  const peer = startPeer(script);
  cleanups.push(() => peer.stop());
  const client = createGatewayClient({
    url: peer.url,
    reconnect: { initialMs: 1, maxMs: 10, giveUpMs: 500 },
  });
  cleanups.push(() => client.close());
  await client.connect();
  const text: string[] = [];
  const notes: string[] = [];
  const { end, abort } = startTurn({
    client,
    sessionKey: "s",
    send: sending({ client, sessionKey: "s", message: "m" }),
    message: "m",
    onText: (piece) => text.push(piece),
    onNote: (note) => notes.push(note),
  });
  return { peer, client, run: { text, notes, end, abort } };
}

/** Answers `chat.send`, then lets the run speak. */
function speaking(speak: (line: Line) => void, status = "started"): Script {
  return {
    request: ({ id, method }, line) => {
      if (method !== "chat.send") return;
      line.send({ id, result: { runId: "r1", status } });
      speak(line);
    },
  };
}

describe("the text of a run", () => {
  test.each([
    [
      "in pieces",
      [
        [0, "He"],
        [2, "llo"],
      ],
      "Hello",
      ["He", "llo"],
    ],
    [
      "in pieces that overlap",
      [
        [0, "Hel"],
        [1, "ello"],
      ],
      "Hello",
      ["Hel", "lo"],
    ],
    [
      "with a piece twice",
      [
        [0, "He"],
        [0, "He"],
      ],
      "Hello",
      ["He", "llo"],
    ],
    [
      "with a piece missing",
      [
        [0, "He"],
        [4, "o"],
      ],
      "Hello",
      ["He", "llo"],
    ],
    ["without pieces", [], "Hello", ["Hello"]],
    ["empty", [], "", []],
  ] as [string, [number, string][], string, string[]][])("%s", async (_, pieces, whole, shown) => {
    const { run } = await begin(
      speaking((line) => {
        for (const [offset, text] of pieces) delta(line, offset, text);
        final(line, whole);
      }),
    );
    const { runId, status, problem } = await run.end;
    expect([runId, status, problem]).toEqual(["r1", "ok", undefined]);
    expect(run.text).toEqual(shown);
  });

  test("that comes before the run is known, and beside another's", async () => {
    const { run } = await begin({
      request: ({ id }, line) => {
        delta(line, 0, "He");
        chat(line, { runId: "other", state: "final", message: message("Not this") });
        line.send({ id, result: { runId: "r1", status: "queued" } });
        final(line, "Hello");
      },
    });
    await run.end;
    expect(run.text).toEqual(["He", "llo"]);
    expect(run.notes).toEqual(["This message waits: others are answered first"]);
  });

  test.each([
    ["in time", "r1", ["Both"], []],
    ["too late", "r2", ["First", "Mine"], ["It came too late to join: this is its own answer"]],
  ])("of a message that joins an answer, %s", async (_, own, text, notes) => {
    const { run } = await begin({
      request: ({ id, method }, line) => {
        if (method === "chat.send") {
          line.send({ id, result: { runId: "r1", status: "steered" } });
          final(line, text[0] ?? "");
        } else if (method === "chat.history") {
          line.send({
            id,
            result: { sessionKey: "s", messages: [{ ...message("m"), role: "user", runId: own }] },
          });
        } else {
          line.send({ id, result: { runId: own, status: "timeout" } });
          chat(line, { runId: own, state: "final", message: { ...message("Mine"), runId: own } });
        }
      },
    });
    expect(await run.end).toMatchObject({ runId: own, status: "ok" });
    expect(run.text).toEqual(text);
    expect(run.notes).toEqual(["This message joins the answer that is being given", ...notes]);
  });

  test.each([
    ["started", []],
    ["joined", ["This message waits, and is answered together with others"]],
  ])("of a message that is %s", async (status, notes) => {
    const { run } = await begin(speaking((line) => final(line, "Hello"), status));
    await run.end;
    expect([run.text, run.notes]).toEqual([["Hello"], notes]);
  });
});

describe("other ends", () => {
  test.each([
    ["a word that stops what goes on", "stopped", "The answer is stopped"],
    ["a word that begins the session anew", "reset", "It begins anew"],
  ])("%s: there is nothing to wait for", async (_, status, note) => {
    const { run } = await begin({
      request: ({ id }, line) => line.send({ id, result: { runId: "r1", status } }),
    });
    expect(await run.end).toEqual({ runId: "r1", status: "ok" });
    expect([run.text, run.notes]).toEqual([[], [note]]);
  });

  test.each([
    [{ state: "error", error: { code: "busy", message: "Cannot do it" } }, "error", "Cannot do it"],
    [{ state: "aborted", reason: "request" }, "aborted", "The answer was stopped"],
    [{ state: "aborted", reason: "timeout" }, "aborted", "The answer was stopped: it took too long"],
    [
      { state: "aborted", reason: "shutdown" },
      "interrupted",
      "The answer was cut off: the gateway is stopping",
    ],
    [
      { state: "aborted", reason: "interrupted" },
      "aborted",
      "The answer was stopped: another message took its place",
    ],
    [{ state: "aborted", reason: "reset" }, "aborted", "The answer was stopped: the session begins anew"],
  ] as const)("%p", async (event, status, problem) => {
    const { run } = await begin(speaking((line) => chat(line, { ...event, message: message("Part") })));
    expect(await run.end).toMatchObject({ status, problem });
    expect(run.text).toEqual(["Part"]);
  });

  test("a message that is refused", async () => {
    const { run } = await begin({
      request: ({ id }, line) => line.send({ id, error: { code: "busy", message: "Cannot send: full" } }),
    });
    expect(await run.end.catch((error: unknown) => error)).toMatchObject({ code: "busy" });
  });

  test("a gateway that is gone for good", async () => {
    const { run, peer } = await begin(speaking((line) => line.cut()));
    void peer.stop();
    expect(await run.end.catch((error: unknown) => error)).toMatchObject({ code: "unavailable" });
  });

  test("an abort, asked for before the run is known too", async () => {
    const script: Script = {
      request: ({ id, method }, line) => {
        if (method === "chat.send") return line.send({ id, result: { runId: "r1", status: "started" } });
        line.send({ id, result: { aborted: true, runIds: ["r1"] } });
        chat(line, { state: "aborted", reason: "request" });
      },
    };
    const { run, peer } = await begin(script);
    run.abort();
    expect(await run.end).toMatchObject({ status: "aborted" });
    const aborts = peer.sent.filter(({ method }) => method === "chat.abort");
    expect(aborts.map(({ params }) => params)).toEqual([{ sessionKey: "s", runId: "r1" }]);
  });
});

describe("a connection that breaks", () => {
  test("before the message is acknowledged: it is sent again under the same key", async () => {
    const { run, peer } = await begin({
      request: ({ id }, line) => {
        if (line.number < 3) return line.cut();
        line.send({ id, result: { runId: "r1", status: "started" } });
        final(line, "Hello");
      },
    });
    expect(await run.end).toMatchObject({ status: "ok" });
    const keys = peer.sent
      .filter(({ method }) => method === "chat.send")
      .map(({ params }) => params.idempotencyKey);
    expect(keys.length).toBe(3);
    expect(new Set(keys).size).toBe(1);
  });

  test("and whose events are replayed", async () => {
    const { run, peer } = await begin({
      connect: (_, line) => {
        if (line.number === 1) return { result: greeting() };
        queueMicrotask(() => final(line, "Hello"));
        return { result: greeting({ resume: { epoch: "e1", seq: seq + 1, replayed: 1, resync: false } }) };
      },
      request: ({ id }, line) => {
        line.send({ id, result: { runId: "r1", status: "started" } });
        delta(line, 0, "He");
        line.close(1012, "restart");
      },
    });
    expect(await run.end).toMatchObject({ status: "ok" });
    expect([run.text, peer.lines.length]).toEqual([["He", "llo"], 2]);
  });

  test.each([
    [{ status: "ok" }, { status: "ok", problem: undefined }],
    [
      { status: "interrupted" },
      { status: "interrupted", problem: "The answer was cut off: the gateway was restarted" },
    ],
    [
      { status: "error", error: { code: "busy", message: "Cannot do it" } },
      { status: "error", problem: "Cannot do it" },
    ],
  ])("and whose events are lost: the run's end is asked for (%#)", async (ended, expected) => {
    const { run } = await begin({
      connect: (_, line) => {
        const epoch = `e${line.number}`;
        return { result: greeting({ resume: { epoch, seq: 0, replayed: 0, resync: line.number > 1 } }) };
      },
      request: ({ id, method }, line) => {
        if (method === "chat.send") {
          line.send({ id, result: { runId: "r1", status: "started" } });
          delta(line, 0, "He");
          line.close(1012, "restart");
        } else if (method === "agent.wait") line.send({ id, result: { runId: "r1", ...ended } });
        else line.send({ id, result: { sessionKey: "s", messages: [message("Hello")] } });
      },
    });
    expect(await run.end).toMatchObject(expected);
    expect(run.text).toEqual(["He", "llo"]);
  });

  test("and whose events are lost while the run goes on", async () => {
    const { run } = await begin({
      ...speaking((line) => line.send({ event: "resync", seq: ++seq, from: 0, to: 1, dropped: 1 })),
      request: ({ id, method }, line) => {
        if (method === "chat.send") {
          line.send({ id, result: { runId: "r1", status: "started" } });
          line.send({ event: "resync", seq: ++seq, from: 0, to: 1, dropped: 1 });
          return;
        }
        line.send({ id, result: { runId: "r1", status: "timeout" } });
        final(line, "Hello");
      },
    });
    expect(await run.end).toMatchObject({ status: "ok" });
    expect(run.text).toEqual(["Hello"]);
  });
});
