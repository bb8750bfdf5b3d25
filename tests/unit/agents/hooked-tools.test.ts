import { expect, test } from "bun:test";
import { hookedTools } from "../../../src/agents/hooked-tools.ts";
import type { ToolSource } from "../../../src/agents/tools.ts";
import { type Hooks, NO_HOOKS } from "../../../src/hooks.ts";
import { environmentOf } from "./kit.ts";

/** Says what it was given. */
const parrot: ToolSource = {
  open: async () => ({
    specs: [{ name: "parrot", description: "", inputSchema: { type: "object" } }],
    call: async ({ args }) => ({ text: args, isError: false }),
  }),
};

function hooksOf(answers: { readonly [name: string]: (event: object) => object }): Hooks {
  return {
    ...NO_HOOKS,
    has: (name) => name in answers,
    ask: async (name, event) => answers[name]?.(event) ?? {},
  };
}

async function call(hooks: Hooks, args: string, approve: readonly string[] = []) {
  const environment = { ...environmentOf("echo/echo"), tools: { approve } };
  const { call: ask } = await hookedTools(parrot, hooks).open(environment);
  return ask({ name: "parrot", args, signal: new AbortController().signal, onUpdate: () => {} });
}

test("without anybody who listens a call is what it was, character by character", async () => {
  expect(await call(NO_HOOKS, '{ "a":1 }')).toEqual({ text: '{ "a":1 }', isError: false });
});

test("a no is what the model is told, and the tool is not called", async () => {
  const hooks = hooksOf({ before_tool_call: () => ({ deny: "not at night" }) });
  expect(await call(hooks, "{}")).toEqual({ text: 'Cannot call tool "parrot": not at night', isError: true });
});

test("arguments and answers can be changed on the way", async () => {
  const seen: object[] = [];
  const hooks = hooksOf({
    before_tool_call: (event) => (seen.push(event), { args: { a: 2 } }),
    after_tool_call: (event) => (seen.push(event), { text: "two" }),
  });
  expect(await call(hooks, '{"a":1}')).toEqual({ text: "two", isError: false });
  expect(seen).toMatchObject([
    { tool: "parrot", args: { a: 1 } },
    { tool: "parrot", args: { a: 2 }, text: '{"a":2}', isError: false },
  ]);
});

test("what a person has allowed is not changed afterwards", async () => {
  const changed = hooksOf({ before_tool_call: () => ({ args: { a: 2 } }) });
  expect(await call(changed, '{"a":1}', ["par*"])).toEqual({
    text: 'Cannot call tool "parrot": a plugin changed what a person had allowed',
    isError: true,
  });
  expect(await call(changed, '{"a":1}', ["other"])).toEqual({ text: '{"a":2}', isError: false });
  const same = hooksOf({ before_tool_call: ({ args }: { args?: object }) => ({ args }) });
  expect(await call(same, '{"a":1}', ["parrot"])).toEqual({ text: '{"a":1}', isError: false });
});

test.each(["", "{", "[]", "null", "7"])("arguments %p pass as they are", async (args) => {
  const hooks = hooksOf({ before_tool_call: () => ({}), after_tool_call: () => ({}) });
  expect((await call(hooks, args)).text).toBe(args);
});
