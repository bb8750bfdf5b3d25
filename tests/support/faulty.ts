// The gateway with a fault of its own: each line on standard input is an error that nobody catches.
import { runCli } from "../../src/cli/main.ts";
import { createBunPlatform } from "../../src/platform/bun.ts";

const platform = createBunPlatform();

async function fail(): Promise<void> {
  for await (const line of platform.process.lines()) {
    const error = new Error(`fault: ${line}`);
    if (line === "rejection") void Promise.reject(error);
    else
      setTimeout(() => {
        throw error;
      });
  }
}

void fail();
platform.process.exit(await runCli(platform));
