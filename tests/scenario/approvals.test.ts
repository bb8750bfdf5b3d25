import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { stdioServer } from "../support/mcp-tools.ts";
import { type OpenAiServer, startOpenAiServer } from "../support/openai-server.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, type Program, runProgram, startProgram } from "./program.ts";

// A person's yes and no, typed: in a conversation, on another terminal, and on the command line.

setDefaultTimeout(30_000);

let home: string;
let models: OpenAiServer;

beforeEach(async () => {
  home = tempDir();
  models = await startOpenAiServer();
});
afterEach(async () => {
  await endPrograms();
  await models.stop();
});

/** A gateway whose agent has tools and has to ask about one of them. */
async function startGateway(more: object = {}): Promise<Program> {
  await mkdir(`${home}/.clawdbot`, { recursive: true });
  const config = {
    agents: { defaults: { model: "t/m" } },
    models: { providers: { t: { baseUrl: models.url } } },
    mcp: { servers: { s: stdioServer() } },
    tools: { approve: ["s__echo"] },
    ...more,
  };
  await Bun.write(`${home}/.clawdbot/moltbot.json`, JSON.stringify(config));
  const program = startProgram(["run", "--port", "0"], { home });
  await program.until(/url=http:\/\/127\.0\.0\.1:(\d+)/);
  return program;
}

const gateway = (...args: string[]) => runProgram(args, { home });

async function startChat(): Promise<Program> {
  const chat = startProgram(["chat"], { home, terminal: true });
  await chat.until(/> $/);
  return chat;
}

/** The model wants this tool and then says this. */
function script(text: string, said = "hello", name = "s__echo"): void {
  models.queue(
    { kind: "answer", toolCalls: [{ id: "call_1", name, args: JSON.stringify({ said }) }] },
    { kind: "answer", text: [text] },
  );
}

/** What came of the tools, as the model was told at its last call. */
function toolAnswers(): string[] {
  const { messages = [] } = models.requests.at(-1) ?? {};
  return messages.flatMap(({ role, content }) => (role === "tool" ? [content] : []));
}

const QUESTION = /call tool "s__echo"\r\n {2}\{"said":"hello"\}\r\nAllow it\? y: once, a: always/;

describe("in a conversation", () => {
  test("y, n and a: once, no, and always in this session", async () => {
    await startGateway();
    const chat = await startChat();
    script("Yes.");
    chat.type("one\n");
    await chat.until(QUESTION);
    chat.type("perhaps\n");
    await chat.until(/perhaps\r\nAllow it\?/);
    chat.type("y\n");
    await chat.until(/Yes\.\r\n> $/);
    expect(toolAnswers()).toEqual(["hello"]);

    script("No.");
    let from = chat.out().length;
    chat.type("two\n");
    await chat.until(QUESTION, from);
    chat.type("n\n");
    await chat.until(/No\.\r\n> $/, from);
    expect(toolAnswers().at(-1)).toBe("denied by a person");

    script("Always.");
    from = chat.out().length;
    chat.type("three\n");
    await chat.until(QUESTION, from);
    chat.type("a\n");
    await chat.until(/Always\.\r\n> $/, from);
    script("Again.");
    from = chat.out().length;
    chat.type("four\n");
    await chat.until(/Again\.\r\n> $/, from);
    expect(chat.out().slice(from)).not.toContain("Allow it?");
    expect(toolAnswers().at(-1)).toBe("hello");
  });

  test("what another terminal has answered is said, and the prompt comes back there", async () => {
    await startGateway();
    const one = await startChat();
    const two = await startChat();
    script("Done.");
    one.type("do it\n");
    // On a line of its own, not behind the prompt.
    await two.until(/> \r\ncall tool "s__echo"\r\n {2}\{"said":"hello"\}\r\nAllow it\?/);
    two.type("y\n");
    await one.until(/Allow it\?.*\r\nIt was allowed elsewhere\r\nDone\.\r\n> $/);
    await two.until(/y\r\n> $/);
    two.type("and you?\n");
    await two.until(/Heard: and you\?\r\n> $/);
  });

  test("a question that nobody has answered in time is over, and said to be", async () => {
    await startGateway({ approvals: { timeoutSeconds: 5 } });
    const chat = await startChat();
    script("Then not.");
    chat.type("do it\n");
    await chat.until(/Nobody answered in time, which is a no\r\nThen not\.\r\n> $/);
    chat.type("\u0004");
    expect(await chat.exited).toBe(0);
  });

  test("one can leave with a question open, which the next conversation and the command line see", async () => {
    await startGateway();
    const chat = await startChat();
    script("Done.");
    chat.type("do it\n");
    await chat.until(QUESTION);
    chat.type("/quit\n");
    expect(await chat.exited).toBe(0);
    const next = startProgram(["chat"], { home, terminal: true });
    await next.until(/\/help shows[^]*Allow it\? .*\r\n$/);
    const { out } = await gateway("approvals");
    const [, id = ""] = /^([\w-]{22}) {2}agent:main:main {2}denied in .+ unless/.exec(out) ?? [];
    expect(out).toContain('\n  call tool "s__echo"\n    {"said":"hello"}\n');
    expect(await gateway("approvals", "allow", id)).toMatchObject({
      code: 0,
      out: 'allow_once: call tool "s__echo"\n',
    });
    await next.until(/It was allowed elsewhere\r\n> $/);
    expect((await gateway("approvals", "deny", id)).err).toContain("it is decided already");
    expect((await gateway("approvals", "list", "--all")).out).toContain(
      `${id}  agent:main:main  allow_once by `,
    );
  });

  test("Ctrl-C stops a tool that does not end, and the conversation goes on", async () => {
    await startGateway({ tools: { approve: ["s__hang"] } });
    const chat = await startChat();
    script("never said", "hello", "s__hang");
    chat.type("wait\n");
    await chat.until(/Allow it\?/);
    chat.type("y\n");
    await chat.until(/y\r\n$/);
    chat.type("\u0003");
    await chat.until(/The answer was stopped\r\n> $/);
    chat.type("/retry\n");
    // What the model would have said after the tool.
    await chat.until(/never said\r\n> $/);
    expect(toolAnswers()).toEqual([]);
  });
});

test("the command line says how it wants to be called", async () => {
  const misuse = "Cannot do that with approvals: there are list, and allow, always or deny with an ID";
  for (const words of [["allow"], ["list", "x"], ["grant"], ["grant", "x"]]) {
    const { code, out, err } = await gateway("approvals", ...words);
    expect([code, out, err.split("\n")[0]]).toEqual([2, "", misuse]);
  }
  await startGateway();
  expect(await gateway("approvals")).toEqual({ code: 0, out: "Nothing waits for a yes\n", err: "" });
  expect(await gateway("approvals", "allow", "none")).toEqual({
    code: 1,
    out: "",
    err: 'Cannot resolve approval "none": there is none\n',
  });
});
