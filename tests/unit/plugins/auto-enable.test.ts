import { expect, test } from "bun:test";
import {
  applyPluginAutoEnable,
  type Candidate,
  mayRunPlugins,
  type PluginsConfig,
  type Surroundings,
} from "../../../src/plugins/find/auto-enable.ts";

const none: PluginsConfig = { enabled: true, deny: [], entries: {} };

const surroundings = (
  settings: Record<string, unknown> = {},
  env: Record<string, string> = {},
): Surroundings => ({
  settingsAt: (path) => settings[path],
  env: (name) => env[name],
});

const mail: Candidate = {
  id: "mail",
  origin: "bundled",
  rules: [{ config: "channels.mail" }, { env: "MAIL_TOKEN" }],
};
const stranger: Candidate = { ...mail, origin: "installed" };
const named = { ...none, entries: { mail: {} } };
const configured = surroundings({ "channels.mail": {} });

test.each<[string, Partial<PluginsConfig>, Candidate, Surroundings, string | false]>([
  ["nobody wants it", {}, mail, surroundings(), false],
  ["its channel is configured", {}, mail, configured, "channels.mail is configured"],
  ["its channel is switched off", {}, mail, surroundings({ "channels.mail": { enabled: false } }), false],
  [
    "its variable is there",
    {},
    mail,
    surroundings({}, { MAIL_TOKEN: "x" }),
    "the environment has MAIL_TOKEN",
  ],
  ["its variable is empty", {}, mail, surroundings({}, { MAIL_TOKEN: "" }), false],
  [
    "the owner says so",
    { entries: { mail: { enabled: true } } },
    stranger,
    surroundings(),
    "plugins.entries.mail.enabled",
  ],
  ["the owner says no", { entries: { mail: { enabled: false } } }, mail, configured, false],
  ["a stranger's own manifest says so", {}, stranger, configured, false],
  ["a stranger's, whom the owner has named", named, stranger, configured, "channels.mail is configured"],
  [
    "a stranger's, whom the owner allows",
    { allow: ["mail"] },
    stranger,
    configured,
    "channels.mail is configured",
  ],
  ["others are allowed", { allow: ["other"] }, mail, configured, false],
  ["it is denied", { deny: ["mail"], entries: { mail: { enabled: true } } }, mail, configured, false],
  ["all are off", { enabled: false, entries: { mail: { enabled: true } } }, mail, configured, false],
])("%s", (_, config, candidate, around, wanted) => {
  const verdict = applyPluginAutoEnable({ ...none, ...config }, [candidate], around).get("mail");
  expect(verdict?.isOn ? verdict.by : false).toBe(wanted);
});

test("why one is off is said in words", () => {
  const why = (config: Partial<PluginsConfig>, candidate = stranger) => {
    const verdict = applyPluginAutoEnable({ ...none, ...config }, [candidate], configured).get("mail");
    return verdict?.isOn === false ? verdict.because : undefined;
  };
  expect(why({})).toBe("it is not enabled, and neither plugins.allow nor plugins.entries names it");
  expect(why({ enabled: false })).toBe("plugins.enabled is false");
  expect(why({ deny: ["mail"] })).toBe("plugins.deny names it");
  expect(why({ allow: [] })).toBe("plugins.allow does not name it");
  expect(why({}, { ...stranger, rules: [] })).toBe("it is not enabled");
});

test("an id that every object has by nature is nobody's entry", () => {
  const candidate: Candidate = { id: "constructor", origin: "installed", rules: [{ env: "A" }] };
  const verdicts = applyPluginAutoEnable(none, [candidate], surroundings({}, { A: "x" }));
  expect(verdicts.get("constructor")).toMatchObject({ isOn: false });
});

test("folders are looked at only where somebody could be switched on", () => {
  const may = (config: Partial<PluginsConfig>, around = surroundings()) =>
    mayRunPlugins({ ...none, ...config }, mail.rules, around);
  expect(may({})).toBe(false);
  expect(may({ entries: { a: { enabled: false }, b: { enabled: false } } })).toBe(false);
  expect(may({ entries: { a: {} } })).toBe(true);
  expect(may({ allow: ["a"] })).toBe(true);
  expect(may({}, configured)).toBe(true);
  expect(may({ enabled: false }, configured)).toBe(false);
});
