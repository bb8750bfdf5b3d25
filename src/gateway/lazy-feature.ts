import type { AnyHandler, Feature, FeatureContext } from "../feature.ts";

/** A feature whose contract is known at the start, and whose code is loaded when somebody first asks. */
export function lazyFeature(
  { name, methods, events }: Pick<Feature, "name" | "methods" | "events">,
  load: () => Promise<Feature>,
): Feature {
  return { name, methods, events, config: undefined, start };

  function start(ctx: FeatureContext): ReturnType<Feature["start"]> {
    let started: Promise<ReturnType<Feature["start"]>> | undefined;
    const loaded = (): Promise<ReturnType<Feature["start"]>> =>
      (started ??= load()
        .then((feature) => feature.start(ctx))
        .catch((error: unknown) => {
          started = undefined;
          throw error;
        }));
    const ask =
      (method: string): AnyHandler =>
      async (params, call) =>
        (await loaded()).handlers[method]?.(params, call);
    return { handlers: Object.fromEntries(Object.keys(methods).map((method) => [method, ask(method)])) };
  }
}
