import type { Call, Feature, Handlers } from "../../feature.ts";
import { configContract } from "./contract.ts";

type Methods = (typeof configContract)["methods"];
export type ConfigAnswers = Handlers<Methods>;

/**
 * The configuration's methods. Who answers them is loaded with the first call: parser, schema and writer are
 * more than the rest of a start, and most gateways run for weeks without one.
 */
export function createConfigFeature(load: () => Promise<ConfigAnswers>): Feature {
  const answer =
    (name: keyof Methods) =>
    async (params: never, call: Call): Promise<unknown> => {
      const answers = await load();
      // The name and its handler are of one contract; a union of handlers has no common parameter.
      return (answers[name] as (params: never, call: Call) => unknown)(params, call);
    };
  const names = Object.keys(configContract.methods) as (keyof Methods)[];
  const handlers = Object.fromEntries(names.map((name) => [name, answer(name)]));
  const { name, methods, events } = configContract;
  return { name, methods, events, config: undefined, start: () => ({ handlers }) };
}
