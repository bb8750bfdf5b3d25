import { RpcError } from "../contract/errors.ts";
import type { AgentRuntime, Log } from "../ports.ts";

/** One model to try. Opening it may fail like answering: `not_found` for a provider nobody configured. */
export type Candidate = { readonly model: string; open(): AgentRuntime };

/** Failures that another model may not have. `forbidden` and `invalid_request` want a person. */
const PASSED_ON = new Set<string>(["unavailable", "busy", "not_found"]);

/** Asks the next model when one fails before it has said anything; the last one's failure is the answer. */
export function createFallbackRuntime(candidates: readonly Candidate[], log: Log): AgentRuntime {
  return {
    async *prompt(turn, signal) {
      for (const [place, candidate] of candidates.entries()) {
        let isSilent = true;
        try {
          for await (const event of candidate.open().prompt(turn, signal)) {
            isSilent = false;
            yield event;
          }
          return;
        } catch (error) {
          const next = candidates[place + 1]?.model;
          const isPassedOn = isSilent && error instanceof RpcError && PASSED_ON.has(error.code);
          if (!isPassedOn || next === undefined || signal.aborted) throw error;
          const { model } = candidate;
          log.warn("model failed, trying the next", { run: turn.runId, model, next, code: error.code });
        }
      }
    },
  };
}
