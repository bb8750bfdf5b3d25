// The gateway as a program of its own, all of it, but that it does not wait for the disk: whether a run
// outlives a
// power cut is not asked by the fuzzer, and the waiting would take longer than all the rest.
import { runCli } from "../../src/cli/main.ts";
import { createBunPlatform } from "../../src/platform/bun.ts";
import type { Platform } from "../../src/ports.ts";

const base = createBunPlatform();
const platform: Platform = {
  ...base,
  openDatabase(path) {
    const db = base.openDatabase(path);
    db.exec("PRAGMA synchronous = OFF");
    return db;
  },
};
platform.process.exit(await runCli(platform));
