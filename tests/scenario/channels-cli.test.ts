/** Channels from the command line: how they are, and who may write. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writePlugin } from "../support/plugin.ts";
import { tempDir } from "../support/temp.ts";
import { endPrograms, runProgram, startProgram } from "./program.ts";

afterEach(endPrograms);
setDefaultTimeout(60_000);

/** A channel on which a stranger writes as soon as it is connected; answers are in its log. */
const PIGEON = `
import { definePlugin } from "gateway/plugin";

export default definePlugin({
  id: "pigeon",
  apiVersion: 1,
  start(ctx) {
    ctx.channel({
      id: "pigeon",
      label: "Carrier pigeons",
      accounts: [
        {
          id: "default",
          name: "Roof",
          policy: { direct: "pairing", allowFrom: [], group: "disabled", groups: {} },
        },
      ],
      async run(account, link) {
        link.status({ state: "connected" });
        const sender = { id: "ada", name: "Ada" };
        const received = await link.receive({ chatId: "ada", messageId: "1", sender, isGroup: false, text: "hi" });
        ctx.log.info("first message " + received);
        await new Promise((resolve) => link.signal.addEventListener("abort", resolve));
      },
      async send({ to }) {
        ctx.log.info("sent to " + to);
        return {};
      },
    });
    return { handlers: {} };
  },
});
`;

test("a stranger is let in by the code, and made one again", async () => {
  const home = tempDir();
  mkdirSync(join(home, ".clawdbot"), { mode: 0o700 });
  writePlugin(join(home, ".clawdbot/plugins/pigeon"), {
    manifest: { id: "pigeon", version: "1.0.0", apiVersion: 1, channels: ["pigeon"] },
    code: PIGEON,
  });
  const config = { gateway: { port: 0 }, plugins: { entries: { pigeon: { enabled: true } } } };
  writeFileSync(join(home, ".clawdbot/moltbot.json"), JSON.stringify(config), { mode: 0o600 });
  const env = { OLLAMA_HOST: "127.0.0.1:9" };
  const gateway = startProgram(["run"], { home, env });
  await gateway.until(/first message pairing/);
  await gateway.until(/sent to ada/);
  const channels = (...args: string[]) => runProgram(["channels", ...args], { home });

  expect((await channels("status")).out).toMatch(
    /^Carrier pigeons \(pigeon\)\n {2}default Roof {2}connected/,
  );
  const { out: waiting } = await channels("pairing");
  const [, code = ""] =
    /^pigeon\/default {2}Ada \(ada\) {2}waits with the code (\w+), for /.exec(waiting) ?? [];
  expect(code, waiting).not.toBe("");
  expect(await channels("pairing", "approve", "WRONG123")).toMatchObject({ code: 1, out: "" });
  expect(await channels("pairing", "approve", code)).toMatchObject({
    code: 0,
    out: "Ada (ada) may write on pigeon\n",
  });
  expect((await channels("pairing", "list")).out).toBe("pigeon/default  Ada (ada)  may write\n");
  expect(await channels("pairing", "remove", "pigeon", "ada")).toMatchObject({
    code: 0,
    out: "ada is a stranger on pigeon again\n",
  });
  expect((await channels("pairing")).out).toBe("Nobody waits, and nobody was let in\n");
  expect((await channels("pairing", "remove", "pigeon", "ada")).code).toBe(1);
  expect((await channels("pairing", "approve")).code).toBe(2);
  // What would change nothing is not taken as if it did.
  expect((await channels("pairing", "approve", code, "--account", "roof")).code).toBe(2);
  expect((await channels("pairing", "remove", "pigeon", "ada", "--channel", "dove")).code).toBe(2);
});
