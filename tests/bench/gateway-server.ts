/**
 * The gateway as the bench asks it: first line of output its URL, `broadcast N` sends N events to every
 * client.
 */
import { startGatewayServer } from "../../src/gateway.ts";
import { createBunPlatform } from "../../src/platform/bun.ts";

const stateDir = process.env["BENCH_STATE_DIR"];
if (!stateDir) throw new Error("BENCH_STATE_DIR is not set");
const gateway = await startGatewayServer(0, {
  platform: createBunPlatform(),
  flags: { stateDir, token: process.env["BENCH_TOKEN"] ?? "" },
});
console.log(gateway.urls[0]);

for await (const line of console) {
  const count = Number(line.split(" ")[1]);
  for (let n = 0; n < count; n++) {
    gateway.broadcast("voicewake.changed", { triggers: ["clawd", "claude", "computer"] });
    await new Promise((resolve) => setImmediate(resolve));
  }
  console.log("done");
}
