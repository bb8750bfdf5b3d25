import { expect, test } from "bun:test";
import { z } from "zod";
import { method } from "../../../src/contract/define.ts";
import { type Caller, contract } from "../../../src/feature.ts";
import { DatabaseError, type DatabaseErrorKind } from "../../../src/ports.ts";
import { createLocalGateway } from "../../support/local.ts";

const CALLER: Caller = {
  connId: "c",
  subject: "token:test",
  name: "test",
  scopes: ["read"],
  connectedMs: 0,
  onGone: () => () => {},
};

/** A method that meets a database in this state. */
function setup(kind: DatabaseErrorKind) {
  const feature = contract({
    name: "shelf",
    methods: {
      "shelf.read": method({
        scope: "read",
        summary: "Reads",
        params: () => z.strictObject({}),
        result: () => z.strictObject({}),
      }),
    },
    events: {},
  }).implement(() => ({
    handlers: {
      "shelf.read": () => {
        throw new DatabaseError(kind, "words of SQLite that name a file");
      },
    },
  }));
  return createLocalGateway({ features: [feature] });
}

for (const [kind, state] of [
  ["full", "the disk is full"],
  ["io", "the disk answered with an error"],
  ["busy", "another program has locked it"],
  ["corrupt", "it is damaged"],
  ["not_a_database", "it is damaged"],
] as const) {
  test(`a database that fails with "${kind}" is unavailable in words of our own, and the log has the reason`, async () => {
    const { dispatcher, log } = setup(kind);
    expect(await dispatcher.dispatch("shelf.read", {}, CALLER)).toMatchObject({
      ok: false,
      error: {
        code: "unavailable",
        message: `Cannot read the database: ${state}`,
        data: { retry: "later", retryAfterMs: 1_000 },
      },
    });
    expect(log.lines.at(-1)).toMatchObject({
      level: "error",
      message: "database failed",
      fields: { method: "shelf.read", error: expect.stringContaining("words of SQLite") },
    });
  });
}

test("a mistake in a statement is internal, as any other of ours", async () => {
  const { dispatcher } = setup("other");
  expect(await dispatcher.dispatch("shelf.read", {}, CALLER)).toMatchObject({ error: { code: "internal" } });
});
