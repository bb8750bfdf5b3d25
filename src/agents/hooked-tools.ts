import { isEqual } from "../config/equal.ts";
import type { Hooks } from "../hooks.ts";
import type { AgentEnvironment } from "../ports.ts";
import { needsApproval } from "./policy.ts";
import type { ToolAnswer, ToolCall, ToolSet, ToolSource } from "./tools.ts";

/** Tools whose calls and answers pass the plugins that listen: denied, changed, or as they were. */
export function hookedTools(tools: ToolSource, hooks: Hooks): ToolSource {
  return {
    async open(environment) {
      const set = await tools.open(environment);
      if (set.specs.length === 0) return set;
      return {
        specs: set.specs,
        call: (call) => hooked(set, hooks, { call, environment }),
      };
    },
  };
}

interface Asked {
  readonly call: ToolCall;
  readonly environment: AgentEnvironment;
}

async function hooked(set: ToolSet, hooks: Hooks, { call, environment }: Asked): Promise<ToolAnswer> {
  const isAsked = hooks.has("before_tool_call");
  const isTold = hooks.has("after_tool_call");
  if (!isAsked && !isTold) return set.call(call);
  const { sessionKey } = environment;
  const tool = call.name;
  const given = argsOf(call.args);
  // What is no object is refused by the tool itself, in its own words.
  if (given === undefined) return set.call(call);
  const before = isAsked ? await hooks.ask("before_tool_call", { sessionKey, tool, args: given }) : {};
  if (before.deny !== undefined) return { text: `Cannot call tool "${tool}": ${before.deny}`, isError: true };
  const args = before.args ?? given;
  // That person has seen what was wanted, and nothing else was allowed.
  if (!isEqual(args, given) && needsApproval(environment.tools, tool))
    return { text: `Cannot call tool "${tool}": a plugin changed what a person had allowed`, isError: true };
  const answer = await set.call(before.args ? { ...call, args: JSON.stringify(args) } : call);
  if (!hooks.has("after_tool_call")) return answer;
  const { text, isError } = answer;
  const after = await hooks.ask("after_tool_call", { sessionKey, tool, args, text, isError });
  return after.text === undefined ? answer : { text: String(after.text), isError };
}

function argsOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text === "" ? "{}" : text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    // Not for us to say: see above.
    return undefined;
  }
}
