// Restarts in one process: each replaces everything between the configuration and the clients.
import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { startQuiet } from "../support/gateway.ts";

const RESTARTS = 60;

test(`${RESTARTS} restarts leave nothing of the gateways before`, async () => {
  const config = '{ "agents": { "defaults": { "model": "echo/echo" } } }';
  const { gateway, url, token, log } = await startQuiet({ config });

  const starts = (): number => log.filter((line) => line.includes("gateway listening")).length;

  async function restart(times: number): Promise<void> {
    for (let count = 0; count < times; count += 1) {
      const before = starts();
      const response = await fetch(`${url}/rpc`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ id: "1", method: "system.restart", params: { now: true } }),
      });
      expect(response.status).toBe(200);
      while (starts() === before) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** After all garbage is gone; what the second pass frees are things that the first only let go. */
  async function held(): Promise<{ objects: number; timers: number; descriptors: number }> {
    for (let pass = 0; pass < 3; pass += 1) {
      Bun.gc(true);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { objectCount, objectTypeCounts } = heapStats();
    const descriptors = readdirSync("/proc/self/fd").length;
    return { objects: objectCount, timers: objectTypeCounts["Timeout"] ?? 0, descriptors };
  }

  // The first ones compile and load.
  await restart(10);
  const before = await held();
  await restart(RESTARTS);
  const after = await held();
  // A gateway that stays behind is some 450 objects and two timers.
  expect(after.objects).toBeLessThan(before.objects + RESTARTS * 100);
  expect(after.timers).toBeLessThan(before.timers + RESTARTS / 2);
  expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 4);
  await gateway.close({ drainMs: 0 });
}, 60_000);
