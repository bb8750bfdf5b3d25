import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A plugin that greets, says how often, and tells everybody. */
export const HELLO = `
import { definePlugin, effect, event, method, z } from "gateway/plugin";
import { WORD } from "./word.ts";

enum Mark { Calm = ".", Loud = "!" }
let times = 0;

export default definePlugin({
  id: "hello",
  apiVersion: 1,
  config: () => z.strictObject({ loud: z.boolean().default(false) }),
  methods: {
    "hello.greet": method({
      scope: "read",
      summary: "Greets somebody",
      params: () => z.strictObject({ name: z.string().max(100) }),
      result: () => z.strictObject({ text: z.string(), times: z.int() }),
    }),
    "hello.shout": effect({
      scope: "write",
      summary: "Tells everybody",
      params: () => z.strictObject({}),
      result: () => z.strictObject({ ok: z.boolean() }),
    }),
  },
  events: {
    "hello.shouted": event({
      scope: "read",
      delivery: "must",
      summary: "Somebody shouted",
      data: () => z.strictObject({ word: z.string() }),
    }),
  },
  start(ctx) {
    ctx.onStop(() => ctx.log.info("said goodbye", { times }));
    return {
      handlers: {
        "hello.greet": ({ name }) => {
          times += 1;
          return { text: WORD + ", " + name + (ctx.config().loud ? Mark.Loud : Mark.Calm), times };
        },
        "hello.shout": () => {
          ctx.publish("hello.shouted", { word: WORD });
          return { ok: true };
        },
      },
    };
  },
});
`;

/** A channel whose people write when they are told to, and who keeps nothing of what they get. */
export const PIGEON = `
import { definePlugin, effect, z } from "gateway/plugin";

const account = { id: "default", policy: { direct: "pairing", allowFrom: ["7"], group: "disabled", groups: {} } };

export default definePlugin({
  id: "pigeon",
  apiVersion: 1,
  methods: {
    "pigeon.write": effect({
      scope: "write",
      summary: "Somebody writes",
      params: () => z.strictObject({ sender: z.string().max(100), text: z.string().max(1_000) }),
      result: () => z.strictObject({ received: z.string() }),
      errors: ["unavailable", "busy"],
    }),
  },
  start(ctx) {
    let count = 0;
    let receive;
    ctx.channel({
      id: "pigeon",
      label: "Pigeon",
      accounts: [account],
      async run(_account, link) {
        receive = link.receive;
        link.status({ state: "connected" });
        await new Promise((resolve) => link.signal.addEventListener("abort", resolve));
      },
      send: async () => ({ messageId: String(++count) }),
      logout: async () => true,
    });
    return {
      handlers: {
        "pigeon.write": async ({ sender, text }) => ({
          received: await receive({
            chatId: sender, messageId: String(++count), sender: { id: sender }, isGroup: false, text,
          }),
        }),
      },
    };
  },
});
`;

interface Written {
  readonly manifest?: object | string;
  readonly code?: string;
  readonly word?: string;
}

/** Writes a plugin's folder, mode 0700. @returns its path */
export function writePlugin(directory: string, written: Written = {}): string {
  const {
    manifest = { id: "hello", version: "1.0.0", apiVersion: 1 },
    code = HELLO,
    word = "Hello",
  } = written;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
  writeFileSync(join(directory, "gateway.plugin.json"), text, { mode: 0o600 });
  writeFileSync(join(directory, "index.ts"), code, { mode: 0o600 });
  writeWord(directory, word);
  return directory;
}

/** Changes what {@link HELLO} imports. */
export function writeWord(directory: string, word: string): void {
  writeFileSync(join(directory, "word.ts"), `export const WORD = ${JSON.stringify(word)};\n`, {
    mode: 0o600,
  });
}
