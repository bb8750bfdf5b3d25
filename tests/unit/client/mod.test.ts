import { expect, test } from "bun:test";

test("the client is small and stands alone", async () => {
  const built = await Bun.build({
    entrypoints: [Bun.fileURLToPath(new URL("../../../src/client/mod.ts", import.meta.url))],
    target: "browser",
    minify: true,
  });
  const text = (await built.outputs[0]?.text()) ?? "";
  expect(text).toContain("gateway-client");
  expect(text.length).toBeLessThan(12_000);
  expect(text).not.toMatch(/\bimport\b|\brequire\b|\bprocess\b|\bBun\b|\bDeno\b|node:/);
});
