import { LIMITS } from "../../contract/limits.ts";
import { readableOf } from "../../features/channels/answer-text.ts";
import { runsContract } from "../../features/runs/contract.ts";
import type { PluginSessions, RunEnd } from "../api.ts";
import type { PluginGate } from "../running.ts";

const WAIT_MS = 30_000;
const HISTORY = 50;
/** Messages of a run come last: its answer is among these, unless others have answered since. */
const ANSWERS = 20;

const { methods } = runsContract;

/** What a plugin does with sessions, in the methods of the gateway; whether it may is decided behind them. */
export function createPluginSessions(
  gate: Pick<PluginGate, "request">,
  newKey: () => string,
): PluginSessions {
  async function history(sessionKey: string, limit: number) {
    const { messages } = methods["chat.history"].result.parse(
      await gate.request("chat.history", { sessionKey, limit }),
    );
    return messages.map(({ role, content, ts, runId }) => ({ role, text: readableOf(content), ts, runId }));
  }

  async function answerOf(runId: string, sessionKey: string): Promise<string> {
    const said = (await history(sessionKey, ANSWERS)).filter(
      (message) => message.runId === runId && message.role === "assistant",
    );
    return said.map(({ text }) => text).join("\n\n");
  }

  return {
    async send({ instructions, idempotencyKey = newKey(), ...message }) {
      const { runId, sessionKey } = methods.agent.result.parse(
        await gate.request("agent", {
          ...message,
          idempotencyKey,
          ...(instructions !== undefined && { extraSystemPrompt: instructions }),
        }),
      );
      return { runId, sessionKey };
    },

    async wait({ runId, sessionKey }, timeoutMs = WAIT_MS): Promise<RunEnd> {
      const wanted = { runId, timeoutMs: Math.min(timeoutMs, LIMITS.waitMsMax) };
      const { status, error } = methods["agent.wait"].result.parse(await gate.request("agent.wait", wanted));
      if (status === "timeout") return { runId, status };
      const text = await answerOf(runId, sessionKey);
      return { runId, status, text, ...(error && { error: error.message }) };
    },

    async inject(sessionKey, text) {
      await gate.request("chat.inject", { sessionKey, message: text });
    },

    async abort(sessionKey, runId) {
      await gate.request("chat.abort", { sessionKey, ...(runId !== undefined && { runId }) });
    },

    history: (sessionKey, limit = HISTORY) => history(sessionKey, limit),
  };
}
