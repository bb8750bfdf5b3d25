/** SIGHUP: a service manager's word to read the configuration again. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { createHome, startGateway, startOnTerminal } from "../support/binary.ts";
import { changedTo } from "../support/configured.ts";
import { listen } from "../support/sdk.ts";

setDefaultTimeout(60_000);

/** The watch comes so late that only the signal can have been it. */
const textOf = (keepMax: number): string => `{
  "gateway": { "port": 0, "reload": { "debounceMs": 60000 } },
  "agents": { "defaults": { "model": "echo/echo" } },
  "sessions": { "keepMax": ${keepMax} },
}
`;

test("a hangup reads the configuration again, and ends nothing", async () => {
  const home = createHome(textOf(5));
  const gateway = await startGateway(home);
  const person = await listen(gateway, { token: gateway.token(), reconnect: false });
  const changed = changedTo(person, textOf(6));
  writeFileSync(home.configPath, textOf(6));
  gateway.signal("SIGHUP");
  await changed;
  await gateway.logged("SIGHUP: the configuration is read again");
  // A file that cannot be used is no reason to end either.
  const rejected = person.until("config.rejected", ({ event }) => event === "config.rejected");
  writeFileSync(home.configPath, "{{");
  gateway.signal("SIGHUP");
  await rejected;
  expect((await person.client.call("status")).config).toMatchObject({ valid: false, safeMode: false });
  expect(await gateway.stop()).toBe(0);
});

test("a terminal that hangs up stops it well", async () => {
  const home = createHome(textOf(5));
  const gateway = startOnTerminal(home, ["run", "--port", "0"]);
  await gateway.shown(/Ctrl-C stops it/);
  gateway.signal("SIGHUP");
  expect(await gateway.exited()).toBe(0);
  expect(gateway.stdout()).toContain("stopped by SIGHUP");
});
