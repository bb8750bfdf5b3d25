// Model servers that send more than they say, and some that say much: over real connections.
import { afterEach, beforeAll, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAnthropicProvider } from "../../../src/agents/anthropic.ts";
import { createOpenAiProvider } from "../../../src/agents/openai.ts";
import { ask, faultOf, realClock, realTimers } from "./kit.ts";

const MIB = 1024 * 1024;

/** Over the lines that may say nothing. */
const MANY = 60_000;

// Loaded by the first prompt, which takes time and turns of its own.
beforeAll(() => Promise.all([import("openai"), import("@anthropic-ai/sdk")]));

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

type Flood = {
  readonly start?: string;
  readonly again: string;
  readonly times?: number;
  readonly end?: string;
};

/** Sends as fast as it is read. @returns its host, and how much it got rid of */
async function flooding({ start = "", again, times = Infinity, end = "" }: Flood) {
  const block = again.repeat(1_000);
  let sent = 0;
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(start);
    const more = (): void => {
      while (sent < times && !response.destroyed) {
        sent += 1_000;
        if (!response.write(block)) return void response.once("drain", more);
      }
      response.end(end);
    };
    more();
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, sentBytes: () => sent * again.length };
}

const event = (data: Readonly<Record<string, unknown>>): string =>
  `${"type" in data ? `event: ${String(data["type"])}\n` : ""}data: ${JSON.stringify(data)}\n\n`;
const chunk = (delta: object, reason: string | null = null): string =>
  event({ choices: [{ index: 0, delta, finish_reason: reason }] });
const delta = (said: object): string => event({ type: "content_block_delta", index: 0, delta: said });
const block = (said: object): string => event({ type: "content_block_start", index: 0, content_block: said });
const finish = event({ type: "message_delta", delta: { stop_reason: "end_turn" } });

const providers = { openai: createOpenAiProvider, anthropic: createAnthropicProvider };

function modelAt(provider: keyof typeof providers, host: string) {
  const ports = { fetch, timers: realTimers, clock: realClock };
  const settings = { model: "m", contextWindow: 1_000, maxTokens: undefined, seesImages: false };
  return providers[provider]({ provider: "test", baseUrl: `http://${host}/v1` }, ports)(settings);
}

const COMMENT = { again: ": x\n\n" };
const EMPTY_LINE = { again: "\n" };

test.each([
  ["openai", "comments", COMMENT],
  ["openai", "empty lines", EMPTY_LINE],
  ["openai", "events that say nothing", { again: chunk({ content: "" }) }],
  ["anthropic", "comments", COMMENT],
  ["anthropic", "empty lines", EMPTY_LINE],
  [
    "anthropic",
    "events that say nothing",
    { start: block({ type: "text", text: "" }), again: delta({ type: "text_delta", text: "" }) },
  ],
] as const)("%s: %s without end are given up, and nothing of them is piled up", async (api, _, flood) => {
  const { host, sentBytes } = await flooding(flood);
  const { error, events } = await ask(modelAt(api, host));
  expect(faultOf(error)).toMatchObject({
    code: "unavailable",
    message: `Cannot use model "test/m": ${host} goes on sending without saying anything`,
  });
  expect(events).toEqual([]);
  // The bound, and what the system keeps for the two ends: nothing is piled up on ours.
  expect(sentBytes()).toBeLessThan(32 * MIB);
});

test.each([
  ["openai", "text", { again: chunk({ content: "a" }), end: chunk({}, "stop") }],
  [
    "openai",
    "a call",
    {
      start: chunk({ tool_calls: [{ index: 0, id: "c", function: { name: "look", arguments: '"' } }] }),
      again: chunk({ tool_calls: [{ index: 0, function: { arguments: "a" } }] }),
      end: chunk({ tool_calls: [{ index: 0, function: { arguments: '"' } }] }) + chunk({}, "tool_calls"),
    },
  ],
  [
    "anthropic",
    "text",
    {
      start: block({ type: "text", text: "" }),
      again: delta({ type: "text_delta", text: "a" }),
      end: finish,
    },
  ],
  [
    "anthropic",
    "a call",
    {
      start:
        block({ type: "tool_use", id: "c", name: "look" }) +
        delta({ type: "input_json_delta", partial_json: '"' }),
      again: delta({ type: "input_json_delta", partial_json: "a" }),
      end: delta({ type: "input_json_delta", partial_json: '"' }) + finish,
    },
  ],
] as const)(
  "%s: %s in very many pieces is whole",
  async (api, kind, flood) => {
    const { host } = await flooding({ ...flood, times: MANY });
    const { error, events, text } = await ask(modelAt(api, host));
    expect(error).toBeUndefined();
    if (kind === "text") expect(text).toBe("a".repeat(MANY));
    else expect(events[0]).toMatchObject({ type: "tool_call", args: `"${"a".repeat(MANY)}"` });
  },
  20_000,
);
