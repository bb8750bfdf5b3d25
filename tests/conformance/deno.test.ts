import { beforeAll, describe, expect, test } from "bun:test";
import { lstatSync } from "node:fs";
import { join } from "node:path";

import { deno, run } from "../../scripts/tools.ts";
import { createBunPlatform } from "../../src/platform/bun.ts";
import { tempDir } from "../support/temp.ts";
import { allSuites } from "./all.ts";

/** What `deno task gateway` allows, and nothing else. */
const PERMISSIONS = ["--allow-net", "--allow-read", "--allow-write", "--allow-env", "--allow-sys"];
const DENO_FLAGS = ["--quiet", "--no-prompt", "--no-check", ...PERMISSIONS];

/** A first run may have to install Deno. */
const INSTALL_MS = 120_000;

/**
 * The suites run in Deno, all at once, and each of their tests is one here. Deno answers in TAP, where a
 * failure is followed by its facts in JSON.
 */
describe("on Deno", () => {
  const outcomes = new Map<string, string>();
  let output = "";

  beforeAll(async () => {
    const file = join(import.meta.dir, "run.deno.ts");
    ({ output } = await run([
      await deno(),
      "test",
      "--reporter=tap",
      "--allow-run",
      "--cached-only",
      ...DENO_FLAGS,
      file,
    ]));
    for (const [, verdict = "", name = "", facts = ""] of output.matchAll(TAP)) {
      outcomes.set(name, verdict === "ok" ? "ok" : facts.replaceAll("\\n", "\n"));
    }
  }, INSTALL_MS);

  allSuites({
    platform: createBunPlatform(),
    test: (name) => test(name, () => expect(outcomes.get(name) ?? output).toBe("ok")),
    child: [process.execPath],
    idleCodeOnWire: 1001,
  });
});

const TAP = /^(ok|not ok) \d+ - (.*)$(?:\n +---\n(.*))?/gm;

test(
  "on Deno, a program that its flags do not allow is refused in words",
  async () => {
    const child = join(import.meta.dir, "child.deno.ts");
    const outcome = await run([await deno(), "run", "--cached-only", ...DENO_FLAGS, child, "run", "sh"]);
    expect(outcome).toEqual({ code: 0, output: 'Cannot run "sh": starting programs is not allowed\n' });
  },
  INSTALL_MS,
);

describe("@std/fs on Deno", () => {
  const child = join(import.meta.dir, "child.deno.ts");
  const makeDirectory = async (flags: readonly string[], env: Record<string, string> = {}) => {
    const dir = tempDir();
    const command = [await deno(), "run", ...DENO_FLAGS, ...flags, child, "directory", join(dir, "a", "b")];
    const outcome = await run(command, { env: { ...process.env, DENO_DIR: join(dir, "cache"), ...env } });
    return { ...outcome, mode: modeOf(join(dir, "a", "b")) };
  };

  test(
    "makes the directories where it can be had",
    async () => {
      // Its place is taken by a module of the same shape, since the real one is beyond reach here.
      const dir = tempDir();
      const standIn = join(dir, "std-fs.ts");
      await Bun.write(
        standIn,
        'export const ensureDir = (p) => (console.log("std"), Deno.mkdir(p, { recursive: true }));',
      );
      const map = join(dir, "import-map.json");
      await Bun.write(map, JSON.stringify({ imports: { "@std/fs": standIn } }));
      const outcome = await makeDirectory(["--cached-only", `--import-map=${map}`]);
      expect(outcome).toEqual({ code: 0, output: "std\nmade\n", mode: "700" });
    },
    INSTALL_MS,
  );

  test("is replaced without a word where it is not in the cache", async () => {
    expect(await makeDirectory(["--cached-only"])).toEqual({ code: 0, output: "made\n", mode: "700" });
  });

  test("is replaced where its registry never answers", async () => {
    let asked = 0;
    const open = (): void => void (asked += 1);
    const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { open, data() {} } });
    const env = { JSR_URL: `http://127.0.0.1:${silent.port}/` };
    expect(await makeDirectory([], env)).toEqual({ code: 0, output: "made\n", mode: "700" });
    expect(asked).toBeGreaterThan(0);
    silent.stop(true);
  });
});

function modeOf(path: string): string {
  return (lstatSync(path).mode & 0o777).toString(8);
}
