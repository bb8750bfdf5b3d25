import { expect, test } from "bun:test";
import { join } from "node:path";
import { LIMITS } from "../../../src/contract/limits.ts";
import { prepareSchema } from "../../../src/features/storage/migrate.ts";
import { usageContract } from "../../../src/features/usage/contract.ts";
import { createUsageFeature } from "../../../src/features/usage/feature.ts";
import { openDatabase } from "../../../src/platform/database.ts";
import { createCountingCrypto, createMemoryLog } from "../../support/ports.ts";
import { tempDir } from "../../support/temp.ts";
import { createFakeTime } from "../../support/time.ts";

const PRICES = {
  "openai/gpt": { input: 2, output: 8, cacheRead: 0.5 },
  "local/free": { input: 0, output: 0 },
  "other/plain": { input: 10, output: 10 },
};

function start() {
  const db = openDatabase(join(tempDir(), "a.db"));
  prepareSchema(db);
  const insert = db.prepare("INSERT INTO usage_days VALUES (?, ?, ?, ?, ?, ?, ?)");
  insert.run("2026-01-31", "main", "openai/gpt", 3, 1_000_000, 100_000, 400_000);
  insert.run("2026-01-31", "main", "local/free", 1, 5_000, 50, 0);
  insert.run("2026-01-31", "garden", "openai/gpt", 1, 500_000, 0, 0);
  insert.run("2026-01-30", "main", "other/plain", 2, 100_000, 100_000, 50_000);
  insert.run("2026-01-01", "main", "new/unknown", 1, 7, 8, 0);
  insert.run("2025-12-31", "main", "openai/gpt", 9, 9, 9, 9);
  const time = createFakeTime(Date.UTC(2026, 0, 31, 0, 0, 1));
  const prices: Readonly<Record<string, (typeof PRICES)["openai/gpt"] | { input: number; output: number }>> =
    PRICES;
  const feature = createUsageFeature({ db, priceOf: (model) => prices[model] });
  const { handlers } = feature.start({
    config: () => ({}),
    publish: () => {},
    ...time,
    crypto: createCountingCrypto(),
    log: createMemoryLog(),
    onStop: () => {},
  });
  /** As a client would: its parameters and its answer go through the contract. */
  const ask = (name: keyof typeof usageContract.methods, params: object): unknown => {
    const { params: schema, result } = usageContract.methods[name];
    // The handler takes what its own schema made; the table has forgotten which one.
    const handler = handlers[name] as unknown as (params: object) => unknown;
    return result.parse(handler(schema.parse(params)));
  };
  return { ask, insert };
}

test("usage is told by day, agent and model, the newest first, with its sum", () => {
  const { ask } = start();
  expect(ask("usage.status", { days: 2 })).toEqual({
    days: [
      {
        day: "2026-01-31",
        agentId: "garden",
        model: "openai/gpt",
        runs: 1,
        inputTokens: 500_000,
        outputTokens: 0,
        cachedTokens: 0,
      },
      {
        day: "2026-01-31",
        agentId: "main",
        model: "local/free",
        runs: 1,
        inputTokens: 5_000,
        outputTokens: 50,
        cachedTokens: 0,
      },
      {
        day: "2026-01-31",
        agentId: "main",
        model: "openai/gpt",
        runs: 3,
        inputTokens: 1_000_000,
        outputTokens: 100_000,
        cachedTokens: 400_000,
      },
      {
        day: "2026-01-30",
        agentId: "main",
        model: "other/plain",
        runs: 2,
        inputTokens: 100_000,
        outputTokens: 100_000,
        cachedTokens: 50_000,
      },
    ],
    total: { runs: 7, inputTokens: 1_605_000, outputTokens: 200_050, cachedTokens: 450_000 },
  });
});

test("one day is today, and thirty go back to the first of a month of thirty-one less one", () => {
  const { ask } = start();
  const days = (params: object): unknown => ask("usage.status", params);
  expect(days({ days: 1 })).toMatchObject({ total: { runs: 5 } });
  expect(days({})).toMatchObject({ total: { runs: 7 } });
  expect(days({ days: 31 })).toMatchObject({ total: { runs: 8 } });
  expect(days({ days: 366 })).toMatchObject({ total: { runs: 17 } });
  expect(() => days({ days: 0 })).toThrow();
  expect(() => days({ days: 367 })).toThrow();
});

test("cost counts cached input by its own price, and names models without one", () => {
  const { ask } = start();
  expect(ask("usage.cost", { days: 31 })).toEqual({
    currency: "USD",
    days: [
      // 0.6 M fresh and 0.4 M cached and 0.1 M written; 0.5 M of another agent.
      { day: "2026-01-31", cost: 1.2 + 0.2 + 0.8 + 1 },
      { day: "2026-01-30", cost: 2 },
      { day: "2026-01-01", cost: 0 },
    ],
    total: 5.2,
    unpriced: ["new/unknown"],
  });
});

test("more rows than an answer holds are cut, and it says so; the sum is of all", () => {
  const { ask, insert } = start();
  for (let n = 0; n < LIMITS.usageRowsMax; n++) insert.run("2026-01-31", "many", `local/m${n}`, 1, 1, 1, 0);
  const status = ask("usage.status", { days: 1 }) as { days: object[]; total: object; isCut?: boolean };
  expect(status.days).toHaveLength(LIMITS.usageRowsMax);
  expect(status).toMatchObject({ isCut: true, total: { runs: LIMITS.usageRowsMax + 5 } });
  expect(JSON.stringify(status).length).toBeLessThan(LIMITS.outboundBytesMax);
});
