import type { Feature } from "../../feature.ts";
import { type AgentInfo, agentsContract, type ModelInfo } from "./contract.ts";

interface AgentsParts {
  /** Begins with the configuration as it is; the returned function takes that back. */
  readonly begin: () => () => void;
  readonly agents: () => {
    readonly defaultId: string;
    readonly mainKey: string;
    readonly scope: "per-sender" | "global";
    readonly agents: AgentInfo[];
  };
  readonly models: () => Promise<{
    readonly models: readonly ModelInfo[];
    readonly failed: readonly { readonly provider: string; readonly message: string }[];
  }>;
}

/**
 * Who answers the runs. A change of models starts it anew; runs that go on keep the agent they began with.
 */
export function createAgentsFeature({ begin, agents, models }: AgentsParts): Feature {
  return agentsContract.implement(({ onStop }) => {
    onStop(begin());
    return {
      handlers: {
        "agents.list": () => agents(),
        "models.list": async () => {
          const { models: found, failed } = await models();
          return { models: [...found], failed: [...failed] };
        },
      },
    };
  });
}
