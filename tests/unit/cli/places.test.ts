import { expect, test } from "bun:test";
import { parseArguments } from "../../../src/cli/args.ts";
import { PORT_DEFAULT, STATE_FILE, stateDirOf, TOKEN_FILE } from "../../../src/cli/places.ts";
import { resolvePaths } from "../../../src/config/paths.ts";
import * as schema from "../../../src/config/schema.ts";
import * as holder from "../../../src/gateway/holder.ts";
import * as runtimeConfig from "../../../src/gateway/runtime-config.ts";

const OPTIONS = { "state-dir": { value: "DIR", summary: "" } };

test.each([
  [{}, []],
  [{ CLAWDBOT_STATE_DIR: "/a" }, []],
  [{ CLAWDBOT_STATE_DIR: "/a", MOLTBOT_STATE_DIR: "/b/" }, []],
  [{ CLAWDBOT_STATE_DIR: "/a", MOLTBOT_STATE_DIR: " " }, []],
  [{ CLAWDBOT_STATE_DIR: "~/a" }, []],
  [{ CLAWDBOT_STATE_DIR: "~" }, []],
  [{ MOLTBOT_STATE_DIR: "/b" }, ["--state-dir", "c/"]],
  [{}, ["--state-dir", "/"]],
  [{}, ["--state-dir", "~other/x"]],
] as [Record<string, string>, string[]][])("clients look where the gateway writes: %p %p", (env, words) => {
  const args = parseArguments(words, OPTIONS);
  const { stateDir } = resolvePaths({ env, home: "/home/me", stateDir: args.text("state-dir") });
  expect(stateDirOf({ env, home: "/home/me" }, args)).toBe(stateDir);
});

test("by the same names", () => {
  expect([STATE_FILE, TOKEN_FILE, PORT_DEFAULT]).toEqual([
    holder.STATE_FILE,
    runtimeConfig.TOKEN_FILE,
    schema.PORT_DEFAULT,
  ]);
});
