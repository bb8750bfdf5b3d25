import assert from "node:assert/strict";
import { test } from "node:test";
import { startPlugin } from "gateway/plugin/testing";
import plugin from "./index.ts";

test("greets, tells everybody, and knows whom", async () => {
  const started = await startPlugin(plugin, { config: { greeting: "Hello" } });
  assert.deepEqual(await started.call("sample-plugin.last"), {});
  assert.deepEqual(await started.call("sample-plugin.greet", { name: "Ada" }), { text: "Hello, Ada" });
  assert.deepEqual(started.events, [{ event: "sample-plugin.greeted", payload: { name: "Ada" } }]);
  assert.deepEqual(await started.call("sample-plugin.last"), { name: "Ada" });
  await started.stop();
});

test("greets as its configuration says", async () => {
  const started = await startPlugin(plugin, { config: { greeting: "Good day" } });
  assert.equal(await started.tool("sample-plugin_greet", { name: "Ada" }), "Good day, Ada");
});

test("a name has to be given", async () => {
  const started = await startPlugin(plugin);
  await assert.rejects(started.call("sample-plugin.greet", {}), { code: "invalid_params" });
});
