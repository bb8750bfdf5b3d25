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

  test("PROBE two terminals", async () => {
    await startGateway();
    const one = await startChat();
    const two = await startChat();
    script("Done.");
    one.type("do it\n");
    await one.until(QUESTION);
    await two.until(/Allow it/);
    two.type("y\n");
    await one.until(/Done\.\r\n> $/);
    await Bun.sleep(300);
    one.type("y\n");
    await Bun.sleep(1000);
    console.log(JSON.stringify(one.out())); console.log(JSON.stringify(two.out()));
    // question, quit
    script("Done.");
    one.type("again\n");
    await Bun.sleep(500);
    one.type("/quit\n");
    await Bun.sleep(300);
    one.type("\u0003");
    await Bun.sleep(300);
    console.log(JSON.stringify(one.out())); console.log(JSON.stringify(two.out()));
  });

  test("PROBE hang", async () => {
    await startGateway();
    const one = await startChat();
    script("Done.", "x", "s__hang");
    one.type("do it\n");
    await Bun.sleep(1500);
    const t = performance.now();
    one.type("\u0003");
    await one.until(/stopped/);
    console.log("stop took", performance.now() - t);
    await Bun.sleep(300);
    one.type("/retry\n");
    await Bun.sleep(1000);
    one.type("/new\n");
    await Bun.sleep(500);
    one.type("/new\n");
    await Bun.sleep(500);
    one.type("/retry\n");
    await Bun.sleep(500);
    console.log(JSON.stringify(one.out()));
    for (const args of [["approvals","allow"],["approvals","list","x"],["approvals","foo"],["approvals","foo","bar"],["approvals","allow","nope"],["approvals","allow","a","b"],["approvals"],["approvals","list","--all"],["approvals","--all","--json"]]) console.log(args, await gateway(...args));
  });
});
