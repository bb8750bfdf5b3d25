/** Programs on Deno with the permissions of a process of plugins. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

import { deno, TOP } from "../../scripts/tools.ts";
import { denoFlags } from "../../src/platform/confine/deno.ts";
import type { Confinement } from "../../src/ports.ts";
import { createPlace, textOf } from "../support/confinement.ts";

/** With the installation of Deno, where it has not been needed before. */
setDefaultTimeout(120_000);

const tcp = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });

afterAll(() => tcp.stop());

async function onDeno(granted: Partial<Confinement>, flags?: readonly string[]): Promise<unknown> {
  const { readable, writable, secret } = createPlace();
  const confinement = { network: false, exec: false, readable: [readable], writable: [writable], ...granted };
  const child = Bun.spawn(
    [
      ...[await deno(), "run", "--quiet", "--cached-only", ...(flags ?? denoFlags(confinement))],
      ...[join(TOP, "tests/support/confined-deno.ts"), JSON.stringify(confinement), secret],
      ...[join(readable, "index.ts"), join(writable, "by-deno"), String(tcp.port)],
    ],
    { cwd: TOP, env: { PATH: "/usr/bin:/bin", HOME: readable }, stdout: "pipe", stderr: "pipe" },
  );
  const [text, errors] = await Promise.all([textOf(child.stdout), textOf(child.stderr), child.exited]);
  if (!text.startsWith("{")) throw new Error(`the program said nothing: ${errors}`);
  return JSON.parse(text);
}

test("on Deno its permissions hold what they were told to hold", async () => {
  const by = "by the permissions of Deno";
  const own = { secret: "NotCapable", readable: "ok", overwritten: "NotCapable", written: "ok" };
  expect(await onDeno({})).toEqual({
    held: [
      { capability: "files", by, isHeld: true },
      { capability: "network", by, isHeld: true },
      { capability: "exec", by, isHeld: true },
    ],
    outcomes: { ...own, network: "NotCapable", program: "NotCapable" },
  });
  expect(await onDeno({ network: true, exec: true })).toEqual({
    held: [{ capability: "files", by: "by nothing: Deno was started with --allow-run", isHeld: false }],
    outcomes: { ...own, network: "ok", program: "ok" },
  });
  expect(await onDeno({ network: true })).toMatchObject({
    held: [
      { capability: "files", by, isHeld: true },
      { capability: "exec", by, isHeld: true },
    ],
  });
});

test("on Deno with all permissions nothing is held, and that is said", async () => {
  expect(await onDeno({}, ["--allow-all"])).toMatchObject({
    held: [
      { capability: "files", by: "by nothing: Deno was started with --allow-read", isHeld: false },
      { capability: "network", by: "by nothing: Deno was started with --allow-net", isHeld: false },
      { capability: "exec", by: "by nothing: Deno was started with --allow-run", isHeld: false },
    ],
  });
});
