import { expect, test } from "bun:test";
import { z } from "zod";
import { staleFiles } from "../../../scripts/gen.ts";
import { createShapeBook } from "../../../scripts/gen/shapes.ts";
import { docComment, toTypeScript } from "../../../scripts/gen/types.ts";
import { once } from "../../../src/contract/define.ts";

const Pet = once(() => z.strictObject({ id: z.string() }));
const Other = once(() => z.strictObject({ name: z.string() }));
const lists = [{ name: "Scope", values: ["read", "write"] }];

const typeOf = (schema: z.ZodType, undefinable = false): string =>
  toTypeScript(createShapeBook([{ Pet }]).add(schema, "input"), { lists, undefinable });

test.each([
  ["string", z.string().min(1)],
  ["number", z.int().min(0)],
  ["boolean | null", z.boolean().nullable()],
  ['"a"', z.literal("a")],
  ['"a" | "b"', z.enum(["a", "b"])],
  ["Scope", z.enum(["read", "write"])],
  ["unknown", z.unknown()],
  ["string[]", z.array(z.string())],
  ['Array<"a" | "b">', z.array(z.enum(["a", "b"]))],
  ["Pet[]", z.array(Pet())],
  ["Empty", z.strictObject({})],
  ["Record<string, unknown>", z.looseObject({})],
  ["Record<string, number>", z.record(z.string(), z.int())],
  ['{ a: string; "b-c"?: number; }', z.strictObject({ a: z.string(), "b-c": z.int().optional() })],
  ["{ a?: number; }", z.strictObject({ a: z.int().default(3) })],
  ["{\n/** why */\na: string;\n}", z.strictObject({ a: z.string().describe("why") })],
  [
    "{ k: 1; } | { k: 2; }",
    z.discriminatedUnion("k", [z.strictObject({ k: z.literal(1) }), z.strictObject({ k: z.literal(2) })]),
  ],
] as [string, z.ZodType][])("%s", (type, schema) => {
  expect(typeOf(schema)).toBe(type);
});

test("what is optional to send may be undefined", () => {
  expect(typeOf(z.strictObject({ a: Pet().optional() }), true)).toBe("{ a?: Pet | undefined; }");
});

test("two shapes under one name are refused", () => {
  const book = createShapeBook([{ Pet }, { Same: Other }]);
  book.add(z.strictObject({ pet: Pet(), other: Other() }), "output");
  expect([...book.shapes.keys()].toSorted()).toEqual(["Pet", "Same"]);
  const clash = createShapeBook([{ Pet }, { Pet: Other }]);
  clash.add(z.strictObject({ pet: Pet() }), "output");
  expect(() => clash.add(z.strictObject({ pet: Other() }), "output")).toThrow(
    'Cannot name the shape "Pet": two different shapes have that name',
  );
});

test("comments", () => {
  expect(docComment([undefined])).toBe("");
  expect(docComment(["one", undefined])).toBe("/** one */\n");
  expect(docComment(["one", "", "two"])).toBe("/**\n * one\n *\n * two\n */\n");
});

test("the generated files are fresh", async () => {
  expect(await staleFiles()).toEqual([]);
});
