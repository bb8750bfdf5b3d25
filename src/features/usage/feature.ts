import { LIMITS } from "../../contract/limits.ts";
import type { Feature } from "../../feature.ts";
import type { Clock, Database } from "../../ports.ts";
import { usageContract } from "./contract.ts";
import { dayOf } from "./day.ts";
import { type Counts, UsageDays } from "./days.ts";

/** What a million tokens of a model cost, US dollars. */
export interface ModelPrice {
  readonly input: number;
  readonly output: number;
  /** Of input the provider had kept; absent: as other input. */
  readonly cacheRead?: number | undefined;
}

export interface UsageParts {
  readonly db: Database;
  /** @returns undefined for a model nobody gave a price */
  readonly priceOf: (model: string) => ModelPrice | undefined;
}

const perTokens = 1_000_000;

/** What models were used for, and what that costs. */
export function createUsageFeature({ db, priceOf }: UsageParts): Feature {
  const usage = new UsageDays(db);
  return usageContract.implement(({ clock }) => ({
    handlers: {
      "usage.status": ({ days }) => {
        const since = firstDay(clock, days);
        const rows = usage.rows(since, LIMITS.usageRowsMax + 1);
        const isCut = rows.length > LIMITS.usageRowsMax;
        const total = usage.total(since);
        return { days: rows.slice(0, LIMITS.usageRowsMax), total, ...(isCut && { isCut }) };
      },
      "usage.cost": ({ days }) => {
        const costs = new Map<string, number>();
        const unpriced = new Set<string>();
        for (const row of usage.byModel(firstDay(clock, days))) {
          const price = priceOf(row.model);
          if (!price) unpriced.add(row.model);
          costs.set(row.day, (costs.get(row.day) ?? 0) + (price ? costOf(row, price) : 0));
        }
        const byDay = [...costs].map(([day, cost]) => ({ day, cost: rounded(cost) }));
        const total = rounded([...costs.values()].reduce((sum, cost) => sum + cost, 0));
        return { currency: "USD" as const, days: byDay, total, unpriced: [...unpriced].toSorted() };
      },
    },
  }));
}

/** As the journal writes it. */
function firstDay(clock: Clock, days: number): string {
  const dayMs = 24 * 60 * 60_000;
  return dayOf(clock.now() - (days - 1) * dayMs);
}

function costOf({ inputTokens, outputTokens, cachedTokens }: Counts, price: ModelPrice): number {
  const { input, output, cacheRead = input } = price;
  const fresh = Math.max(inputTokens - cachedTokens, 0);
  return (fresh * input + cachedTokens * cacheRead + outputTokens * output) / perTokens;
}

/** A millionth of a dollar: what is left of it comes from adding. */
function rounded(cost: number): number {
  return Math.round(cost * perTokens) / perTokens;
}
