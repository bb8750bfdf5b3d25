// Seven plugins that mean harm, and an honest one among them: the gateway goes on, and names each.
import { afterEach, beforeEach, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writePlugin } from "../support/plugin.ts";
import { createGatewayClient } from "../../src/client/mod.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, startProgram } from "./program.ts";

afterEach(endPrograms);
setDefaultTimeout(180_000);

const TOKEN = "the-token-of-this-test-0123456789";

const spec = (id: string, start: string, rest = ""): string => `
  import { definePlugin, event, z } from "gateway/plugin";
  ${rest}
  export default definePlugin({ id: "${id}", apiVersion: 1,
    events: { "${id}.noise": event({ scope: "read", delivery: "latest", summary: "Noise", data: () => z.strictObject({ n: z.int() }) }) },
    start(ctx) { ${start} return { handlers: {} }; } });
`;

/** What each does, and the words it is reported with. */
const HOSTILE: Readonly<Record<string, { readonly code: string; readonly words: RegExp }>> = {
  throws: { code: "throw new Error('thrown at load');", words: /thrown at load/ },
  rejects: {
    code: spec("rejects", "setTimeout(() => Promise.reject(new Error('rejected later')), 200);"),
    words: /rejected later/,
  },
  spins: {
    code: spec("spins", "setTimeout(() => { for (;;); }, 300);"),
    words: /^its process did not answer for 5 s$/,
  },
  exits: {
    code: spec(
      "exits",
      "setTimeout(() => own.reallyExit(7), 400);",
      // Not the `process` that it is given, which refuses this.
      'import own from "node:process";',
    ),
    words: /^its process ended with exit code 7$/,
  },
  hoards: {
    code: spec(
      "hoards",
      "const kept = []; setInterval(() => { kept.push(new Uint8Array(64 * 1024 * 1024).fill(1)); }, 20);",
    ),
    words: /^its process used more than 512 MiB$/,
  },
  stalls: { code: spec("stalls", "return new Promise(() => {});"), words: /within 10 s/ },
  floods: {
    code: spec(
      "floods",
      `setInterval(() => {
         for (let n = 0; n < 1000; n++) {
           console.log("x".repeat(1000));
           try { ctx.publish("floods.noise", { n }); } catch (error) { ctx.log.info(String(error)); }
         }
       }, 10);`,
    ),
    words: /200 events a second/,
  },
};

const HONEST = `
  import { definePlugin, method, z } from "gateway/plugin";
  const nothing = () => z.strictObject({});
  export default definePlugin({ id: "honest", apiVersion: 1,
    methods: {
      "honest.ask": method({ scope: "read", summary: "Asks", params: nothing, result: () => z.looseObject({}) }),
    },
    start: () => ({ handlers: { "honest.ask": () => ({ ok: true }) } }) });
`;

let home: string;

beforeEach(() => {
  home = tempDir();
  mkdirSync(join(home, ".clawdbot"), { mode: 0o700 });
  for (const [id, { code }] of Object.entries({ ...HOSTILE, honest: { code: HONEST } }))
    writePlugin(join(home, ".clawdbot/plugins", id), { manifest: { id, apiVersion: 1 }, code });
});

test("seven hostile plugins in processes of plugins", async () => {
  const ids = [...Object.keys(HOSTILE), "honest"];
  const entries = Object.fromEntries(ids.map((id) => [id, { enabled: true }]));
  const config = {
    gateway: { port: 0, auth: { token: TOKEN } },
    agents: { defaults: { model: "echo/echo" } },
    plugins: { entries },
  };
  writeFileSync(join(home, ".clawdbot/moltbot.json"), JSON.stringify(config), { mode: 0o600 });
  const program = startProgram(["run"], { home, env: { OLLAMA_HOST: "127.0.0.1:9" } });
  const [, url = ""] = await program.until(/gateway listening url=(http:\/\/127\.0\.0\.1:\d+)/);
  const client = createGatewayClient({ url: `${url.replace(/^http/, "ws")}/ws`, token: TOKEN });
  onTestFinished(() => client.close());
  await client.connect();

  const reports = new Map<string, string>();
  const reported = Promise.withResolvers<void>();
  client.on("plugins.changed", ({ id, state, error = "" }) => {
    if (state !== "failed" || !HOSTILE[id]?.words.test(error)) return;
    reports.set(id, `${id}: ${error}`);
    if (reports.size === Object.keys(HOSTILE).length) reported.resolve();
  });
  let isOver = false;
  const slowest = (async () => {
    let ms = 0;
    while (!isOver) {
      const begun = performance.now();
      await client.call("health");
      ms = Math.max(ms, performance.now() - begun);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return ms;
  })();
  const late = setTimeout(() => {
    const missing = Object.keys(HOSTILE).filter((id) => !reports.has(id));
    reported.reject(
      new Error(`not reported: ${missing.join(", ")}; were: ${[...reports.values()].join("; ")}`),
    );
  }, 120_000);
  await reported.promise.finally(() => clearTimeout(late));
  isOver = true;
  console.log([`slowest answer to health: ${(await slowest).toFixed(1)} ms`, ...reports.values()].join("\n"));
  expect(await client.request("honest.ask", {})).toEqual({ ok: true });
  const { plugins } = await client.call("plugins.list");
  expect(plugins.find(({ id }) => id === "honest")?.state).toBe("running");
});
