import { expect, test } from "bun:test";
import { z } from "zod";
import { createSystemFeature } from "../../../src/features/system/feature.ts";
import { createLocalGateway } from "../../support/local.ts";

function setup() {
  const { hub, time, crypto, log, parts } = createLocalGateway();
  const told: string[] = [];
  const changes = { clients: () => {}, runs: () => {} };
  const stops: (() => void | Promise<void>)[] = [];
  const feature = createSystemFeature({
    health: () => parts.server.health(),
    status: () => {
      throw new Error("not asked for here");
    },
    presence: () => hub.presence(),
    restart: () => {
      throw new Error("not asked for here");
    },
    onClients(work) {
      changes.clients = work;
      return () => {};
    },
    onRuns(work) {
      changes.runs = work;
      return () => {};
    },
  });
  feature.start({
    config: () => z.object({}).parse({}),
    publish: (event) => void told.push(event),
    clock: time.clock,
    timers: time.timers,
    crypto,
    log,
    onStop: (stop) => void stops.push(stop),
  });
  return { time, told, changes, stops };
}

test("health is told when runs change, not only clients; several changes make one event", () => {
  const { time, told, changes } = setup();
  for (let n = 0; n < 10; n++) changes.runs();
  time.advance(1_000);
  expect(told).toEqual(["health"]);
  changes.clients();
  time.advance(2_000);
  expect(told.toSorted()).toEqual(["health", "health", "presence"]);
});

test("a stop leaves no timer", () => {
  const { time, changes, stops } = setup();
  changes.clients();
  changes.runs();
  expect(time.pending()).toBeGreaterThan(0);
  for (const stop of stops) void stop();
  expect(time.pending()).toBe(0);
});
