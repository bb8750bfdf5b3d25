import { createEventsFeature, type EventsParts } from "../../src/features/events/feature.ts";
import type { Feature } from "../../src/feature.ts";
import { createLocalGateway } from "./local.ts";

interface Options {
  readonly features: readonly Feature[];
  readonly epoch?: string;
  readonly activeRuns?: EventsParts["activeRuns"];
}

/** The core on memory ports with subscriptions. */
export function createSubscribedGateway({ features, epoch, activeRuns = () => [] }: Options) {
  const events = createEventsFeature({
    eventOf: (name) => gateway.table.event(name)?.event,
    toSessionKey: (given) => gateway.parts.toSessionKey(given),
    activeRuns,
  });
  const gateway: ReturnType<typeof createLocalGateway> = createLocalGateway({
    features: [...features, events],
    ...(epoch !== undefined && { epoch }),
  });
  return gateway;
}
