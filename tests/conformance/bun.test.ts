import { test } from "bun:test";
import { join } from "node:path";

import { createBunPlatform } from "../../src/platform/bun.ts";
import { allSuites } from "./all.ts";

allSuites({
  platform: createBunPlatform(),
  test: (name, run) => test(name, run, 30_000),
  child: [process.execPath, "run", "--no-install", join(import.meta.dir, "child.bun.ts")],
  idleCodeOnWire: 4009,
});
