import { z } from "zod";
import { event } from "../../src/contract/define.ts";
import { contract } from "../../src/feature.ts";
import { Hub } from "../../src/rpc/hub.ts";
import { Interest } from "../../src/rpc/interest.ts";
import { createTable } from "../../src/rpc/table.ts";
import type { Row } from "./harness.ts";

const FOLLOWERS = 5;
const CLIENTS = 1_000;
const EVENTS = 200_000;
const AUDIENCE = { sessionKey: "agent:main:followed", owner: "token:nobody" };
const PIECE = { runId: "r".repeat(22), sessionKey: AUDIENCE.sessionKey, delta: "some words of it" };

/** What a piece of an answer costs among many clients of other sessions, beside its followers alone. */
export function followerRows(rounds: number): Row[] {
  const [many, few] = [hubOf(CLIENTS), hubOf(FOLLOWERS)];
  const ours: number[] = [];
  const bare: number[] = [];
  for (const hub of [many, few]) measure(hub);
  for (let round = 0; round < rounds; round++) {
    ours.push(measure(many));
    bare.push(measure(few));
  }
  return [
    {
      name: `a piece of an answer to ${FOLLOWERS} of ${CLIENTS} clients, in process`,
      unit: "µs",
      ours,
      bare,
      target: { atMost: 1.5 },
      note: `here the right column is the same with ${FOLLOWERS} clients in all`,
    },
  ];
}

/** µs for each event. */
function measure(hub: Hub): number {
  const startMs = performance.now();
  for (let offset = 0; offset < EVENTS; offset++)
    hub.broadcast("piece", { ...PIECE, offset }, { dropIfSlow: true, audience: AUDIENCE });
  return ((performance.now() - startMs) * 1_000) / EVENTS;
}

function hubOf(clients: number): Hub {
  const table = createTable();
  const data = () => z.looseObject({});
  const piece = event({ scope: "read", delivery: "must", summary: "", data });
  table.add(
    contract({ name: "bench", methods: {}, events: { piece } }).implement(() => ({ handlers: {} })),
    {},
  );
  const hub = new Hub(table, "bench");
  for (let number = 0; number < clients; number++) {
    const sessions = [number < FOLLOWERS ? AUDIENCE.sessionKey : `agent:main:other-${number}`];
    const interest = new Interest({ scopeMask: 1, subject: `token:${number}` }, { sessions });
    const connId = String(number);
    const presence = { connId, client: "bench", role: "operator" as const, scopes: [], connectedAtMs: 0 };
    // What a connection does with an event is the same however many there are, and left out.
    hub.join({ interest, presence, deliver() {}, end() {} });
  }
  return hub;
}
