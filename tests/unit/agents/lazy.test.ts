import { expect, test } from "bun:test";
import { startOpenAiServer } from "../../support/openai-server.ts";

const RUNTIME = new URL("../../../src/agents/runtime.ts", import.meta.url).pathname;
const DETECT = new URL("../../../src/agents/detect.ts", import.meta.url).pathname;

/** Runs in its own process: what is loaded after importing, after opening, after the first prompts. */
const PROGRAM = `
  const { createRunner } = await import(${JSON.stringify(RUNTIME)});
  const { createDetector } = await import(${JSON.stringify(DETECT)});
  const loaded = (name) => Object.keys(require.cache).some((path) => path.includes("/node_modules/" + name + "/"));
  const timers = { after: (ms, work) => { const t = setTimeout(work, ms); return () => clearTimeout(t); } };
  const clock = { now: Date.now, elapsed: () => performance.now() };
  const url = process.env.TEST_URL;
  const providers = { test: { baseUrl: url }, other: { baseUrl: url, api: "anthropic-messages" } };
  const config = () => ({ models: { providers } });
  const detect = createDetector({ env: {}, fetch, timers, ollamaUrl: new URL(url).origin });
  const tools = { open: async () => ({ specs: [] }) };
  const log = { warn() {} };
  const runner = createRunner({
    plugins: { has: () => false },
    config,
    env: {},
    detect,
    fetch,
    timers,
    clock,
    log,
    tools,
    acp: {},
  });
  const open = (...models) => runner.open({ sessionKey: "s", models, tools: {} });
  const messages = [{ role: "user", parts: [{ type: "text", text: "hello" }] }];
  const turn = { runId: "r", messages, steered: () => [] };
  const say = async (runtime) => {
    const texts = [];
    try {
      for await (const { text } of runtime.prompt(turn, new AbortController().signal)) texts.push(text);
    } catch (error) { texts.push(error.code); }
    return texts.join("");
  };
  const [echo, test, other] = [await open(), await open("test/m"), await open("other/m")];
  const both = () => [loaded("openai"), loaded("@anthropic-ai/sdk")];
  const lines = [await say(echo), both(), await say(test), both(), await say(other), both()];
  console.log(JSON.stringify(lines));
`;

test("each library is loaded by the first prompt that needs it, not before", async () => {
  const server = await startOpenAiServer();
  const child = Bun.spawn([process.execPath, "--eval", PROGRAM], {
    env: { ...process.env, TEST_URL: server.url },
    stderr: "inherit",
  });
  const output = await new Response(child.stdout).text();
  await server.stop();
  expect(JSON.parse(output)).toEqual([
    "You said: hello",
    [false, false],
    "Heard: hello",
    [true, false],
    "not_found",
    [true, true],
  ]);
});
