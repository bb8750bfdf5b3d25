import { RpcError } from "../../contract/errors.ts";

/** What one run may use. */
export interface Budget {
  readonly timeoutMs: number;
  /** Input and output of all its model calls. */
  readonly tokensMax: number;
  readonly toolCallsMax: number;
  /** UTF-8 of all its agent says, tools' answers included. */
  readonly outputBytesMax: number;
}

/** What it has used. */
export interface Used {
  readonly tokens: number;
  readonly toolCalls: number;
  readonly outputBytes: number;
}

/** @returns why the run may not go on */
export function overBudget(budget: Budget, used: Used): OverBudget | undefined {
  const { tokensMax, toolCallsMax, outputBytesMax } = budget;
  if (used.outputBytes > outputBytesMax)
    return new OverBudget(`the answer is longer than ${outputBytesMax} bytes`, outputBytesMax);
  if (used.toolCalls > toolCallsMax)
    return new OverBudget(`more than ${toolCallsMax} tool calls`, toolCallsMax);
  if (used.tokens > tokensMax) return new OverBudget(`more than ${tokensMax} tokens`, tokensMax);
  return undefined;
}

/** Another too much than that of a model, whose window is too small. */
export class OverBudget extends RpcError {
  constructor(state: string, bound: number) {
    super("too_large", `Cannot go on with the run: ${state}`, { details: { bound } });
  }
}
