import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { readDocument, readJsonc } from "../../../src/config/text/document.ts";
import { valueDraft } from "../../../src/config/tree/draft.ts";
import { assemble } from "../../../src/config/tree/include.ts";
import { formatIssue } from "../../../src/config/issues.ts";
import { convertJson5 } from "../../../src/config/text/json5.ts";
import { valueAt } from "../../../src/config/layers.ts";
import { isObject, keyOf } from "../../../src/config/leaves.ts";
import type { Path } from "../../../src/config/leaves.ts";
import { MIGRATIONS, migrateDraft, migrateLegacyConfig } from "../../../src/config/migrations/migrate.ts";
import { textDraft } from "../../../src/config/tree/text-draft.ts";
import { type SourceFile, valueOf } from "../../../src/config/tree/tree.ts";
import { treeDraft } from "../../../src/config/tree/tree-draft.ts";
import { layered } from "./support.ts";

const OLD = join(import.meta.dir, "old");
const FILES = readdirSync(OLD).toSorted();

// --- the old configurations ---

interface Old {
  /** The file as written, and those it includes. */
  readonly files: readonly [SourceFile, ...SourceFile[]];
  readonly value: Record<string, unknown>;
}

async function sourceOf(name: string): Promise<SourceFile> {
  const text = readFileSync(join(OLD, name), "utf8");
  const reading = readDocument(text);
  if (reading.ok) return { path: name, text, document: reading.document };
  const converted = await convertJson5(text);
  if (!converted.ok) throw new Error(`${name}:${converted.line}:${converted.column}: ${converted.reason}`);
  expect(converted.commentsLost).toBeUndefined();
  const again = readJsonc(converted.text);
  if (!again.ok) throw new Error(`${name}: ${JSON.stringify(again.errors)}`);
  return { path: name, text: converted.text, document: again.document };
}

async function oldConfig(name: string): Promise<Old> {
  const sources = new Map<string, SourceFile>();
  for (const file of [name, ...FILES.filter((file) => file.startsWith("include-"))]) {
    sources.set(file, await sourceOf(file));
  }
  const main = await sourceOf(name);
  const { tree, errors, named } = assemble(main, (file) => sources.get(file));
  expect(errors).toEqual([]);
  const value = valueOf(tree);
  if (!isObject(value)) throw new Error(`${name} is no object`);
  return { files: [main, ...named.flatMap((file) => sources.get(file) ?? [])], value };
}

interface Expected {
  readonly env?: Readonly<Record<string, string>>;
  /** Settings in force. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Keys we do not use, where they belong now. */
  readonly kept?: Readonly<Record<string, unknown>>;
  /** Keys that must be gone. */
  readonly gone?: readonly string[];
  /** Words of changes that must be told. */
  readonly told?: readonly string[];
}

const MODEL = "agents.defaults.model";

/** Keys are dotted; a `|` stands for the dot where a name has dots itself. */
const CASES: Readonly<Record<string, Expected>> = {
  "whatsapp-early": {
    config: { [MODEL]: "anthropic/claude-opus-4-5", "gateway.port": 18_789 },
    kept: {
      "agents.defaults.workspace": "~/clawd",
      "channels.whatsapp.allowFrom": ["+4915550001", "+4915550002"],
      "channels.whatsapp.groups.*.requireMention": true,
      "messages.groupChat": { mentionPatterns: ["@clawd", "hey clawd"], historyLimit: 40 },
      "messages.responsePrefix": "🦞",
    },
    gone: ["agent", "routing"],
    told: ['moved "agent" to "agents.defaults"'],
  },
  "telegram-mention": {
    env: { TELEGRAM_BOT_TOKEN: "1:a" },
    config: { [MODEL]: "openai/gpt-5.2" },
    kept: {
      // What is said for Telegram alone wins over what is said for all.
      "channels.telegram.groups.*.requireMention": false,
      "channels.imessage.groups.*.requireMention": true,
      "channels.telegram.botToken": "${TELEGRAM_BOT_TOKEN}",
    },
    gone: ["telegram", "routing", "channels.telegram.requireMention", "channels.whatsapp"],
  },
  "model-aliases": {
    config: {
      [MODEL]: {
        primary: "anthropic/claude-opus-4-5",
        fallbacks: ["anthropic/claude-sonnet-4-5", "openai/gpt-5.2"],
      },
      "agents.defaults.timeoutSeconds": 900,
      "agents.defaults.maxConcurrent": 3,
    },
    kept: {
      "agents.defaults.imageModel": { primary: "openai/gpt-5-mini", fallbacks: ["google/gemini-3-flash"] },
      "agents.defaults.models": {
        "anthropic/claude-opus-4-5": { alias: "opus" },
        "anthropic/claude-sonnet-4-5": { alias: "sonnet" },
        "openai/gpt-5.2": {},
        "openai/gpt-5-mini": {},
        "google/gemini-3-flash": {},
        "zai/glm-4.7": { alias: "fast" },
      },
      "agents.defaults.heartbeat.every": "30m",
    },
    gone: ["agents.defaults.allowedModels", "agents.defaults.modelAliases", "agents.defaults.modelFallbacks"],
  },
  "second-alias": {
    config: { [MODEL]: { primary: "openrouter/qwen/qwen3-coder", fallbacks: ["openrouter/z-ai/glm-4.6"] } },
    kept: {
      "agents.defaults.models|openrouter/z-ai/glm-4.6": {},
      "agents.defaults.models.openrouter/qwen/qwen3-coder.alias": "coder",
      "agents.defaults.modelAliases": { qwen: "openrouter/qwen/qwen3-coder" },
    },
    told: ['kept "agents.defaults.modelAliases.qwen"'],
  },
  "routing-agents": {
    config: {
      "agents.list.0.id": "home",
      "agents.list.0.default": true,
      "agents.list.0.model": "anthropic/claude-haiku-4-5",
      "agents.list.1.id": "office",
    },
    kept: {
      "agents.list.0.groupChat.mentionPatterns": ["@home"],
      "agents.list.1.groupChat": { historyLimit: 10, mentionPatterns: ["@office", "/o"] },
      "agents.list.1.sandbox": { mode: "all", scope: "agent" },
      "agents.list.1.tools.sandbox.tools": { allow: ["read"], deny: ["bash", "browser"] },
      "bindings.0.match": { channel: "whatsapp", accountId: "personal" },
      "bindings.1.match.channel": "slack",
      "tools.agentToAgent.allow": ["home", "office"],
      "messages.queue": { mode: "collect", byChannel: { whatsapp: "steer", slack: "followup" } },
    },
    gone: ["routing", "bindings.0.match.provider", "messages.queue.byProvider"],
  },
  "routing-main": {
    config: { "agents.list.1.id": "main", "agents.list.1.default": true },
    kept: { "agents.list.1.identity.name": "Samantha" },
    gone: ["identity", "routing"],
  },
  "gateway-token": {
    config: {
      "gateway.port": 19_001,
      "gateway.bind": "lan",
      "gateway.auth": { mode: "token", token: "c0ffee00c0ffee00c0ffee00c0ffee00" },
    },
    gone: ["gateway.token"],
    told: ['moved "gateway.token" to "gateway.auth.token"', 'set "gateway.auth.mode" to "token"'],
  },
  "gateway-two-tokens": {
    config: { "gateway.auth.token": "the-token-that-has-counted" },
    gone: ["gateway.token"],
    told: ['removed "gateway.token": "gateway.auth.token" is set, and is the one that counts'],
  },
  "tools-bash": {
    config: { [MODEL]: { primary: "anthropic/claude-sonnet-4-5", fallbacks: [] } },
    kept: { "tools.exec": { backgroundMs: 10_000, timeoutSec: 1_800 }, "tools.web.search.maxResults": 5 },
    gone: ["tools.bash"],
  },
  "tools-bash-and-exec": {
    config: { [MODEL]: "anthropic/claude-sonnet-4-5" },
    kept: { "tools.exec.timeoutSec": 1_800, "tools.bash.timeoutSec": 60 },
    gone: ["agent", "agents.defaults.bash"],
    told: ['removed "agent.bash": "tools.exec" is set, and is the one that counts'],
  },
  tts: {
    kept: { "messages.tts.auto": "always", "messages.tts.provider": "elevenlabs" },
    gone: ["messages.tts.enabled"],
  },
  "tts-both": { kept: { "messages.tts.auto": "inbound" }, gone: ["messages.tts.enabled"] },
  "json5-numbers": {
    config: {
      "gateway.port": 18_789,
      [MODEL]: { primary: "ollama/qwen3", fallbacks: ["ollama/llama3.2"] },
      "agents.defaults.systemPrompt": 'You are the house. Don\'t be chatty, say "yes" or "no".',
      "agents.defaults.timeoutSeconds": 300,
      "agents.defaults.maxConcurrent": 4,
    },
    kept: { "agents.defaults.memorySearch.query.minScore": 0.35 },
  },
  "include-main": {
    env: { GATEWAY_TOKEN: "from-the-environment", TELEGRAM_BOT_TOKEN: "1:a" },
    config: {
      "gateway.port": 18_800,
      "gateway.auth.token": "from-the-environment",
      [MODEL]: "anthropic/claude-opus-4-5",
    },
    kept: {
      "channels.whatsapp.allowFrom": ["+4366012345"],
      "channels.telegram.groups.*.requireMention": true,
      "tools.elevated.allowFrom.whatsapp": ["+4366012345"],
      "messages.groupChat.mentionPatterns": ["@bot"],
    },
    gone: ["agent", "routing", "gateway.token"],
  },
  "env-references": {
    env: { MY_GATEWAY_TOKEN: "tok-from-env", MINIMAX_API_KEY: "mm" },
    config: {
      "gateway.auth.token": "tok-from-env",
      "models.providers.groq.apiKey": "gsk-from-the-file",
      "models.providers.openrouter.apiKey": "or-from-the-file",
      [MODEL]: { primary: "groq/llama-3.3-70b-versatile", fallbacks: [] },
    },
    kept: { "channels.discord.note": "costs $${amount} a month" },
  },
  "every-section": {
    config: {
      "gateway.port": 18_789,
      "gateway.auth.token": "t0ken-t0ken-t0ken",
      "gateway.trustedProxies": ["127.0.0.1"],
      [MODEL]: { primary: "anthropic/claude-opus-4-5", fallbacks: ["anthropic/claude-sonnet-4-5"] },
      "agents.list.1.model": "openai/gpt-5.2",
    },
    kept: { "auth.profiles.anthropic:claude-cli.mode": "oauth" },
  },
  "wizard-stamps": {
    config: { [MODEL]: { primary: "anthropic/claude-opus-4-5", fallbacks: [] } },
    kept: {
      "meta.lastTouchedVersion": "2026.1.8",
      "wizard.lastRunCommit": "a1b2c3d",
      "channels.whatsapp.allowFrom": ["+15555550123"],
    },
  },
  "docker-lan": {
    env: { CONTAINER_PASSWORD: "a long password" },
    config: {
      "gateway.bind": "lan",
      "gateway.auth": { mode: "password", password: "a long password" },
      "gateway.trustedProxies": ["172.18.0.1/32", "10.0.0.2"],
      "agents.defaults.timeoutSeconds": 86_400,
    },
    told: ['set "agents.defaults.timeoutSeconds" to 86400, the most there is; it was 604800'],
  },
  tailscale: {
    config: { "gateway.bind": "tailnet", "gateway.auth.token": "tailnet-token-0123456789" },
    kept: {
      "channels.telegram.groups": { "*": { requireMention: false }, "-100200": { requireMention: true } },
    },
  },
  "remote-mode": {
    config: { "gateway.mode": "remote" },
    kept: { "gateway.remote.url": "wss://home.example.net" },
  },
  "custom-bind": {
    config: { "gateway.bind": "192.168.1.50", [MODEL]: "ollama/llama3.2" },
    gone: ["gateway.customBindHost"],
  },
  "old-channels": {
    kept: {
      "channels.discord.guilds.123456789012345678.channels.help.requireMention": true,
      "channels.slack.appToken": "xapp",
      "channels.signal.httpPort": 8_080,
      "channels.imessage.cliPath": "imsg",
      "channels.msteams.tenantId": "tenant",
      "channels.whatsapp": {
        textChunkLimit: 4_000,
        groups: { "111@g.us": { requireMention: false }, "*": { requireMention: true } },
        allowFrom: ["+1"],
      },
    },
    gone: ["discord", "slack", "signal", "imessage", "msteams", "whatsapp"],
  },
  "channels-conflict": {
    kept: {
      "telegram.botToken": "111:old",
      "channels.telegram": { botToken: "222:new", dmPolicy: "open", allowFrom: ["*"] },
    },
    gone: ["telegram.allowFrom", "telegram.dmPolicy"],
    told: ['kept "telegram.botToken": "channels.telegram.botToken" is set to something else'],
  },
  "identity-and-list": {
    config: { "agents.list.1.model.primary": "openai/gpt-5.2-codex" },
    kept: { "agents.list.1.identity.theme": "space lobster" },
    gone: ["identity"],
  },
  "agent-tools": {
    config: {
      [MODEL]: "anthropic/claude-opus-4-5",
      "agents.defaults.systemPrompt": "Answer in German.",
    },
    kept: {
      "tools.allow": ["read", "write", "bash"],
      "tools.deny": ["canvas"],
      "tools.elevated.allowFrom.telegram": [12_345],
      "tools.exec.timeoutSec": 600,
      "tools.sandbox.tools": { allow: ["read"], deny: ["cron"] },
      "tools.subagents.tools.deny": ["sessions_spawn"],
      "agents.defaults.sandbox": { mode: "non-main", perSession: true },
      "agents.defaults.subagents": { maxConcurrent: 2 },
    },
    gone: ["agent"],
    told: ['removed "agent.tools.deny": "tools.deny" is set, and is the one that counts'],
  },
  "agent-and-defaults": {
    config: {
      [MODEL]: { primary: "anthropic/claude-opus-4-5", fallbacks: ["openai/gpt-4o"] },
      "agents.defaults.timeoutSeconds": 300,
    },
    kept: {
      "agents.defaults.workspace": "~/old",
      "agents.defaults.heartbeat": { every: "1h", target: "telegram" },
    },
    gone: ["agent"],
    told: [
      'removed "agent.model": "agents.defaults.model" is set, and is the one that counts',
      'removed "agent.timeoutSeconds"',
      'removed "agent.heartbeat.every"',
    ],
  },
  "claude-cli": {
    config: { [MODEL]: { primary: "claude-cli/opus-4.5", fallbacks: [] } },
    kept: {
      "auth.profiles.anthropic:claude-cli": { provider: "anthropic", mode: "oauth", email: "me@example.org" },
      "auth.profiles.openai-codex:default.mode": "oauth",
    },
  },
  "send-policy": {
    kept: {
      "session.sendPolicy.rules.0.match": { channel: "discord", chatType: "group" },
      "session.sendPolicy.rules.1.match": { channel: "slack" },
      "messages.queue.byChannel": { webchat: "steer" },
      "bindings.0.match": { channel: "telegram", accountId: "default" },
    },
    config: { "messages.queue.byChannel": { webchat: "steer" }, "session.idleMinutes": 120 },
    gone: ["messages.queue.byProvider"],
    told: [
      'removed "messages.queue.byProvider": "messages.queue.byChannel" is set, and is the one that counts',
    ],
  },
  sessions: {
    config: {
      "session.dmScope": "per-channel-peer",
      "session.identityLinks.ann": ["telegram:4711", "signal:+4915550007"],
      "session.reset": { mode: "daily", atHour: 5, idleMinutes: 240 },
      "session.resetByType.group.idleMinutes": 9_999_999_999,
      "session.resetByChannel": { discord: { mode: "idle", idleMinutes: 10_080 } },
      "session.resetTriggers": ["/new", "/reset", "good morning"],
      "agents.defaults.workspace": undefined,
      "agents.defaults.compaction": { reserveTokensFloor: 24_000 },
      "agents.list": [{ id: "main", default: true, workspace: "~/clawd" }],
    },
    kept: { "session.agentToAgent.maxPingPongTurns": 2, "agents.defaults.compaction.reserveTokens": 16_384 },
    told: ['removed "session.resetTriggers.2": it is empty', 'removed "agents.list.0.name": it is empty'],
  },
  queue: {
    config: {
      "messages.queue": {
        mode: "steer+backlog",
        byChannel: { discord: "collect", telegram: "queue", webchat: "interrupt" },
      },
    },
    kept: { "messages.queue.drop": "old" },
  },
  "queue-by-provider": {
    config: {
      "messages.queue": { mode: "followup", byChannel: { slack: "steer-backlog", signal: "collect" } },
    },
    gone: ["messages.queue.byProvider"],
  },
  "tool-policies": {
    config: {
      tools: { allow: ["group:fs", "exec", "sessions_*"], deny: ["browser", "canvas"] },
      "agents.list.0.tools": { deny: ["exec"] },
    },
    kept: { "tools.exec.ask": "on-miss", "approvals.exec.mode": "both" },
  },
  "tool-servers": {
    env: { FILES_KEY: "f", WIKI_KEY: "w" },
    config: {
      "mcp.servers": {
        files: {
          command: "npx",
          args: ["-y", "server-files", "/srv"],
          cwd: "/srv",
          env: { DEPTH: "3", FOLLOW: "false", FILES_KEY: "f" },
        },
        "two-places": { command: "uvx", cwd: "/a" },
        wiki: {
          url: "https://wiki.example.org/mcp",
          headers: { Authorization: "Bearer w", "X-Depth": "2" },
        },
        page: { url: "https://page.example.org/mcp" },
        tuned: { command: "tuned" },
        asleep: { command: "zzz", enabled: false },
      },
      "agents.list": [{ id: "main", mcp: { servers: { page: { enabled: false } } } }],
    },
    kept: { "mcp.servers.tuned.icon": "wrench", "mcp.servers.stream.transport": "sse" },
    told: [
      'moved "mcp.servers.files.workingDirectory" to "mcp.servers.files.cwd"',
      'set "mcp.servers.files.env.DEPTH" to text, it was a number',
      'set "mcp.servers.asleep.enabled" to false in place of "mcp.servers.asleep.disabled"',
    ],
  },
  "model-servers": {
    env: { ANTHROPIC_API_KEY: "a" },
    config: {
      "models.providers.anthropic": { api: "anthropic-messages", apiKey: "a" },
      "models.providers.openrouter": undefined,
      "models.providers.gpt": undefined,
      "models.providers.moonshot.models.0.input": ["text", "image", "video"],
      "models.providers.minimax.models.0.cost": { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
      "models.providers.local": {
        baseUrl: "http://127.0.0.1:1234/v1",
        api: "openai-completions",
        models: [],
      },
    },
    kept: { "models.providers.openrouter.apiKey": "${OPENROUTER_API_KEY}" },
    told: ['set "models.providers.anthropic.api" to "anthropic-messages"'],
  },
  transcription: {
    kept: {
      "tools.media.audio": {
        enabled: true,
        models: [
          {
            type: "cli",
            command: "/usr/local/bin/whisper",
            args: ["--model", "base", "{{MediaPath}}"],
            timeoutSeconds: 60,
          },
        ],
      },
    },
    gone: ["audio"],
  },
  "transcription-other": {
    kept: { "routing.transcribeAudio.timeoutSeconds": 45, "messages.queue.mode": "interrupt" },
    told: ['kept "routing.transcribeAudio": only a whisper command has a new place'],
  },
  "spaced-ids": {
    config: {
      "agents.list.0.id": "home-bot",
      "agents.list.1": { id: "b-ro-2", default: true },
      "agents.list.2": { id: "main", model: { fallbacks: [] } },
    },
    kept: { "bindings.0.agentId": "home-bot", "bindings.1.agentId": "main" },
  },
  modern: {
    config: {
      "gateway.port": 18_790,
      [MODEL]: { primary: "ollama/qwen3", fallbacks: ["ollama/llama3.2"] },
      "agents.list": [{ id: "main", default: true }],
    },
  },
  "hooks-and-cron": {
    config: { [MODEL]: "openai/gpt-5.2" },
    kept: {
      "hooks.gmail.tailscale.mode": "funnel",
      "channels.whatsapp.accounts.biz.authDir": "~/.clawdbot/credentials/whatsapp/biz",
    },
  },
  windows: {
    config: { "gateway.port": 18_791, "gateway.auth.token": "windows-token-1234" },
    kept: { "agents.defaults.workspace": "C:\\Users\\me\\clawd" },
  },
};

/** `agents.list.0.id`, or with `|` before a last name that has dots itself. */
function pathOf(key: string): Path {
  const [dotted = "", last] = key.split("|");
  const steps = dotted.split(".").map((step) => (/^\d{1,3}$/.test(step) ? Number(step) : step));
  return last === undefined ? steps : [...steps, last];
}

// --- nothing vanishes ---

type Scalar = readonly [path: Path, value: unknown];

function scalars(value: unknown, path: Path = []): readonly Scalar[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => scalars(item, [...path, index]));
  if (!isObject(value)) return [[path, value]];
  return Object.entries(value).flatMap(([name, item]) => scalars(item, [...path, name]));
}

/** Names one path may have had on its way through the migrations. */
function aliasesOf(path: Path): readonly Path[] {
  const [first = "", second = ""] = path;
  const inList = typeof path.at(-1) === "number" ? [path.slice(0, -1)] : [];
  const way: Path[] = [path, ...inList];
  if (first === "agent") way.push(...way.map((one) => ["agents", "defaults", ...one.slice(1)]));
  if (first === "routing" && second === "bindings") way.push(path.slice(1));
  return way;
}

/** Some change names it, or says that a part around it is gone. */
function isTold(path: Path, changes: readonly string[]): boolean {
  const around = path.map((_, length) => `removed ${JSON.stringify(keyOf(path.slice(0, length)))}:`);
  const own = JSON.stringify(keyOf(path));
  return changes.some((line) => line.includes(own) || around.some((start) => line.startsWith(start)));
}

/** The settings of `before` that are nowhere in `after`, and that no change names. */
function vanished(before: unknown, after: unknown, changes: readonly string[]): readonly string[] {
  const left = scalars(after);
  const known = new Set<unknown>([...left.map(([, value]) => value), ...left.flatMap(([path]) => path)]);
  return scalars(before).flatMap(([path, value]) => {
    const isNamed = aliasesOf(path).some((way) => isTold(way, changes));
    const isSwitch = typeof value === "boolean" || value === null;
    const isThere = isSwitch
      ? left.some(([at, other]) => other === value && at.at(-1) === path.at(-1))
      : known.has(value);
    return isNamed || isThere ? [] : [keyOf(path)];
  });
}

describe("old configurations", () => {
  test("there is a case for every file", () => {
    const mains = FILES.filter((file) => !/^include-(?!main)/.test(file));
    expect(
      Object.keys(CASES)
        .map((name) => `${name}.json`)
        .toSorted(),
    ).toEqual(mains);
    expect(mains.length).toBeGreaterThanOrEqual(25);
  });

  test.each(Object.entries(CASES))("%s is understood, and nothing of it is lost", async (name, expected) => {
    const { value } = await oldConfig(`${name}.json`);
    const copy = structuredClone(value);
    const { config, changes } = migrateLegacyConfig(value);
    expect(value).toEqual(copy);

    const judged = layered(JSON.stringify(config), { env: expected.env ?? {} });
    if (!judged.valid) throw new Error(judged.errors.map(formatIssue).join("\n"));
    for (const [key, wanted] of Object.entries(expected.config ?? {})) {
      expect({ [key]: valueAt(judged.config, pathOf(key)) }).toEqual({ [key]: wanted });
    }
    for (const [key, wanted] of Object.entries(expected.kept ?? {})) {
      expect({ [key]: valueAt(config, pathOf(key)) }).toEqual({ [key]: wanted });
    }
    for (const key of expected.gone ?? []) {
      expect({ [key]: valueAt(config, pathOf(key)) }).toEqual({ [key]: undefined });
    }
    for (const words of expected.told ?? []) expect(changes.join("\n")).toContain(words);
    expect(vanished(value, config, changes)).toEqual([]);
  });

  test.each(Object.keys(CASES))("%s: what has been migrated once stays as it is", async (name) => {
    const { value } = await oldConfig(`${name}.json`);
    const { config } = migrateLegacyConfig(value);
    const again = migrateLegacyConfig(config);
    expect(again.changes).toEqual([]);
    expect(again.config).toEqual(config);
    const draft = valueDraft(config);
    expect(MIGRATIONS.filter((migration) => migration.detect(draft)).map(({ id }) => id)).toEqual([]);
  });

  test.each(Object.keys(CASES))("%s: value, tree and texts become the same", async (name) => {
    const { files, value } = await oldConfig(`${name}.json`);
    const wanted = migrateLegacyConfig(value);
    const sources = new Map(files.map((file) => [file.path, file]));
    const { tree } = assemble(files[0], (file) => sources.get(file));
    expect(migrateDraft(treeDraft(tree))).toEqual(wanted.changes);
    expect(valueOf(tree)).toEqual(wanted.config);
    const texts = textDraft(files);
    expect(migrateDraft(texts)).toEqual(wanted.changes);
    expect(texts.value()).toEqual(wanted.config);
  });

  test("no change tells a secret", async () => {
    const secrets: string[] = [];
    const told: string[] = [];
    for (const name of Object.keys(CASES)) {
      const { value } = await oldConfig(`${name}.json`);
      for (const [path, secret] of scalars(value)) {
        const isSecret = /(?:token|password|apiKey|secret)$/i.test(String(path.at(-1)));
        if (isSecret && String(secret).length >= 4) secrets.push(String(secret));
      }
      told.push(...migrateLegacyConfig(value).changes);
    }
    expect(secrets.length).toBeGreaterThan(15);
    const text = told.join("\n");
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
  });

  test("what is up to date is not touched", async () => {
    const { value } = await oldConfig("modern.json");
    expect(migrateLegacyConfig(value)).toEqual({ config: value, changes: [] });
  });

  test("the check for losses sees one", () => {
    expect(vanished({ a: { b: "x", c: true } }, { a: { c: false } }, [])).toEqual(["a.b", "a.c"]);
    expect(vanished({ a: { b: "x" } }, {}, ['removed "a.b": it is empty'])).toEqual([]);
  });
});

describe("one key at a time", () => {
  const cases: [string, unknown, unknown, string[]][] = [
    [
      "an old key that says the same as the new one goes",
      { telegram: { botToken: "1:a" }, channels: { telegram: { botToken: "1:a" } } },
      { channels: { telegram: { botToken: "1:a" } } },
      ['removed "telegram": "channels.telegram" says the same'],
    ],
    [
      "an allow list is kept where no WhatsApp is set up",
      { routing: { allowFrom: ["+1"] } },
      { channels: { whatsapp: { allowFrom: ["+1"] } } },
      ['moved "routing.allowFrom" to "channels.whatsapp.allowFrom"'],
    ],
    [
      "a password beside a token: the token was what counted",
      { gateway: { token: "t", auth: { password: "p" } } },
      { gateway: { auth: { password: "p", token: "t", mode: "token" } } },
      ['moved "gateway.token" to "gateway.auth.token"', 'set "gateway.auth.mode" to "token"'],
    ],
    [
      "a mode that is set stays",
      { gateway: { token: "t", auth: { mode: "password", password: "p" } } },
      { gateway: { auth: { mode: "password", password: "p", token: "t" } } },
      ['moved "gateway.token" to "gateway.auth.token"'],
    ],
    [
      "the default agent is added where it is in no list",
      { routing: { defaultAgentId: "home" } },
      { agents: { list: [{ id: "home", default: true }] } },
      ['moved "routing.defaultAgentId" to "agents.list.0.default"'],
    ],
    [
      "an agent of both kinds is one",
      {
        routing: { agents: { Home: { model: "a/b", name: "H" } } },
        agents: { list: [{ id: "home", name: "X" }] },
      },
      {
        routing: { agents: { Home: { name: "H" } } },
        agents: { list: [{ id: "home", name: "X", model: "a/b" }] },
      },
      [
        'moved "routing.agents.Home.model" to "agents.list.0.model"',
        'kept "routing.agents.Home.name": "agents.list.0.name" is set to something else',
      ],
    ],
    [
      "an identity without agents",
      { identity: { name: "Molty" } },
      { agents: { list: [{ id: "main", identity: { name: "Molty" } }] } },
      ['moved "identity" to "agents.list.0.identity"'],
    ],
    [
      "an empty agent",
      { agent: {}, agents: { defaults: {} } },
      { agents: { defaults: {} } },
      ['removed "agent": "agents.defaults" says the same'],
    ],
    [
      "an empty agent beside defaults",
      { agent: {}, agents: { defaults: { maxConcurrent: 1 } } },
      { agents: { defaults: { maxConcurrent: 1 } } },
      ['removed "agent": it is empty'],
    ],
    [
      "fallbacks without a model",
      { agent: { modelFallbacks: ["a/b"] } },
      { agents: { defaults: { model: { fallbacks: ["a/b"] } } } },
      [
        'moved "agent" to "agents.defaults"',
        'moved "agents.defaults.modelFallbacks" to "agents.defaults.model.fallbacks"',
      ],
    ],
    [
      "what is included from another file moves as a whole",
      { telegram: { $include: "./telegram.json" }, channels: {} },
      { channels: { telegram: { $include: "./telegram.json" } } },
      ['moved "telegram" to "channels.telegram"'],
    ],
    [
      "an address in brackets",
      { gateway: { bind: "custom", customBindHost: "[::1]" } },
      { gateway: { bind: "::1" } },
      ['moved "gateway.customBindHost" to "gateway.bind"'],
    ],
    [
      "a local name is the loopback",
      { gateway: { bind: "localhost" } },
      { gateway: { bind: "loopback" } },
      ['set "gateway.bind" to "loopback", it was "localhost"'],
    ],
    [
      "a name that is no address is left, to be refused",
      ...same({ gateway: { bind: "custom", customBindHost: "pi" } }),
    ],
    ["two ids that would become one are left", ...same({ agents: { list: [{ id: "a b" }, { id: "a-b" }] } })],
    ["a model called __proto__ is left", ...same({ agents: { defaults: { allowedModels: ["__proto__"] } } })],
    ["agent is no object", ...same({ agent: "opus" })],
    ["routing is no object", ...same({ routing: ["+1"] })],
    ["channels is no object", ...same({ telegram: { botToken: "x" }, channels: "none" })],
    ["agents.list is no list", ...same({ identity: { name: "x" }, agents: { list: {} } })],
    ["gateway is no object", ...same({ gateway: 18_789 })],
    ["a token that is no text", ...same({ gateway: { token: 5 } })],
  ];

  function same(value: unknown): [unknown, unknown, string[]] {
    return [value, value, []];
  }

  test.each(cases)("%s", (_, old, config, changes) => {
    if (!isObject(old)) throw new Error("a configuration is an object");
    expect(migrateLegacyConfig(old)).toEqual({ config: Object(config), changes });
  });

  test("every migration is found by its own name and no other", () => {
    const ids = MIGRATIONS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(MIGRATIONS.every(({ describe: words }) => words.length > 10)).toBe(true);
  });
});

// --- anything at all ---

const WORDS = `
  agent agents routing gateway telegram whatsapp channels tools messages session auth audio identity
  bindings defaults list id default model primary fallbacks allowedModels modelAliases modelFallbacks
  imageModel imageModelFallbacks models token mode bash exec tts enabled auto queue byProvider
  byChannel groupChat requireMention mentionPatterns allowFrom defaultAgentId transcribeAudio
  transcription command match provider channel accountID sendPolicy rules sandbox subagents elevated
  bind customBindHost trustedProxies main groups * timeoutSeconds profiles anthropic:claude-cli reload
  debounceMs mcp servers env headers cwd workingDirectory providers anthropic api baseUrl workspace name
  resetTriggers allow deny $include __proto__ constructor toString
`
  .trim()
  .split(/\s+/);

const anyConfig = fc.letrec<{ value: unknown; object: Record<string, unknown> }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, depthSize: "small" },
    fc.oneof(
      fc.constantFrom(
        "main",
        "",
        "a/b",
        "whisper",
        "custom",
        "127.0.0.1/32",
        "token",
        "localhost",
        "__proto__",
      ),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
    ),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
    tie("object"),
  ),
  object: fc
    .array(fc.tuple(fc.constantFrom(...WORDS), tie("value")), { maxLength: 6 })
    .map((entries): Record<string, unknown> => Object.fromEntries(entries)),
})).object;

describe("anything at all", () => {
  test("nothing throws, nothing changes twice, and what was given stays as it was", () => {
    fc.assert(
      fc.property(anyConfig, (value) => {
        const before = JSON.stringify(value);
        const once = migrateLegacyConfig(value);
        expect(JSON.stringify(value)).toBe(before);
        const twice = migrateLegacyConfig(once.config);
        expect(twice.changes).toEqual([]);
        expect(twice.config).toEqual(once.config);
        if (once.changes.length === 0) expect(once.config).toEqual(value);
      }),
      { seed: 20_260_125, numRuns: 3_000 },
    );
    expect(Object.hasOwn(Object.prototype, "list")).toBe(false);
  });
});
