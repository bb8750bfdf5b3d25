import { execPath } from "node:process";

import { createDenoPlatform } from "../../src/platform/deno.ts";
import { allSuites } from "./all.ts";

allSuites({
  platform: createDenoPlatform(),
  // What outlives a test here belongs to the runtime's own sockets.
  test: (name, fn) =>
    Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false, sanitizeExit: false }),
  child: [
    execPath,
    "run",
    "--quiet",
    "--allow-all",
    "--no-check",
    new URL("child.deno.ts", import.meta.url).pathname,
  ],
  // Deno ends an idle socket itself, with its own code.
  idleCodeOnWire: 1001,
});
