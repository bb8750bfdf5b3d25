import { expect, test } from "bun:test";
import { STATE_FILE, stateDirOf, TOKEN_FILE } from "../../../src/cli/places.ts";
import * as holder from "../../../src/gateway/holder.ts";
import * as runtimeConfig from "../../../src/gateway/runtime-config.ts";

test("clients look for the files the gateway writes", () => {
  expect([STATE_FILE, TOKEN_FILE]).toEqual([holder.STATE_FILE, runtimeConfig.TOKEN_FILE]);
});

test.each([
  ["/home/me/.clawdbot", {}, undefined],
  ["/a", { CLAWDBOT_STATE_DIR: "/a" }, undefined],
  ["/b", { CLAWDBOT_STATE_DIR: "/a", MOLTBOT_STATE_DIR: "/b/" }, undefined],
  ["/home/me/a", { CLAWDBOT_STATE_DIR: "~/a" }, undefined],
  ["c", { MOLTBOT_STATE_DIR: "/b" }, "c/"],
] as [string, Record<string, string>, string | undefined][])("in %s", (path, env, option) => {
  expect(stateDirOf({ env, home: "/home/me" }, { text: () => option })).toBe(path);
});
