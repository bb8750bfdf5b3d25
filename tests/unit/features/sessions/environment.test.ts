import { expect, test } from "bun:test";
import { LIMITS } from "../../../../src/contract/limits.ts";
import { RpcError } from "../../../../src/contract/errors.ts";
import { rootSchema } from "../../../../src/config/schema.ts";
import {
  type EnvironmentConfig,
  environmentOf,
  type SessionSettings,
} from "../../../../src/features/sessions/environment.ts";
import type { StoredSession } from "../../../../src/features/sessions/sessions.ts";

function configOf(text: object): EnvironmentConfig {
  // The schema of the whole file says what it gives.
  return rootSchema().parse(text) as unknown as EnvironmentConfig;
}

function session(settings: SessionSettings = {}, more: Partial<StoredSession> = {}): StoredSession {
  return {
    id: "row",
    key: "agent:work:telegram:group:1",
    sessionId: "sid",
    agentId: "work",
    settings,
    createdAtMs: 1,
    updatedAtMs: 1,
    messages: 0,
    historyStart: 0,
    contextStart: 0,
    contextTokens: 0,
    inputTokens: 0,
    outputTokens: 0,
    ...more,
  };
}

const FULL = configOf({
  agents: {
    defaults: {
      model: { primary: "a/default", fallbacks: ["a/second"] },
      systemPrompt: "of all",
      workspace: "/srv/all",
      env: { A: "all", B: "all", C: "all" },
      limits: { tokensMax: 10, toolCallsMax: 11 },
      timeoutSeconds: 60,
    },
    list: [
      {
        id: "Work",
        model: "a/work",
        systemPrompt: "of work",
        workspace: "~/work",
        env: { B: "work", C: "work" },
        limits: { toolCallsMax: 21, outputBytesMax: 22 },
        tools: { allow: ["files__*"], deny: ["files__rm"], approve: ["files__write"] },
      },
    ],
  },
  tools: { allow: ["*"], deny: ["shell__*"], approve: ["mail__*"] },
  messages: { queue: { mode: "followup", byChannel: { telegram: "steer+backlog" } } },
});

test("nothing configured: the defaults, below the home directory", () => {
  expect(environmentOf(session({}, { key: "main", agentId: "main" }), configOf({}), "/home/ann")).toEqual({
    environment: {
      sessionKey: "main",
      sessionId: "sid",
      agentId: "main",
      models: [],
      workspace: "/home/ann/clawd",
      env: {},
      tools: {},
    },
    instructions: undefined,
    limits: {
      timeoutMs: LIMITS.runTimeoutMs,
      tokensMax: LIMITS.runTokensMax,
      toolCallsMax: LIMITS.runToolCallsMax,
      outputBytesMax: LIMITS.runBytesMax,
    },
    queueMode: "collect",
  });
});

test("an agent's own over everybody's; what is denied adds up", () => {
  expect(environmentOf(session({}, { note: "kept" }), FULL, "/home/ann")).toEqual({
    environment: {
      sessionKey: "agent:work:telegram:group:1",
      sessionId: "sid",
      agentId: "work",
      models: ["a/work"],
      workspace: "/home/ann/work",
      env: { A: "all", B: "work", C: "work" },
      tools: { allow: ["files__*"], deny: ["shell__*", "files__rm"], approve: ["mail__*", "files__write"] },
      note: "kept",
    },
    instructions: "of work",
    limits: { timeoutMs: 60_000, tokensMax: 10, toolCallsMax: 21, outputBytesMax: 22 },
    queueMode: "steer",
  });
});

test("a session's own over its agent's", () => {
  const own: SessionSettings = {
    instructions: "of this one",
    workspace: "/tmp/this",
    env: { C: "this", D: "this" },
    tools: { allow: [], deny: ["mail__*"] },
    limits: { timeoutMs: 5, outputBytesMax: 6 },
    queueMode: "interrupt",
  };
  expect(environmentOf(session(own, { model: "b/own" }), FULL, "/home/ann")).toEqual({
    environment: {
      sessionKey: "agent:work:telegram:group:1",
      sessionId: "sid",
      agentId: "work",
      models: ["b/own"],
      workspace: "/tmp/this",
      env: { A: "all", B: "work", C: "this", D: "this" },
      tools: {
        allow: [],
        deny: ["shell__*", "files__rm", "mail__*"],
        approve: ["mail__*", "files__write"],
      },
    },
    instructions: "of this one",
    limits: { timeoutMs: 5, tokensMax: 10, toolCallsMax: 21, outputBytesMax: 6 },
    queueMode: "interrupt",
  });
});

test("without its agent, whose rules may be stricter than everybody's, a session does not run", () => {
  const of = (agentId: string, config: EnvironmentConfig) => () =>
    environmentOf(session({}, { key: `agent:${agentId}:x`, agentId }), config, "/home/ann");
  expect(of("gone", FULL)).toThrow(
    new RpcError("not_found", 'Cannot run in session "agent:gone:x": no agent "gone" is configured'),
  );
  // The implied agent is there only as long as none is listed.
  expect(of("main", FULL)).toThrow('no agent "main" is configured');
  expect(of("gone", configOf({}))).toThrow('no agent "gone" is configured');
  expect(of("main", configOf({}))().environment.agentId).toBe("main");
});

test("a workspace that is not absolute is refused, by name", () => {
  const config = configOf({ agents: { defaults: { workspace: "here/there" }, list: [{ id: "work" }] } });
  expect(() => environmentOf(session(), config, "/home/ann")).toThrow(
    'Cannot use workspace "here/there" of session "agent:work:telegram:group:1": not absolute',
  );
});

test.each([
  ["followup", "followup"],
  ["collect", "collect"],
  ["steer", "steer"],
  ["interrupt", "interrupt"],
  ["queue", "steer"],
  ["steer-backlog", "steer"],
] as const)("queue mode %s of the configuration is %s", (mode, wanted) => {
  const config = configOf({ agents: { list: [{ id: "work" }] }, messages: { queue: { mode } } });
  expect(environmentOf(session(), config, "/h").queueMode).toBe(wanted);
});
