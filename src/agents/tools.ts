import type { AgentEnvironment } from "../ports.ts";

/** A tool as a model is told of it. */
export interface ToolSpec {
  /** At most 64 of a-z, A-Z, 0-9, `_` and `-`: what every provider takes. */
  readonly name: string;
  readonly description: string;
  /** JSON Schema of an object */
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

export interface ToolAnswer {
  /** What the model is told. */
  readonly text: string;
  /** What went wrong is told to the model, which may try something else. */
  readonly isError: boolean;
}

export interface ToolCall {
  readonly name: string;
  /** JSON text, as the model wrote it: perhaps no JSON at all */
  readonly args: string;
  readonly signal: AbortSignal;
  /** Told of progress, in words. */
  onUpdate(text: string): void;
}

/** The tools one agent may use now, those it may not use already taken out. */
export interface ToolSet {
  readonly specs: readonly ToolSpec[];
  /** Never rejects: a tool that fails, and one that is not there, is an answer with `isError`. */
  call(call: ToolCall): Promise<ToolAnswer>;
}

/** Where tools come from. */
export interface ToolSource {
  /**
   * Starts what has to be started, when it is first asked. Never rejects: what cannot be had is left out and
   * logged.
   */
  open(environment: AgentEnvironment): Promise<ToolSet>;
}

/** For agents without tools. */
export const NO_TOOLS: ToolSet = {
  specs: [],
  call: async ({ name }) => ({ text: `Cannot call tool "${name}": there is no such tool`, isError: true }),
};

/** Two sources as one; of two tools of one name the first is there. */
export function bothTools(first: ToolSource, second: ToolSource): ToolSource {
  return {
    async open(environment) {
      const sets: readonly ToolSet[] = await Promise.all([first.open(environment), second.open(environment)]);
      const specs = sets.flatMap((set) => set.specs);
      const seen = new Map(specs.toReversed().map((spec) => [spec.name, spec]));
      return {
        specs: specs.filter((spec) => seen.get(spec.name) === spec),
        call(call) {
          const owner = sets.find((set) => set.specs.some((spec) => spec.name === call.name));
          return (owner ?? NO_TOOLS).call(call);
        },
      };
    },
  };
}
