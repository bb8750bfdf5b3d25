import type { AgentEnvironment, AgentEvent, AgentRuntime, AgentTurn, Runner } from "../../src/ports.ts";

/** One turn given to the scripted agent; the test says what it answers and when. */
export interface ScriptedTurn {
  readonly turn: AgentTurn;
  readonly signal: AbortSignal;
  readonly environment: AgentEnvironment;
  readonly models: readonly string[];
  /** What the turn's messages say, as `role: text`. */
  readonly said: readonly string[];
  say(...events: AgentEvent[]): void;
  end(): void;
  fail(error: unknown): void;
}

export interface ScriptedRunner {
  readonly runner: Runner;
  readonly turns: ScriptedTurn[];
  /** Sessions whose agents were let go. */
  readonly closed: string[];
  started(count: number): Promise<ScriptedTurn>;
}

/** Messages as one line each: `user: hello`. */
export function linesOf(turn: AgentTurn): string[] {
  return turn.messages.map(({ role, parts }) => {
    const said = parts.map((part) => {
      if (part.type === "text") return part.text;
      if (part.type === "image") return `[${part.mimeType}]`;
      return `[${part.name}: ${part.result ?? "cut off"}]`;
    });
    return `${role}: ${said.join(" ")}`;
  });
}

/**
 * An agent whose every word is the test's. Ignores its signal unless told otherwise: the worst that can be
 * met.
 */
export function createScriptedRunner(
  window = { contextWindow: 100_000, keepsHistory: false },
  /** Does not even end when it is no longer listened to. */
  isStubborn = false,
): ScriptedRunner {
  const turns: ScriptedTurn[] = [];
  const waiters: (() => void)[] = [];
  const closed: string[] = [];

  function runtimeFor(environment: AgentEnvironment): AgentRuntime {
    return {
      ...window,
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
          environment,
          models: environment.models,
          said: linesOf(turn),
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
        try {
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
        } finally {
          if (isStubborn) await new Promise(() => {});
        }
      },
    };
  }

  return {
    turns,
    closed,
    runner: {
      open: async (environment) => runtimeFor(environment),
      close: async (sessionKey) => void closed.push(sessionKey),
    },
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
