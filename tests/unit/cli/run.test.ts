import { afterEach, beforeEach, expect, test } from "bun:test";
import { runCli } from "../../../src/cli/main.ts";
import type { Platform } from "../../../src/ports.ts";
import { createMachine, type Machine } from "./cli.ts";

let machine: Machine;

beforeEach(async () => {
  machine = await createMachine();
});
afterEach(() => machine.remove());

class Exit extends Error {}

/** A gateway in this process, and the ways to end it. */
async function start({ isOnTerminal = false } = {}) {
  const ready = Promise.withResolvers<void>();
  let signal = (_: "SIGTERM" | "SIGINT"): void => undefined;
  let uncaught = (_: unknown): void => undefined;
  const { platform, outcome } = machine.platform(["run", "--port", "0"]);
  const { stderr } = platform.process;
  let hangup = (): void => undefined;
  const process: Platform["process"] = {
    ...platform.process,
    stdinIsTerminal: isOnTerminal,
    stderr: {
      ...stderr,
      write: (text) => {
        stderr.write(text);
        if (text.includes("gateway listening")) ready.resolve();
      },
    },
    onStopSignal: (work) => {
      signal = work;
      return () => undefined;
    },
    onHangup: (work) => {
      hangup = work;
      return () => undefined;
    },
    onUncaught: (work) => {
      uncaught = work;
      return () => undefined;
    },
    exit: (code) => {
      throw new Exit(`exit ${code}`);
    },
  };
  const done = runCli({ ...platform, process });
  await ready.promise;
  return {
    done,
    outcome,
    signal: (name: "SIGTERM" | "SIGINT") => signal(name),
    hangup: () => hangup(),
    uncaught: (e: unknown) => uncaught(e),
  };
}

test.each(["SIGTERM", "SIGINT"] as const)("%s stops it well; a second one does not wait", async (name) => {
  const gateway = await start();
  gateway.signal(name);
  expect(() => gateway.signal("SIGINT")).toThrow(new Exit("exit 130"));
  expect(await gateway.done).toBe(0);
  expect(gateway.outcome().err).toContain(`stopped by ${name}`);
});

test("a terminal that hangs up stops it well, told twice too", async () => {
  const gateway = await start({ isOnTerminal: true });
  gateway.hangup();
  gateway.hangup();
  expect(await gateway.done).toBe(0);
  expect(gateway.outcome().err).toContain("stopped by SIGHUP");
});

test("an error nobody caught is logged once, and the gateway ends with 1", async () => {
  const gateway = await start();
  gateway.uncaught(new Error("boom"));
  gateway.uncaught(new Error("bang"));
  expect(await gateway.done).toBe(1);
  const { err } = gateway.outcome();
  expect(err.match(/uncaught error/g)?.length).toBe(1);
  expect(err).toContain("boom");
  expect(err).not.toContain("bang");
  expect(err).toContain("gateway stopped");
});

test("nothing goes to standard output when that is no terminal", async () => {
  const gateway = await start();
  gateway.signal("SIGTERM");
  await gateway.done;
  expect(gateway.outcome().out).toBe("");
});
