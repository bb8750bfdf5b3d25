import { describe, expect, test } from "bun:test";
import { settingsOf } from "../../../src/config/judge.ts";
import { changesBetween, planReload, type ReloadMode, withoutOwed } from "../../../src/config/plan.ts";
import type { Config } from "../../../src/config/schema.ts";
import { layered } from "./support.ts";

const settings = settingsOf({});

function configOf(value: object): Config {
  const judged = layered(JSON.stringify(value));
  if (!judged.valid) throw new Error(JSON.stringify(judged.errors));
  return judged.config;
}

const keysBetween = (before: object, after: object): string[] =>
  changesBetween(settings, configOf(before), configOf(after)).map(({ key }) => key);

describe("what has changed", () => {
  test("is told by setting, a default being a value like any other", () => {
    expect(keysBetween({}, { gateway: { port: 18_789 } })).toEqual([]);
    expect(keysBetween({ gateway: { port: 1 } }, {})).toEqual(["gateway.port"]);
    expect(
      keysBetween({}, { agents: { list: [{ id: "a" }] }, gateway: { auth: { token: "x" }, bind: "lan" } }),
    ).toEqual(["gateway.bind", "gateway.auth.token", "agents.list"]);
  });

  test("is not the order of keys, but that of a list", () => {
    const provider = (keys: object): object => ({ models: { providers: { p: keys } } });
    const [baseUrl, apiKey] = ["http://127.0.0.1:1/v1", "k"];
    expect(keysBetween(provider({ baseUrl, apiKey }), provider({ apiKey, baseUrl }))).toEqual([]);
    const hosts = (...allowedHosts: string[]): object => ({ gateway: { allowedHosts } });
    expect(keysBetween(hosts("a", "b"), hosts("b", "a"))).toEqual(["gateway.allowedHosts"]);
  });

  test("also under names that the schema leaves open", () => {
    expect(keysBetween({ env: { A: "1", B: "2" } }, { env: { B: "3", C: "4" } })).toEqual([
      "env.A",
      "env.B",
      "env.C",
    ]);
    expect(keysBetween({}, { env: { "my.name": "1" } })).toEqual([`env."my.name"`]);
  });
});

describe("what happens now", () => {
  const BEFORE = configOf({});
  const after = (mode: ReloadMode): Config =>
    configOf({
      gateway: { port: 1, reload: { mode, debounceMs: 50 }, log: { level: "warn" } },
      agents: { defaults: { model: "echo/echo" } },
    });
  const cases: [ReloadMode, string[], string[], boolean][] = [
    ["off", [], ["gateway.log.level", "agents.defaults.model"], false],
    ["hot", ["gateway.log.level", "agents.defaults.model"], [], false],
    ["restart", [], ["gateway.log.level", "agents.defaults.model"], true],
    ["hybrid", ["gateway.log.level", "agents.defaults.model"], [], true],
  ];
  test.each(cases)("%s", (mode, applied, owed, restarts) => {
    const changes = changesBetween(settings, BEFORE, after(mode));
    const plan = planReload(changes, mode);
    const keys = (found: readonly { readonly key: string }[]): string[] => found.map(({ key }) => key);
    const reload = keys(changes).filter((key) => key.startsWith("gateway.reload."));
    expect(new Set(keys(plan.applied))).toEqual(new Set([...reload, ...applied]));
    expect(new Set(keys(plan.owed))).toEqual(new Set(["gateway.port", ...owed]));
    expect(plan.restarts).toBe(restarts);
    expect(plan.features).toEqual(applied.length > 0 ? ["agents"] : []);
    const now = withoutOwed(after(mode), BEFORE, plan.owed);
    expect(now.gateway.port).toBe(BEFORE.gateway.port);
    expect(now.gateway.reload.debounceMs).toBe(50);
    expect(now.gateway.log.level).toBe(applied.length > 0 ? "warn" : "info");
    expect(Object.isFrozen(now.gateway)).toBe(true);
    expect(changesBetween(settings, now, after(mode)).map(({ key }) => key)).toEqual(keys(plan.owed));
  });

  test("nothing is owed for nothing", () => {
    expect(planReload([], "restart")).toMatchObject({ owed: [], restarts: false, applied: [], features: [] });
    expect(withoutOwed(BEFORE, configOf({ gateway: { port: 9 } }), [])).toBe(BEFORE);
  });

  test("what is new and has to wait is not there yet", () => {
    const next = configOf({ env: { NEW: "geheim-1" }, gateway: { auth: { token: "geheim-2" } } });
    const plan = planReload(changesBetween(settings, BEFORE, next), "restart");
    const now = withoutOwed(next, BEFORE, plan.owed);
    expect(JSON.stringify(now)).not.toContain("geheim");
    expect(changesBetween(settings, now, BEFORE)).toEqual([]);
  });
});
