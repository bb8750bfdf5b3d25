import { runCli } from "./cli/main.ts";
import { createBunPlatform } from "./platform/bun.ts";

const platform = createBunPlatform();
platform.process.exit(await runCli(platform));
