import { expect, test } from "bun:test";
import { valueFromText } from "../../../../src/config/env.ts";
import { settingsOf } from "../../../../src/config/judge.ts";
import { parseKey } from "../../../../src/config/key.ts";
import { configSections } from "../../../../src/features/contracts.ts";

const settings = settingsOf(configSections());

test.each([
  ["gateway.port", "19000", 19_000],
  ["gateway.port", "many", "many"],
  ["gateway.metrics.public", "yes", true],
  ["gateway.bind", "19000", "19000"],
  ["gateway.allowedHosts", "a, b", ["a", "b"]],
  ["gateway.allowedHosts", '["a"]', ["a"]],
  ["gateway.allowedHosts[0]", "1", "1"],
  ["gateway.limits", '{"clientsMax": 1}', { clientsMax: 1 }],
  ["agents.defaults.model", "t/a", "t/a"],
  ["agents.defaults.model", '{"primary":"t/a"}', { primary: "t/a" }],
  ["agents.list[0].default", "on", true],
  ["agents.list[0].model", "t/a", "t/a"],
  ["models.providers.x.apiKey", "0123456789", "0123456789"],
  ["models.providers.x.apiKey", '{"$env": "KEY"}', { $env: "KEY" }],
  ["models.providers.x.apiKey", '{"$file": "key.txt"}', { $file: "key.txt" }],
  ["models.providers.x.apiKey", '{"key": "x"}', '{"key": "x"}'],
  ["env.NUMBER", "1", "1"],
  ["channels.telegram.enabled", "true", true],
  ["channels.telegram.name", "home", "home"],
])("%s %p", (key, text, value) => {
  expect(valueFromText(settings, parseKey(key) ?? [], text)).toEqual({ value, error: undefined });
});

test.each([
  ["models.providers", "x"],
  ["gateway.limits", "{"],
  ["gateway.allowedHosts", "[1"],
])("%s is no place for %p", (key, text) => {
  const { value, error } = valueFromText(settings, parseKey(key) ?? [], text);
  expect([value, error]).toEqual([undefined, expect.stringMatching(/^wanted JSON, but /)]);
});
