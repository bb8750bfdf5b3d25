import { expect, test } from "bun:test";
import { render } from "../../../../src/plugins/webhook/template.ts";

const facts = {
  payload: {
    title: "Leak",
    count: 3,
    open: false,
    none: null,
    list: [{ name: "first" }, { name: "second" }],
    now: "of the payload",
    __proto__x: 1,
  },
  headers: {
    "x-event": "push",
    authorization: "Bearer secret",
    "x-moltbot-token": "secret",
    cookie: "secret",
  },
  query: { from: "shed" },
  path: "garden",
  now: "2026-05-01T10:00:00.000Z",
};
const plain = (template: string) => render(template, facts, (value) => value);

test.each([
  ["{{payload.title}}", "Leak"],
  ["{{ payload.title }} × {{payload.count}}", "Leak × 3"],
  ["{{title}}", "Leak"],
  ["{{payload.list[1].name}}", "second"],
  ["{{list[0]}}", '{"name":"first"}'],
  ["{{payload.open}}", "false"],
  ["{{headers.x-event}} {{query.from}} {{path}} {{now}}", "push shed garden 2026-05-01T10:00:00.000Z"],
  ["{{payload.now}}", "of the payload"],
  ["a{{payload.none}}{{payload.nothing.at.all}}{{list[9].name}}{{}}b", "ab"],
  ["{{payload.constructor.name}}{{payload.__proto__.toString}}{{toString}}{{title.length.x}}", ""],
  ["{{headers.authorization}}{{headers.x-moltbot-token}}{{headers.cookie}}", ""],
  ["{{headers}}", '{"x-event":"push"}'],
  ["{{ not closed", "{{ not closed"],
  ["no place", "no place"],
])("%s is %p", (template, text) => {
  expect(plain(template)).toBe(text);
});

test("what a value says is no template", () => {
  const again = { ...facts, payload: { text: "{{headers.x-event}} $& $1" } };
  expect(render("{{text}}", again, (value) => value)).toBe("{{headers.x-event}} $& $1");
});

test("values are shown as wanted; empty ones are not there", () => {
  expect(render("{{title}}, {{nothing}}", facts, (value) => `<${value}>`)).toBe("<Leak>, ");
});

test("text is bounded, however often a long value is named", () => {
  const long = { ...facts, payload: { text: "x".repeat(150_000) } };
  expect(render("{{text}}", long, (value) => value)).toHaveLength(100_000);
  expect(render("{{text}}".repeat(50), long, (value) => value)).toHaveLength(200_000);
  const marked = render("{{text}}".repeat(50), long, (value) => `<${value}>`);
  expect(marked).toHaveLength(200_004);
  expect(marked).toEndWith("x>");
});

test("what is too deep to be said is nothing", () => {
  let deep: unknown = "x";
  for (let depth = 0; depth < 120_000; depth++) deep = [deep];
  expect(render("a{{deep}}b", { ...facts, payload: { deep } }, (value) => value)).toBe("ab");
});
