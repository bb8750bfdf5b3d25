import { expect, onTestFinished, test } from "bun:test";
import process from "node:process";

import { createProcess, withoutEchoes } from "../../../src/platform/process.ts";
import type { TextSink } from "../../../src/ports.ts";

test("a signal that comes again at once is the same one, another signal is not", () => {
  let nowMs = 1_000;
  const told: string[] = [];
  const tell = withoutEchoes((signal) => told.push(`${signal} at ${nowMs}`), { elapsed: () => nowMs });
  const at = (ms: number, signal: "SIGINT" | "SIGTERM"): void => {
    nowMs = ms;
    tell(signal);
  };
  at(1_000, "SIGINT");
  at(1_030, "SIGINT");
  at(1_031, "SIGTERM");
  at(1_049, "SIGINT");
  // Counted from the one that was told: a key held down is heard in the end.
  at(1_050, "SIGINT");
  at(1_090, "SIGTERM");
  expect(told).toEqual(["SIGINT at 1000", "SIGTERM at 1031", "SIGINT at 1050", "SIGTERM at 1090"]);
});

test("each listener is told of a forwarded signal once, and of none after it stopped", () => {
  const sink: TextSink = { isTerminal: false, write: () => undefined, flush: () => Promise.resolve() };
  const ours = createProcess({
    stdout: sink,
    stderr: sink,
    isTerminal: () => false,
    collectGarbage: () => {},
    again: () => ["false"],
  });
  const told: string[] = [];
  const stops = ["a", "b"].map((name) => ours.onStopSignal((signal) => told.push(`${name} ${signal}`)));
  onTestFinished(() => stops.forEach((stop) => stop()));
  process.emit("SIGINT", "SIGINT");
  process.emit("SIGINT", "SIGINT");
  expect(told).toEqual(["a SIGINT", "b SIGINT"]);
  stops[0]?.();
  process.emit("SIGTERM", "SIGTERM");
  expect(told).toEqual(["a SIGINT", "b SIGINT", "b SIGTERM"]);
});
