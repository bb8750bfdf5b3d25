import { createInProcess } from "../../src/plugins/run/in-process.ts";
import type { Plugin } from "../../src/plugins/api.ts";
import type { RunningPlugin } from "../../src/plugins/running.ts";
import { createMemoryGate, type MemoryGate, plainCapable } from "./plugin-gate.ts";
import { createFakeTime } from "./time.ts";
import { RpcError } from "../../src/contract/errors.ts";

type Json = Readonly<Record<string, unknown>>;

/** How the agents of a world answer: `undefined` goes on until it is told otherwise. */
export interface AgentEnd {
  readonly status: "ok" | "error" | "aborted" | "interrupted";
  readonly text?: string;
  readonly error?: string;
}

/** Agents as a plugin meets them through its gate: the same key in the same session is the same run. */
export function createAgents(
  answer: (message: string) => AgentEnd | undefined = () => ({ status: "ok", text: "done" }),
) {
  const runs = new Map<string, { readonly runId: string; readonly message: string }>();
  const ends = new Map<string, PromiseWithResolvers<AgentEnd>>();
  const agents = {
    answer,
    /** `sessionKey message` of each run that was begun. */
    begun: [] as string[],
    injected: [] as string[],
    aborted: [] as string[],
    /** Set: nothing can be asked of any agent. */
    broken: undefined as RpcError | undefined,
    end: (runId: string, end: AgentEnd) => ends.get(runId)?.resolve(end),
    async request(method: string, params: Json): Promise<unknown> {
      if (agents.broken) throw agents.broken;
      const sessionKey = String(params["sessionKey"]);
      if (method === "agent") {
        const key = `${sessionKey} ${String(params["idempotencyKey"])}`;
        const message = String(params["message"]);
        const known = runs.get(key);
        if (known && known.message !== message) throw new RpcError("conflict", "Cannot send: key is used");
        const runId = known?.runId ?? `run-${runs.size + 1}`;
        if (!known) {
          runs.set(key, { runId, message });
          agents.begun.push(`${sessionKey} ${message}`);
          const end = Promise.withResolvers<AgentEnd>();
          ends.set(runId, end);
          const now = agents.answer(message);
          if (now) end.resolve(now);
        }
        return { runId, sessionKey, status: "accepted", acceptedAt: 1 };
      }
      if (method === "agent.wait") {
        const { status, error } = (await ends.get(String(params["runId"]))?.promise) ?? {
          status: "ok" as const,
        };
        return {
          runId: params["runId"],
          status,
          ...(error !== undefined && { error: { code: "internal", message: error } }),
        };
      }
      if (method === "chat.history") {
        const said = await Promise.all(
          [...ends].map(async ([runId, { promise }]) => ({
            runId,
            end: await Promise.race([promise, Promise.resolve(undefined)]),
          })),
        );
        const messages = said.flatMap(({ runId, end }) =>
          end?.text === undefined
            ? []
            : [{ id: runId, role: "assistant", content: [{ type: "text", text: end.text }], ts: 1, runId }],
        );
        return { sessionKey, messages };
      }
      if (method === "chat.inject") agents.injected.push(`${sessionKey} ${String(params["message"])}`);
      if (method === "chat.abort") agents.aborted.push(String(params["runId"]));
      return { messageId: "m", aborted: true, runIds: [] };
    },
  };
  return agents;
}

/** All that a plugin has done once nothing of it is left to do now. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A time whose clock can be set, and which says how long its timers rest. */
export function createWorld(start: string, request: (method: string, params: Json) => unknown) {
  const time = createFakeTime(0);
  let offsetMs = Date.parse(start);
  const rests: number[] = [];
  const gate: MemoryGate = createMemoryGate({ request });
  const running: RunningPlugin[] = [];
  const clock = { ...time.clock, now: () => time.clock.now() + offsetMs };
  return {
    gate,
    rests,
    now: () => clock.now(),
    after: (ms: number): Promise<void> => new Promise((resolve) => void time.timers.after(ms, resolve)),
    /** The clock is set: no timer hears of it. */
    setClock: (to: string) => void (offsetMs = Date.parse(to) - time.clock.now()),
    /** Time passes, a second or less at a time, and what comes of it is done. */
    async pass(ms: number, stepMs = 1_000): Promise<void> {
      await settled();
      for (let left = ms; left > 0; left -= stepMs) {
        time.advance(Math.min(left, stepMs));
        await settled();
      }
    },
    async start(plugin: Plugin, config: unknown = {}) {
      const begin = createInProcess({
        loader: {
          loadsOnce: false,
          load: async () => ({
            exports: { default: plugin },
            run: (work, ...args) => work(...args),
            dispose() {},
          }),
        },
        clock,
        timers: { ...time.timers, after: (ms, work) => (rests.push(ms), time.timers.after(ms, work)) },
        newKey: () => crypto.randomUUID(),
        capable: plainCapable,
      });
      const made = await begin(
        { id: plugin.id, directory: "/", entry: "", config, grants: {}, env: {} },
        gate,
      );
      running.push(made);
      made.begin();
      await settled();
      return made;
    },
    async stop() {
      await Promise.all(running.splice(0).map((plugin) => plugin.stop()));
      await settled();
    },
  };
}

/** Calls a method of a plugin as the gateway does, its schemas included. @returns what a client is sent */
export async function call(
  plugin: RunningPlugin,
  name: string,
  params: Json = {},
): Promise<ReturnType<typeof JSON.parse>> {
  const { methods } = plugin.feature;
  const method = methods[name];
  const handler = plugin.handlers[name];
  if (!method || !handler) throw new Error(`no method ${name}`);
  const read = method.params.safeParse(params);
  if (!read.success) throw new RpcError("invalid_params", JSON.stringify(read.error.issues));
  const answer: unknown = await handler(read.data as never, {
    caller: {
      connId: "c",
      subject: "s",
      name: "n",
      scopes: ["admin"],
      connectedMs: 0,
      onGone: () => () => {},
    },
    fail(code, message) {
      throw new RpcError(code, message);
    },
  });
  return JSON.parse(JSON.stringify(method.result.parse(answer)));
}
