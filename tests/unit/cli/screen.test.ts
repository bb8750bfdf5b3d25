import { expect, test } from "bun:test";
import { createScreen, withoutControls } from "../../../src/cli/screen.ts";
import { describeStatus, formatDuration } from "../../../src/cli/status.ts";
import { createBunPlatform } from "../../../src/platform/bun.ts";
import type { TextSink } from "../../../src/ports.ts";

function screenOf(isTerminal: boolean, env: Record<string, string> = {}) {
  const sink: TextSink = { isTerminal, write: () => undefined, flush: () => Promise.resolve() };
  return createScreen({ ...createBunPlatform().process, stdout: sink, stderr: sink, env });
}

test("styles only where they are wanted", () => {
  expect(screenOf(true).bold("x")).toBe("\u001b[1mx\u001b[0m");
  expect(screenOf(true).dim("x")).toBe("\u001b[2mx\u001b[0m");
  for (const screen of [
    screenOf(false),
    screenOf(true, { NO_COLOR: "1" }),
    screenOf(true, { TERM: "dumb" }),
  ]) {
    expect(screen.bold("x") + screen.dim("y")).toBe("xy");
  }
  expect(screenOf(true, { NO_COLOR: "" }).bold("x")).not.toBe("x");
});

test("text from elsewhere cannot steer a terminal", () => {
  const hostile = "a\u001b[2Jb\u0007c\rd\u009be\u007f\tf\ng\u00e9";
  expect(withoutControls(hostile)).toBe("a[2Jbcde\tf\ng\u00e9");
  expect(screenOf(true).foreign(hostile)).toBe(withoutControls(hostile));
  expect(screenOf(false).foreign(hostile)).toBe(hostile);
});

test.each([
  [0, "0 s"],
  [999, "0 s"],
  [1_000, "1 s"],
  [61_000, "1 min 1 s"],
  [3_600_000, "1 h"],
  [11_520_000, "3 h 12 min"],
  [90_061_000, "1 d 1 h"],
])("%d ms is %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

test("status for people", () => {
  const keys = Array.from({ length: 40 }, (_, at) => `section.${at + 10}`);
  const status = {
    version: "1.2.3",
    runtime: "bun 1",
    uptimeMs: 61_000,
    config: {
      path: "/c.json",
      hash: "",
      valid: true,
      restartOwed: [],
      safeMode: false,
      warnings: ["Cannot use it: odd", `Not used here: ${keys.join(", ")}`],
    },
    storage: { path: "/s/gateway.db", bytes: 4_096 },
    stateDir: "/s",
    model: "echo/echo",
    sessions: 3,
    runs: { active: 1, queued: 2 },
    clients: 4,
    memory: { rssBytes: 42 * 1024 * 1024 },
  };
  expect(describeStatus(status, "ws://x/ws", screenOf(false))).toBe(
    [
      "gateway 1.2.3 (bun 1) at ws://x/ws, up 1 min 1 s",
      "",
      "Model     echo/echo, which only repeats what it is told: set agents.defaults.model",
      "Sessions  3",
      "Runs      1 running, 2 waiting",
      "Clients   4",
      "Memory    42 MiB",
      "Config    /c.json (no such file, defaults apply)",
      "          Cannot use it: odd",
      `          Not used here: ${keys.slice(0, 12).join(", ")} and 28 more`,
      "State     /s",
      "",
    ].join("\n"),
  );
  const storage = { ...status.storage, movedAside: "/s/old.db", problem: "the disk is full" };
  expect(describeStatus({ ...status, storage }, "ws://x/ws", screenOf(false))).toEndWith(
    [
      "State     /s",
      "          NOTHING CAN BE WRITTEN: the disk is full",
      "          an older database could not be read and lies at /s/old.db",
      "",
    ].join("\n"),
  );
  const error = { file: "/c.json", line: 2, column: 7, message: "Cannot read configuration: odd" };
  const config = {
    ...status.config,
    valid: false,
    error,
    restartOwed: ["a.b", "c"],
    confirmWithinMs: 90_000,
  };
  const invalid = describeStatus({ ...status, config }, "ws://x/ws", screenOf(false)).split("\n");
  expect(invalid.slice(0, 3)).toEqual([
    "CONFIGURATION INVALID: the last good configuration goes on",
    "/c.json:2:7: Cannot read configuration: odd",
    "",
  ]);
  expect(invalid).toContain("          waits for a restart (gateway restart --now): a.b, c");
  expect(invalid).toContain("          a change is undone within 1 min 30 s unless it is confirmed");
  const refused = {
    ...config,
    error: { file: "/c.json", message: "Cannot apply configuration: port 1 is in use" },
  };
  const headOf = (told: typeof refused) =>
    describeStatus({ ...status, config: told }, "ws://x/ws", screenOf(false))
      .split("\n")
      .slice(0, 3);
  expect(headOf(refused)).toEqual([
    "RESTART FAILED: what needs one stays as it was",
    "Cannot apply configuration: port 1 is in use",
    "",
  ]);
  expect(headOf({ ...refused, restartOwed: [] })[0]).toBe(
    "CONFIGURATION NOT APPLIED: what was in force goes on",
  );
  const safe = { ...config, safeMode: true };
  expect(describeStatus({ ...status, config: safe }, "ws://x/ws", screenOf(false))).toStartWith(
    "SAFE MODE: ",
  );
});
