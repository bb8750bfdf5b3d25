import { expect, test } from "bun:test";
import { DEFAULTS } from "../../../src/config/defaults.ts";
import { withDevelopment } from "../../../src/gateway/development.ts";

const hello = { id: "hello", directory: "/src/hello" };

test("the plugin is on before all others, whatever the section says; nothing else of it changes", () => {
  const section = {
    ...DEFAULTS.plugins,
    enabled: false,
    paths: ["/others"],
    allow: ["cron"],
    deny: ["hello", "telegram"],
    entries: { hello: { enabled: false, config: { loud: true } }, cron: { enabled: true } },
  };
  const before = structuredClone(section);
  expect(withDevelopment(section, hello)).toEqual({
    ...before,
    enabled: true,
    paths: ["/src/hello", "/others"],
    allow: ["cron", "hello"],
    deny: ["telegram"],
    entries: { hello: { enabled: true, config: { loud: true } }, cron: { enabled: true } },
  });
  expect(section).toEqual(before);
});

test("what it may is added to what it was granted", () => {
  const entries = { hello: { grants: { network: true } } };
  const given = withDevelopment({ ...DEFAULTS.plugins, entries }, { ...hello, grants: { exec: true } });
  expect(given.entries["hello"]).toEqual({ enabled: true, grants: { network: true, exec: true } });
  expect(given.allow).toBeUndefined();
});

test("without one the section is what it was", () => {
  expect(withDevelopment(DEFAULTS.plugins, undefined)).toBe(DEFAULTS.plugins);
});
