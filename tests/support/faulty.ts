// The gateway with a fault of its own: each line on standard input is an error that nobody catches.
import { runCli } from "../../src/cli/main.ts";
import { createBunPlatform } from "../../src/platform/bun.ts";

const platform = createBunPlatform();
const { process } = platform;

async function fail(): Promise<void> {
  for await (const line of process.lines()) {
    const error = new Error(`fault: ${line}`);
    if (line === "rejection") void Promise.reject(error);
    else
      setTimeout(() => {
        throw error;
      });
    // Behind both.
    setTimeout(() => process.stdout.write(`${line} done\n`), 1);
  }
}

void fail();
process.exit(await runCli(platform));
