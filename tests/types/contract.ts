/**
 * What must not compile. Each `@ts-expect-error` is a test: the type check fails where the line below it
 * is no error.
 */
import { z } from "zod";
import { effect, event, method } from "../../src/contract/define.ts";
import { RpcError } from "../../src/contract/errors.ts";
import { contract } from "../../src/feature.ts";

const pets = contract({
  name: "pets",
  config: () => z.strictObject({ max: z.int().default(3) }),
  methods: {
    "pets.get": method({
      scope: "read",
      summary: "",
      params: () => z.strictObject({ id: z.string() }),
      result: () => z.strictObject({ id: z.string(), kind: z.enum(["cat", "dog"]) }),
      errors: ["not_found"],
    }),
    "pets.add": effect({
      scope: "write",
      summary: "",
      params: () => z.strictObject({ id: z.string() }),
      result: () => z.strictObject({ added: z.boolean() }),
    }),
  },
  events: {
    "pets.changed": event({
      scope: "read",
      delivery: "latest",
      summary: "",
      data: () => z.strictObject({ id: z.string() }),
    }),
  },
});

const get = () => ({ id: "1", kind: "cat" as const });
const add = () => ({ added: true });

// What is right compiles: the literal of a result, a declared failure, a published event, the config, the
// added key.
pets.implement((ctx) => ({
  handlers: {
    "pets.get": ({ id }, call) => {
      if (id === "") call.fail("not_found", `Cannot find pet "${id}": none there`);
      return { id, kind: "dog" };
    },
    "pets.add": async ({ id, idempotencyKey }) => {
      const key: string | undefined = idempotencyKey;
      const max: number = ctx.config().max;
      ctx.publish("pets.changed", { id: key ?? id });
      return { added: max > 0 };
    },
  },
}));

// @ts-expect-error a missing handler
pets.implement(() => ({ handlers: { "pets.get": get } }));

const numbered = () => ({ id: 1, kind: "cat" as const });
// @ts-expect-error a wrong result
pets.implement(() => ({ handlers: { "pets.get": numbered, "pets.add": add } }));

const cow = () => ({ id: "1", kind: "cow" as const });
// @ts-expect-error a value the result does not know
pets.implement(() => ({ handlers: { "pets.get": cow, "pets.add": add } }));

// @ts-expect-error a promise of a wrong result
pets.implement(() => ({ handlers: { "pets.get": get, "pets.add": async () => ({ added: "yes" }) } }));

pets.implement((ctx) => ({
  handlers: {
    "pets.get": (params, call) => {
      // @ts-expect-error a parameter that is not declared
      void params.name;
      // @ts-expect-error an error code the method does not declare
      return call.fail("conflict", "Cannot do it: no");
    },
    "pets.add": (_params, call) => {
      // @ts-expect-error a method without errors fails with none
      if (Math.random() > 2) call.fail("not_found", "Cannot do it: no");
      // @ts-expect-error an event that is not declared
      ctx.publish("pets.gone", { id: "1" });
      // @ts-expect-error a payload of another shape
      ctx.publish("pets.changed", { name: "1" });
      // @ts-expect-error a configuration key that is not declared
      void ctx.config().min;
      return { added: true };
    },
  },
}));

// @ts-expect-error a method without a scope
method({ summary: "", params: () => z.strictObject({}), result: () => z.strictObject({}) });

// @ts-expect-error a scope that does not exist
method({ scope: "root", summary: "", params: () => z.strictObject({}), result: () => z.strictObject({}) });

// @ts-expect-error an event without a scope
event({ delivery: "must", summary: "", data: () => z.strictObject({}) });

// @ts-expect-error an event without a delivery class
event({ scope: "read", summary: "", data: () => z.strictObject({}) });

const nothing = z.strictObject({});
// @ts-expect-error an error code that is not in the table
method({ scope: "read", summary: "", params: () => nothing, result: () => nothing, errors: ["teapot"] });

// @ts-expect-error an error code that is not in the table
new RpcError("teapot", "Cannot brew: a teapot");
