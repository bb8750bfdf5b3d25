import type { AgentEvent, AgentRuntime, AgentTurn, Runner } from "../../src/ports.ts";

/** One turn given to the scripted agent; the test says what it answers and when. */
export interface ScriptedTurn {
  readonly turn: AgentTurn;
  readonly signal: AbortSignal;
  readonly models: readonly string[];
  say(...events: AgentEvent[]): void;
  end(): void;
  fail(error: unknown): void;
}

/**
 * An agent whose every word is the test's. Ignores its signal unless told otherwise: the worst that can be
 * met.
 */
export function createScriptedRunner(): {
  runner: Runner;
  turns: ScriptedTurn[];
  started(count: number): Promise<ScriptedTurn>;
} {
  const turns: ScriptedTurn[] = [];
  const waiters: (() => void)[] = [];

  function runtimeFor(models: readonly string[]): AgentRuntime {
    return {
      async *prompt(turn, signal) {
        const queue: (() => AgentEvent | undefined)[] = [];
        let wake: () => void = () => {};
        const add = (step: () => AgentEvent | undefined): void => {
          queue.push(step);
          wake();
        };
        turns.push({
          turn,
          signal,
          models,
          say: (...events) => {
            for (const event of events) add(() => event);
          },
          end: () => add(() => undefined),
          fail: (error) =>
            add(() => {
              throw error;
            }),
        });
        for (const tell of waiters.splice(0)) tell();
        for (;;) {
          const step = queue.shift();
          if (!step) {
            await new Promise<void>((resolve) => void (wake = resolve));
            continue;
          }
          const event = step();
          if (!event) return;
          yield event;
        }
      },
    };
  }

  return {
    turns,
    runner: { open: async (models) => ({ model: models[0] ?? "test/default", runtime: runtimeFor(models) }) },
    /** The turn of this number, when it has been asked for. */
    async started(count) {
      for (;;) {
        const turn = turns[count - 1];
        if (turn) return turn;
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    },
  };
}
