import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { envNames, fromEnvironment, fromFlags } from "../../../src/config/env.ts";
import { envName, leavesOf } from "../../../src/config/leaves.ts";
import { rootSchema } from "../../../src/config/schema.ts";
import { layered, leaves, names } from "./support.ts";

describe("names", () => {
  test("every setting has one", () => {
    expect([...names].map(([name, leaf]) => `${name} ${leaf.key}`)).toEqual([
      "CLAWDBOT_GATEWAY_PORT gateway.port",
      "CLAWDBOT_GATEWAY_BIND gateway.bind",
      "CLAWDBOT_GATEWAY_MODE gateway.mode",
      "CLAWDBOT_GATEWAY_AUTH_MODE gateway.auth.mode",
      "CLAWDBOT_GATEWAY_AUTH_TOKEN gateway.auth.token",
      "CLAWDBOT_GATEWAY_AUTH_PASSWORD gateway.auth.password",
      "CLAWDBOT_GATEWAY_ALLOWED_HOSTS gateway.allowedHosts",
      "CLAWDBOT_GATEWAY_ALLOWED_ORIGINS gateway.allowedOrigins",
      "CLAWDBOT_GATEWAY_TRUSTED_PROXIES gateway.trustedProxies",
      "CLAWDBOT_GATEWAY_LIMITS_FRAME_BYTES_MAX gateway.limits.frameBytesMax",
      "CLAWDBOT_GATEWAY_LIMITS_CLIENTS_MAX gateway.limits.clientsMax",
      "CLAWDBOT_GATEWAY_RELOAD_MODE gateway.reload.mode",
      "CLAWDBOT_GATEWAY_RELOAD_DEBOUNCE_MS gateway.reload.debounceMs",
      "CLAWDBOT_GATEWAY_METRICS_PUBLIC gateway.metrics.public",
      "CLAWDBOT_GATEWAY_LOG_FORMAT gateway.log.format",
      "CLAWDBOT_GATEWAY_LOG_LEVEL gateway.log.level",
      "CLAWDBOT_AGENTS_DEFAULTS_MODEL agents.defaults.model",
      "CLAWDBOT_AGENTS_DEFAULTS_SYSTEM_PROMPT agents.defaults.systemPrompt",
      "CLAWDBOT_AGENTS_DEFAULTS_WORKSPACE agents.defaults.workspace",
      "CLAWDBOT_AGENTS_DEFAULTS_ENV agents.defaults.env",
      "CLAWDBOT_AGENTS_DEFAULTS_LIMITS_TOKENS_MAX agents.defaults.limits.tokensMax",
      "CLAWDBOT_AGENTS_DEFAULTS_LIMITS_TOOL_CALLS_MAX agents.defaults.limits.toolCallsMax",
      "CLAWDBOT_AGENTS_DEFAULTS_LIMITS_OUTPUT_BYTES_MAX agents.defaults.limits.outputBytesMax",
      "CLAWDBOT_AGENTS_DEFAULTS_TIMEOUT_SECONDS agents.defaults.timeoutSeconds",
      "CLAWDBOT_AGENTS_DEFAULTS_MAX_CONCURRENT agents.defaults.maxConcurrent",
      "CLAWDBOT_AGENTS_DEFAULTS_COMPACTION_RESERVE_TOKENS_FLOOR agents.defaults.compaction.reserveTokensFloor",
      "CLAWDBOT_AGENTS_LIST agents.list",
      "CLAWDBOT_MODELS_PROVIDERS models.providers",
      "CLAWDBOT_SESSION_SCOPE session.scope",
      "CLAWDBOT_SESSION_DM_SCOPE session.dmScope",
      "CLAWDBOT_SESSION_IDENTITY_LINKS session.identityLinks",
      "CLAWDBOT_SESSION_RESET_MODE session.reset.mode",
      "CLAWDBOT_SESSION_RESET_AT_HOUR session.reset.atHour",
      "CLAWDBOT_SESSION_RESET_IDLE_MINUTES session.reset.idleMinutes",
      "CLAWDBOT_SESSION_RESET_BY_TYPE session.resetByType",
      "CLAWDBOT_SESSION_RESET_BY_CHANNEL session.resetByChannel",
      "CLAWDBOT_SESSION_RESET_TRIGGERS session.resetTriggers",
      "CLAWDBOT_SESSION_IDLE_MINUTES session.idleMinutes",
      "CLAWDBOT_MESSAGES_QUEUE_MODE messages.queue.mode",
      "CLAWDBOT_MESSAGES_QUEUE_BY_CHANNEL messages.queue.byChannel",
      "CLAWDBOT_TOOLS_ALLOW tools.allow",
      "CLAWDBOT_TOOLS_DENY tools.deny",
      "CLAWDBOT_TOOLS_APPROVE tools.approve",
      "CLAWDBOT_MCP_SERVERS mcp.servers",
      "CLAWDBOT_PLUGINS_ENABLED plugins.enabled",
      "CLAWDBOT_PLUGINS_PATHS plugins.paths",
      "CLAWDBOT_PLUGINS_ALLOW plugins.allow",
      "CLAWDBOT_PLUGINS_DENY plugins.deny",
      "CLAWDBOT_PLUGINS_ENTRIES plugins.entries",
      "CLAWDBOT_CHANNELS_TELEGRAM channels.telegram",
      "CLAWDBOT_HOOKS hooks",
      "CLAWDBOT_CRON cron",
      "CLAWDBOT_ENV_VARS env.vars",
      "CLAWDBOT_GATEWAY_TOKEN gateway.auth.token",
      "CLAWDBOT_GATEWAY_PASSWORD gateway.auth.password",
    ]);
  });

  test("camel case becomes words", () => {
    expect(envName(["gateway", "reload", "debounceMs"])).toBe("CLAWDBOT_GATEWAY_RELOAD_DEBOUNCE_MS");
    expect(envName(["a", "baseUrl2Go"])).toBe("CLAWDBOT_A_BASE_URL2_GO");
  });

  test("two settings with one name are refused when the schema is built", () => {
    const text = z.string().optional();
    const twice = rootSchema({
      pets: z.strictObject({ catFood: text, cat: z.strictObject({ food: text }).prefault({}) }),
    });
    expect(() => leavesOf(twice)).toThrow(
      'Cannot derive CLAWDBOT_PETS_CAT_FOOD: both "pets.catFood" and "pets.cat.food" have that name',
    );
  });

  test("a setting that takes an alias or the name of a place is refused", () => {
    const text = z.string().optional();
    const alias = z.strictObject({
      gateway: z.strictObject({ token: text, auth: z.strictObject({ token: text }) }),
    });
    expect(() => envNames(leavesOf(alias))).toThrow(
      'Cannot use CLAWDBOT_GATEWAY_TOKEN for "gateway.auth.token": it is the name of "gateway.token"',
    );
    const place = z.strictObject({ state: z.strictObject({ dir: text }) });
    expect(() => envNames(leavesOf(place))).toThrow(
      'Cannot use CLAWDBOT_STATE_DIR for "state.dir": it names a place',
    );
  });
});

describe("values", () => {
  const cases: [string, string, unknown][] = [
    ["CLAWDBOT_GATEWAY_PORT", " 8080 ", 8080],
    ["CLAWDBOT_GATEWAY_PORT", "8e3", "8e3"],
    ["CLAWDBOT_GATEWAY_PORT", "0x50", "0x50"],
    ["CLAWDBOT_GATEWAY_BIND", "lan", "lan"],
    ["CLAWDBOT_GATEWAY_TOKEN", " kept as it is ", " kept as it is "],
    ["CLAWDBOT_GATEWAY_METRICS_PUBLIC", "TRUE", true],
    ["CLAWDBOT_GATEWAY_METRICS_PUBLIC", "1", true],
    ["CLAWDBOT_GATEWAY_METRICS_PUBLIC", "no", false],
    ["CLAWDBOT_GATEWAY_METRICS_PUBLIC", "constructor", "constructor"],
    ["CLAWDBOT_GATEWAY_ALLOWED_HOSTS", "a.local, b.local,", ["a.local", "b.local"]],
    ["CLAWDBOT_GATEWAY_ALLOWED_HOSTS", '["a.local"]', ["a.local"]],
    ["CLAWDBOT_AGENTS_DEFAULTS_MODEL", "ollama/qwen3", "ollama/qwen3"],
    ["CLAWDBOT_AGENTS_DEFAULTS_MODEL", '{"primary":"a/b"}', { primary: "a/b" }],
    ["CLAWDBOT_AGENTS_LIST", '[{"id":"main"}]', [{ id: "main" }]],
    ["CLAWDBOT_MODELS_PROVIDERS", '{"x":{"baseUrl":"http://x/v1"}}', { x: { baseUrl: "http://x/v1" } }],
  ];
  test.each(cases)("%s=%s", (name, text, value) => {
    const { given, warnings, unused } = fromEnvironment(names, { [name]: text });
    expect({ warnings, unused }).toEqual({ warnings: [], unused: [] });
    expect(given).toHaveLength(1);
    expect(given[0]).toMatchObject({ layer: "env", name, error: undefined });
    expect(given[0]?.value).toEqual(value);
  });

  test("an empty variable sets nothing", () => {
    expect(fromEnvironment(names, { CLAWDBOT_GATEWAY_PORT: "", CLAWDBOT_NOPE: "" })).toEqual({
      given: [],
      warnings: [],
      unused: [],
    });
  });

  const wrong: [Record<string, string>, string][] = [
    [
      { CLAWDBOT_GATEWAY_PORT: "eighty" },
      "Cannot use CLAWDBOT_GATEWAY_PORT: wanted a whole number from 0 to 65535, got text",
    ],
    [
      { CLAWDBOT_GATEWAY_PORT: "99999" },
      "Cannot use CLAWDBOT_GATEWAY_PORT: wanted a whole number from 0 to 65535, got 99999",
    ],
    [
      { CLAWDBOT_GATEWAY_LOG_LEVEL: "loud" },
      'Cannot use CLAWDBOT_GATEWAY_LOG_LEVEL: wanted "debug", "info", "warn" or "error"',
    ],
    [
      { CLAWDBOT_AGENTS_LIST: "[{" },
      'Cannot use CLAWDBOT_AGENTS_LIST: wanted JSON, but a "}" is missing at the end',
    ],
    [
      { CLAWDBOT_AGENTS_LIST: '[{"id":"a b"}]' },
      "Cannot use CLAWDBOT_AGENTS_LIST (agents.list.0.id): wanted letters, digits, - and _, at most 64",
    ],
    [
      { CLAWDBOT_MODELS_PROVIDERS: '{"__proto__":{}}' },
      'Cannot use CLAWDBOT_MODELS_PROVIDERS: wanted JSON, but the key "__proto__" is not allowed',
    ],
    [
      { CLAWDBOT_AGENTS_DEFAULTS_MODEL: '{"primray":"x/y"}' },
      'Cannot use CLAWDBOT_AGENTS_DEFAULTS_MODEL: "agents.defaults.model.primray": there is no such key, did you mean "agents.defaults.model.primary"',
    ],
    [
      { CLAWDBOT_GATEWAY_AUTH_TOKEN: "one", CLAWDBOT_GATEWAY_TOKEN: "two" },
      "Cannot use CLAWDBOT_GATEWAY_TOKEN: CLAWDBOT_GATEWAY_AUTH_TOKEN is set to something else",
    ],
  ];
  test.each(wrong)("%o", (env, message) => {
    const result = layered("{}", { env });
    expect(result.valid).toBe(false);
    if (result.valid) return;
    expect(result.errors.map((error) => error.message)).toEqual([message]);
    expect(result.errors[0]).toMatchObject({ layer: "env", name: Object.keys(env).at(-1) });
    expect(result.errors[0]?.file).toBeUndefined();
  });

  test("an alias beside its equal is no contradiction", () => {
    const result = layered("{}", {
      env: { CLAWDBOT_GATEWAY_AUTH_TOKEN: "same", CLAWDBOT_GATEWAY_TOKEN: "same" },
    });
    expect(result.valid && result.config.gateway.auth.token).toBe("same");
  });
});

describe("names that set nothing", () => {
  test("a mistyped one is told with the nearest", () => {
    const { warnings } = fromEnvironment(names, {
      CLAWDBOT_GATEWAY_PROT: "1",
      CLAWDBOT_STATE_DRI: "/x",
      CLAWDBOT_QUITE_ANOTHER_THING: "1",
      OTHER_GATEWAY_PORT: "1",
    });
    expect(warnings).toEqual([
      'Cannot use the variable "CLAWDBOT_GATEWAY_PROT": it sets nothing, did you mean CLAWDBOT_GATEWAY_PORT',
      'Cannot use the variable "CLAWDBOT_QUITE_ANOTHER_THING": it sets nothing',
      'Cannot use the variable "CLAWDBOT_STATE_DRI": it sets nothing, did you mean CLAWDBOT_STATE_DIR',
    ]);
  });

  test("those of the system we replace are listed together", () => {
    const result = layered("{}", {
      env: {
        CLAWDBOT_SKIP_CRON: "1",
        CLAWDBOT_NIX_MODE: "1",
        CLAWDBOT_CONFIG_PATH: "/x",
        CLAWDBOT_STATE_DIR: "/y",
      },
    });
    expect(result.warnings.map(({ message }) => message)).toEqual([
      "Not used here: CLAWDBOT_NIX_MODE, CLAWDBOT_SKIP_CRON",
    ]);
  });
});

describe("flags", () => {
  test("text is read as in the environment, other values are taken as they are", () => {
    const given = fromFlags(leaves, [
      { key: "gateway.port", name: "--port", value: "0" },
      { key: "gateway.port", name: "port", value: 7 },
    ]);
    expect(given.map(({ value }) => value)).toEqual([0, 7]);
  });

  test("an error names the flag", () => {
    const result = layered(undefined, {
      flags: [{ key: "gateway.bind", name: "--bind", value: "everywhere" }],
    });
    expect(!result.valid && result.errors).toEqual([
      {
        layer: "flag",
        name: "--bind",
        key: "gateway.bind",
        message: 'Cannot use --bind: wanted "loopback", "lan", "tailnet" or an IP address',
      },
    ]);
  });

  test("a flag for no key is our own mistake", () => {
    expect(() => fromFlags(leaves, [{ key: "gateway.prot", name: "--port", value: "1" }])).toThrow(
      'Cannot use --port: there is no configuration key "gateway.prot"',
    );
  });
});
