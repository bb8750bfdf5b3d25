// Starts a process of plugins, says its number, and waits to be killed.
import { createBunPlatform } from "../../src/platform/bun.ts";

const { startPluginProcess } = createBunPlatform().process;
const confinement = { network: false, exec: false, readable: [], writable: [] };
const { program } = await startPluginProcess({ directory: "/", env: {}, confinement });
// It is there when it says so.
for await (const _ of program.channel) break;
if (process.argv[2] === "stopped") process.kill(program.pid, "SIGSTOP");
console.log(program.pid);
await new Promise(() => {});
