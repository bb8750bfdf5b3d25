// Each zone has its own process: a runtime looks at TZ once.
import { expect, test } from "bun:test";

const CLOCK = new URL("../../../src/platform/clock.ts", import.meta.url).pathname;

async function dayStarts(zone: string, asked: readonly (readonly [string, number])[]): Promise<string[]> {
  const program = `
    const { systemClock } = await import(${JSON.stringify(CLOCK)});
    const asked = ${JSON.stringify(asked)};
    const starts = asked.map(([at, hour]) => systemClock.dayStart(Date.parse(at), hour));
    console.log(JSON.stringify(starts.map((ms) => new Date(ms).toISOString())));
  `;
  const child = Bun.spawn([process.execPath, "--eval", program], { env: { ...process.env, TZ: zone } });
  return JSON.parse(await new Response(child.stdout).text()) as string[];
}

test.each([
  [
    "UTC",
    [
      ["2026-05-10T04:00:00Z", 4, "2026-05-10T04:00:00.000Z"],
      ["2026-05-10T03:59:59.999Z", 4, "2026-05-09T04:00:00.000Z"],
      ["2026-03-01T00:00:00Z", 23, "2026-02-28T23:00:00.000Z"],
      ["2027-01-01T01:00:00Z", 4, "2026-12-31T04:00:00.000Z"],
    ],
  ],
  [
    "Europe/Berlin",
    [
      ["2026-07-01T01:59:59Z", 4, "2026-06-30T02:00:00.000Z"],
      ["2026-07-01T02:00:00Z", 4, "2026-07-01T02:00:00.000Z"],
      // Clocks go from 02:00 to 03:00 on the 29th of March: 02:00 is the moment they do.
      ["2026-03-29T00:59:59Z", 2, "2026-03-28T01:00:00.000Z"],
      ["2026-03-29T01:00:00Z", 2, "2026-03-29T01:00:00.000Z"],
      ["2026-03-29T01:30:00Z", 2, "2026-03-29T01:00:00.000Z"],
      ["2026-03-29T12:00:00Z", 4, "2026-03-29T02:00:00.000Z"],
      ["2026-03-30T01:00:00Z", 4, "2026-03-29T02:00:00.000Z"],
      // They go from 03:00 back to 02:00 on the 25th of October: 02:00 comes twice, the first one counts.
      ["2026-10-25T00:30:00Z", 2, "2026-10-25T00:00:00.000Z"],
      ["2026-10-25T01:30:00Z", 2, "2026-10-25T00:00:00.000Z"],
      ["2026-10-26T00:30:00Z", 2, "2026-10-25T00:00:00.000Z"],
    ],
  ],
  [
    // Half an hour, at 02:00.
    "Australia/Lord_Howe",
    [
      ["2026-10-03T15:29:59Z", 2, "2026-10-02T15:30:00.000Z"],
      ["2026-10-03T15:30:00Z", 2, "2026-10-03T15:30:00.000Z"],
    ],
  ],
  // Midnight itself is skipped.
  ["America/Havana", [["2026-03-08T12:00:00Z", 0, "2026-03-08T05:00:00.000Z"]]],
] as const)("the hour of the day began in %s", async (zone, rows) => {
  const starts = await dayStarts(
    zone,
    rows.map(([at, hour]) => [at, hour] as const),
  );
  expect(starts).toEqual(rows.map(([, , start]) => start));
});
