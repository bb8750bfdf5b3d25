import { RpcError } from "../../contract/errors.ts";

/** What one run may use. */
export interface Budget {
  readonly timeoutMs: number;
  /** Input and output of all its model calls. */
  readonly tokensMax: number;
  readonly toolCallsMax: number;
  /** Of all its agent says as JSON, as it is stored and sent; tools' answers included. */
  readonly outputBytesMax: number;
}

/** What it has used. */
export interface Used {
  readonly tokens: number;
  readonly toolCalls: number;
  readonly outputBytes: number;
}

/** @returns why the run may not go on */
export function overBudget(budget: Budget, used: Used): RpcError | undefined {
  const { tokensMax, toolCallsMax, outputBytesMax } = budget;
  if (used.outputBytes > outputBytesMax)
    return over(`the answer is longer than ${outputBytesMax} bytes`, outputBytesMax);
  if (used.toolCalls > toolCallsMax) return over(`more than ${toolCallsMax} tool calls`, toolCallsMax);
  if (used.tokens > tokensMax) return over(`more than ${tokensMax} tokens`, tokensMax);
  return undefined;
}

function over(state: string, bound: number): RpcError {
  return new RpcError("too_large", `Cannot go on with the run: ${state}`, { details: { bound } });
}
