// Clients whose connections are cut whenever chance has it, over gateways that are restarted and killed:
// each gets what it may see and asked for, in order and once, or is told that it has not.
import { expect, test } from "bun:test";
import { CutClient, Gateways, NAMES, SESSIONS } from "./cuts.ts";
import { createRandom, type Random } from "./random.ts";

const SEED = 20_260_511;
const CUTS = Number(process.env["CUTS"] ?? 100_000);
/** A world ends after so many, so that a failure can be looked at. */
const CUTS_OF_WORLD = 200;
/** Long events that leave the ring nothing else. */
const FLOOD = 4;

interface World {
  readonly gateways: Gateways;
  readonly clients: readonly CutClient[];
  readonly random: Random;
  readonly seen: { cuts: number; restarts: number; crashes: number; slow: number };
}

function publish({ gateways, clients, random, seen }: World, count: number, isLong = false): void {
  for (let n = 0; n < count; n++) {
    const one = gateways.publish(random, isLong);
    for (const client of clients) {
      client.expect(one);
      if (!client.isEnded) continue;
      seen.slow++;
      client.cut(random);
    }
  }
}

function cutAll({ clients, random, seen }: World): void {
  for (const client of clients) {
    if (client.isConnected) seen.cuts++;
    client.cut(random);
  }
}

/** Something happens to one client, or to the gateway. */
function step(world: World): void {
  const { clients, random, seen, gateways } = world;
  const client = random.oneOf(clients);
  if (!client) return;
  if (random.chance(0.004)) {
    seen.restarts++;
    cutAll(world);
    // A gateway that stops has more to say after the last socket has gone.
    publish(world, random.below(3));
    if (random.chance(0.1)) publish(world, FLOOD, true);
    return gateways.restart();
  }
  if (random.chance(0.002)) {
    seen.crashes++;
    cutAll(world);
    publish(world, random.below(2));
    return gateways.crash();
  }
  if (random.chance(0.0002)) return publish(world, FLOOD, true);
  if (!client.isConnected) return client.connect(random);
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      seen.cuts++;
      return client.cut(random);
    case 3:
    case 4:
      return client.stall(random.pick([0, 0, 2]));
    case 5:
      return client.read(random.pick([1, 3, 1_000]));
    case 6:
      return client.readAll();
    default:
      return client.subscribe({
        ...(random.chance(0.8) && {
          sessions: random.chance(0.3) ? "all" : SESSIONS.filter(() => random.chance(0.4)),
        }),
        ...(random.chance(0.2) && { events: NAMES.filter(() => random.chance(0.6)) }),
      });
  }
}

function run(number: number): Record<string, number> {
  const random = createRandom(SEED, number);
  const gateways = new Gateways();
  const clients = ["a", "b", "c", "d"].map((name) => new CutClient(gateways, name));
  const seen = { cuts: 0, restarts: 0, crashes: 0, slow: 0 };
  const world: World = { gateways, clients, random, seen };
  while (seen.cuts < CUTS_OF_WORLD) {
    step(world);
    publish(world, random.pick([0, 1, 2, 6]));
  }
  for (const client of clients) {
    if (!client.isConnected) client.connect(random);
    client.settle();
  }
  return clients.reduce<Record<string, number>>((sum, client) => add(sum, client.seen), { ...seen });
}

function add(sum: Record<string, number>, more: Readonly<Record<string, number>>): Record<string, number> {
  for (const [name, count] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

test(`after ${CUTS.toLocaleString("en")} random cuts no gap was silent`, () => {
  const total: Record<string, number> = {};
  const worlds = Math.ceil(CUTS / CUTS_OF_WORLD);
  for (let number = 0; number < worlds; number++) {
    try {
      add(total, run(number));
    } catch (error) {
      throw new Error(`seed ${SEED}, world ${number}: ${String(error)}`, { cause: error });
    }
  }
  console.log(`${worlds} worlds: ${JSON.stringify(total)}`);
  // Else the worlds do not come to what they are for.
  expect(total["cuts"]).toBeGreaterThanOrEqual(CUTS);
  for (const count of Object.values(total)) expect(count).toBeGreaterThan(CUTS / 2_000);
}, 120_000);
