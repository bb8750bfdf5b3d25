import { runCli } from "./cli/main.ts";
import { createDenoPlatform } from "./platform/deno.ts";

const platform = createDenoPlatform();
platform.process.exit(await runCli(platform));
