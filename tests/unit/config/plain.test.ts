import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { DEFAULTS } from "../../../src/config/defaults.ts";
import { plainConfig } from "../../../src/config/plain.ts";
import { createConfigStore } from "../../../src/config/store.ts";
import { configSections } from "../../../src/features/contracts.ts";
import { tempDir } from "../../support/temp.ts";
import { machine } from "./support.ts";

type Flags = readonly { key: string; name: string; value: unknown }[];
const port = (value: unknown) => ({ key: "gateway.port", name: "--port", value });
const token = (value: unknown) => ({ key: "gateway.auth.token", name: "--token", value });

/** What a store makes of a home without a file, with and without the short way. */
async function both(flags: Flags, env: Record<string, string> = {}) {
  const home = tempDir();
  const options = { ...machine, home, env, flags, sections: configSections };
  const [quick, whole] = [createConfigStore({ ...options, defaults: DEFAULTS }), createConfigStore(options)];
  return { quick: await quick.load(), whole: await whole.load() };
}

describe("the short way", () => {
  const cases: [string, Flags, Record<string, string>][] = [
    ["nothing set", [], {}],
    [
      "foreign variables",
      [],
      { PATH: "/bin", OPENAI_API_KEY: "k", CLAWDBOT_STATE_DIR: join(tempDir(), "s") },
    ],
    ["a port", [port(0)], {}],
    ["a token", [token("0123456789abcdef")], {}],
    ["both", [port(4_000), token("0123456789abcdef")], {}],
    ["a variable", [], { CLAWDBOT_GATEWAY_PORT: "4000" }],
    ["a misspelt variable", [], { CLAWDBOT_GATEWAY_PROT: "4000" }],
    ["a bad port", [port(70_000)], {}],
    ["a port that is text", [port("4000")], {}],
    ["an empty token", [token("")], {}],
    ["another flag", [{ key: "gateway.bind", name: "--bind", value: "everywhere" }], {}],
  ];
  test.each(cases)("%s: comes to the same as the long one", async (_what, flags, env) => {
    const { quick, whole } = await both(flags, env);
    expect(quick).toMatchObject({ valid: whole.valid, hash: whole.hash, exists: false });
    expect(quick.warnings).toEqual(whole.warnings);
    if (quick.valid && whole.valid) {
      expect(quick.config).toEqual(whole.config);
      expect([...quick.secrets].sort()).toEqual([...whole.secrets].sort());
      const { gateway } = quick.config;
      expect(
        [quick.config, gateway, gateway.auth, gateway.limits].every((part) => Object.isFrozen(part)),
      ).toBe(true);
    } else if (!quick.valid && !whole.valid) expect(quick.errors).toEqual(whole.errors);
  });

  test("is taken only where there is nothing to judge", () => {
    expect(plainConfig(DEFAULTS, { env: {}, flags: [port(1)] })?.gateway.port).toBe(1);
    expect(plainConfig(DEFAULTS, { env: { MOLTBOT_X: "1" }, flags: [] })).toBeUndefined();
    expect(plainConfig(DEFAULTS, { env: {}, flags: [port(1.5)] })).toBeUndefined();
  });
});
