import { describe, expect, test } from "bun:test";
import { formatIssue } from "../../../src/config/issues.ts";
import { configOf, layered } from "./support.ts";

describe("files of the system we replace", () => {
  test("its keys are kept, listed once, and their references left alone", () => {
    const text = `{
      "$schema": "https://example.org/schema.json",
      "meta": { "lastTouchedVersion": "2026.1.27" },
      "channels": { "discord": { "token": "\${DISCORD_TOKEN}" } },
      "gateway": {
        "mode": "local", "controlUi": { "basePath": "/ui" }, "tailscale": { "mode": "off" },
        "auth": { "token": "x", "allowTailscale": false }
      },
      "agents": { "defaults": { "heartbeat": { "every": "30m" } }, "list": [{ "id": "main", "identity": { "name": "Clawd" } }] },
      "models": { "mode": "merge", "providers": { "x": { "baseUrl": "http://x/v1", "headers": { "X-Key": "\${NOT_SET}" } } } },
      "env": { "shellEnv": { "enabled": true } }
    }`;
    const result = layered(text);
    expect(result.valid).toBe(true);
    expect(result.warnings.map(({ message }) => message)).toEqual([
      "Not used here: meta, channels.discord, gateway.controlUi, gateway.tailscale, gateway.auth.allowTailscale, " +
        "agents.defaults.heartbeat, agents.list.0.identity, models.mode, models.providers.x.headers, env.shellEnv",
    ]);
    expect(JSON.stringify(result.valid && result.config)).not.toContain("discord");
  });

  test("a channel that nobody here has is for a plugin of its name, and a slip is told", () => {
    const result = layered('{ "channels": { "pigeon": { "loft": 3 }, "telegrem": {}, "discord": {} } }');
    expect(result.valid && result.config.channels).toEqual({ pigeon: { loft: 3 }, telegrem: {} });
    expect(result.warnings.map(({ message }) => message)).toEqual([
      '"channels.telegrem" is for a plugin of that name, did you mean "channels.telegram"',
      "Not used here: channels.discord",
    ]);
  });

  test("a provider we cannot talk to is left out with a word, whatever else is in it", () => {
    const text = `{ "models": { "providers": {
      "gemini": { "baseUrl": "x", "apiKey": "\${GEMINI_KEY}", "api": "google-generative-ai", "new": 1 },
      "local": { "baseUrl": "http://127.0.0.1:11434/v1" }
    } } }`;
    const result = layered(text);
    expect(result.valid && Object.keys(result.config.models.providers)).toEqual(["local"]);
    expect(result.warnings.map(formatIssue)).toEqual([
      'moltbot.json:2:7: "models.providers.gemini" is not used here: its api is "google-generative-ai", and only "openai-completions", "anthropic-messages", "acp" are supported',
    ]);
  });

  test("what a provider needs depends on how it is talked to", () => {
    const providers = {
      claude: { api: "anthropic-messages" },
      code: { api: "acp", command: ["opencode", "acp"], env: { HOME: "/h" } },
      ollama: {},
      openai: { apiKey: "k" },
    };
    const config = configOf(JSON.stringify({ models: { providers } }));
    expect(Object.entries(config.models.providers).map(([name, { api }]) => [name, api])).toEqual([
      ["claude", "anthropic-messages"],
      ["code", "acp"],
      ["ollama", "openai-completions"],
      ["openai", "openai-completions"],
    ]);
  });

  test("a provider that is only a key there is left out with a word", () => {
    const result = layered('{"models":{"providers":{"groq":{"apiKey":"k"},"ollama":{}}}}');
    expect(result.valid && Object.keys(result.config.models.providers)).toEqual(["ollama"]);
    expect(result.warnings.map(formatIssue)).toEqual([
      'moltbot.json:1:25: "models.providers.groq" is not used here: it has no baseUrl, and none is known',
    ]);
  });

  test("a server of tools that cannot be reached is left out with a word", () => {
    const result = layered(`{"mcp":{"servers":{
      "none": {},
      "both": { "command": "a", "url": "http://b" },
      "events": { "url": "http://c", "type": "sse" },
      "off": { "command": "d", "disabled": true },
      "program": { "type": "stdio", "command": "e", "comand": "f" },
      "server": { "transport": "streamable-http", "url": "http://g", "auth": "oauth" }
    }}}`);
    expect(result.valid && result.config.mcp.servers).toEqual({
      program: { command: "e" },
      server: { url: "http://g" },
    });
    expect(result.warnings.map(formatIssue)).toEqual([
      'moltbot.json:2:7: "mcp.servers.none" is not used here: it has neither a command nor a url',
      'moltbot.json:3:7: "mcp.servers.both" is not used here: it has both a command and a url',
      'moltbot.json:4:7: "mcp.servers.events" is not used here: its transport is "sse", and only stdio and streamable HTTP are supported',
      'moltbot.json:5:7: "mcp.servers.off" is not used here: it is disabled',
      'moltbot.json:6:53: "mcp.servers.program.comand" is not used here: there is no such key, did you mean "mcp.servers.program.command"',
      "moltbot.json: Not used here: mcp.servers.program.type, mcp.servers.server.transport, mcp.servers.server.auth",
    ]);
  });

  test("a server of tools that is switched off needs neither a command nor a url", () => {
    const result = layered(`{
      "mcp": { "servers": { "common": { "command": "a" }, "old": { "enabled": false } } },
      "agents": { "list": [{ "id": "main", "mcp": { "servers": { "common": { "enabled": false } } } }] }
    }`);
    expect(result.warnings).toEqual([]);
    expect(result.valid && result.config.mcp.servers).toEqual({
      common: { command: "a" },
      old: { enabled: false },
    });
    expect(result.valid && result.config.agents.list[0]?.mcp?.servers).toEqual({
      common: { enabled: false },
    });
  });

  test("a number of a model that is none is left out with a word", () => {
    const model = { id: "auto", cost: { input: -1, output: 2 }, contextWindow: 512, maxTokens: 8_192.5 };
    const result = layered(
      JSON.stringify({ models: { providers: { a: { baseUrl: "http://a", models: [model] } } } }),
    );
    expect(result.valid && result.config.models.providers["a"]?.models).toEqual([
      { id: "auto", cost: { input: 0, output: 2, cacheRead: 0, cacheWrite: 0 } },
    ]);
    expect(result.warnings.map(({ message }) => message)).toEqual([
      '"models.providers.a.models.0.cost.input" is not used here: a price below 0 is none',
      '"models.providers.a.models.0.contextWindow" is not used here: wanted a whole number from 1024 to 100000000',
      '"models.providers.a.models.0.maxTokens" is not used here: wanted a whole number from 1 to 10000000',
    ]);
  });

  test("what would narrow what agents may do is said by itself", () => {
    const result = layered(
      JSON.stringify({
        agents: {
          defaults: { sandbox: { mode: "all" } },
          list: [{ id: "a", tools: { profile: "minimal" } }],
        },
        tools: { byProvider: {}, exec: { ask: "always" } },
      }),
    );
    expect(result.valid).toBe(true);
    expect(result.warnings.map(({ message }) => message)).toEqual([
      '"agents.defaults.sandbox" is not used here: programs of agents run without a sandbox',
      '"agents.list.0.tools.profile" is not used here: which tools may be used is said by allow and deny alone',
      '"tools.byProvider" is not used here: which tools may be used is said by allow and deny alone, for every model',
      "Not used here: tools.exec",
    ]);
  });

  test("what is less safe than it looks is said by itself", () => {
    const result = layered('{"gateway":{"tls":{"enabled":true},"bind":"auto"}}');
    expect(result.valid && result.config.gateway.bind).toBe("auto");
    expect(result.warnings.map(formatIssue)).toEqual([
      'moltbot.json:1:13: "gateway.tls" is not used here: connections are not encrypted',
      'moltbot.json:1:43: "gateway.bind" is "auto", which listens on loopback only here; write "lan" or an IP address for more',
    ]);
  });

  test("its env section feeds references, below the environment", () => {
    const text = `{
      "env": { "KEY_A": "from env", "vars": { "KEY_B": "from vars", "KEY_C": "hidden" } },
      "models": { "providers": {
        "a": { "baseUrl": "http://a", "apiKey": "\${KEY_A}" },
        "b": { "baseUrl": "http://b", "apiKey": "\${KEY_B}" },
        "c": { "baseUrl": "http://c", "apiKey": "\${KEY_C}" }
      } }
    }`;
    const { providers } = configOf(text, { env: { KEY_C: "from outside" } }).models;
    expect(Object.values(providers).map(({ apiKey }) => apiKey)).toEqual([
      "from env",
      "from vars",
      "from outside",
    ]);
    const covered = configOf(text, {
      env: { KEY_C: "x", CLAWDBOT_ENV_VARS: '{"KEY_B":"from the variable"}' },
    });
    expect(covered.models.providers["b"]?.apiKey).toBe("from the variable");
  });
});

describe("settings of plugins", () => {
  const env = { BOT: "123:abc", HOOK: "hook-token", KEY: "key" };

  test("have secrets by reference where their names say that they are some", () => {
    const config = configOf(
      `{
        "channels": { "telegram": { "botToken": { "$env": "BOT" }, "accounts": { "b": { "botToken": { "$env": "BOT" } } } } },
        "hooks": { "token": { "$env": "HOOK" } },
        "plugins": { "entries": { "hello": { "config": { "apiKey": { "$env": "KEY" }, "shape": { "$env": "KEY" } } } } }
      }`,
      { env },
    );
    expect(config.channels.telegram).toEqual({
      botToken: "123:abc",
      accounts: { b: { botToken: "123:abc" } },
    });
    expect(config.hooks).toEqual({ token: "hook-token" });
    // What is called otherwise may mean something else to the plugin.
    expect(config.plugins.entries["hello"]?.config).toEqual({ apiKey: "key", shape: { $env: "KEY" } });
  });

  test("say which variable is missing", () => {
    const result = layered(`{ "channels": { "telegram": { "botToken": { "$env": "NO_BOT" } } } }`);
    expect(!result.valid && result.errors.map(formatIssue)).toEqual([
      'moltbot.json:1:43: Cannot use "channels.telegram.botToken": the variable NO_BOT is not set, or empty',
    ]);
  });
});
