import { expect, test } from "bun:test";
import { startOpenAiServer } from "../../support/openai-server.ts";

const RUNTIME = new URL("../../../src/agents/runtime.ts", import.meta.url).pathname;
const DETECT = new URL("../../../src/agents/detect.ts", import.meta.url).pathname;

/** Runs in its own process: what is loaded after importing, after opening, after the first prompt. */
const PROGRAM = `
  const { createRunner } = await import(${JSON.stringify(RUNTIME)});
  const { createDetector } = await import(${JSON.stringify(DETECT)});
  const loaded = () => Object.keys(require.cache).filter((path) => path.includes("/node_modules/openai/")).length;
  const timers = { after: (ms, work) => { const t = setTimeout(work, ms); return () => clearTimeout(t); } };
  const clock = { now: Date.now, elapsed: performance.now };
  const config = () => ({ models: { providers: { test: { baseUrl: process.env.TEST_URL } } } });
  const detect = createDetector({ env: {}, fetch, timers, ollamaUrl: new URL(process.env.TEST_URL).origin });
  const runner = createRunner({ config, env: {}, detect, fetch, timers, clock });
  const echo = (await runner.open([])).runtime;
  const turn = { runId: "r", sessionKey: "s", messages: [{ role: "user", text: "hello" }] };
  const say = async (runtime) => {
    const texts = [];
    for await (const { text } of runtime.prompt(turn, new AbortController().signal)) texts.push(text);
    return texts.join("");
  };
  const { runtime } = await runner.open(["test/m"]);
  console.log(JSON.stringify([await say(echo), loaded(), await say(runtime), loaded() > 0]));
`;

test("the library is loaded by the first prompt that needs it, not before", async () => {
  const server = await startOpenAiServer();
  const child = Bun.spawn([process.execPath, "--eval", PROGRAM], {
    env: { ...process.env, TEST_URL: server.url },
    stderr: "inherit",
  });
  const output = await new Response(child.stdout).text();
  await server.stop();
  expect(JSON.parse(output)).toEqual(["You said: hello", 0, "Heard: hello", true]);
});
