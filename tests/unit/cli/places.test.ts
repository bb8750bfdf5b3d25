import { expect, test } from "bun:test";
import { stateDirOf } from "../../../src/cli/places.ts";

test.each([
  ["/home/me/.clawdbot", {}, undefined],
  ["/a", { CLAWDBOT_STATE_DIR: "/a" }, undefined],
  ["/b", { CLAWDBOT_STATE_DIR: "/a", MOLTBOT_STATE_DIR: "/b/" }, undefined],
  ["/home/me/a", { CLAWDBOT_STATE_DIR: "~/a" }, undefined],
  ["c", { MOLTBOT_STATE_DIR: "/b" }, "c/"],
] as [string, Record<string, string>, string | undefined][])("in %s", (path, env, option) => {
  expect(stateDirOf({ env, home: "/home/me" }, { text: () => option })).toBe(path);
});
