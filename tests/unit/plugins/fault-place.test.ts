import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { RpcError } from "../../../src/contract/errors.ts";
import { bunPlugins } from "../../../src/platform/bun-plugins.ts";
import { placed } from "../../../src/plugins/run/fault-place.ts";
import { tempDir } from "../../support/temp.ts";

/** What loading this code, and calling what it exports, fails with. */
async function fault(code: string, helper = ""): Promise<{ error: unknown; directory: string }> {
  const directory = tempDir();
  writeFileSync(join(directory, "index.ts"), code);
  writeFileSync(join(directory, "helper.ts"), helper);
  try {
    const options = { onError: () => {}, globals: {} };
    const { exports, run } = await bunPlugins.load(join(directory, "index.ts"), options);
    run(exports["default"] as () => void);
  } catch (error) {
    return { error, directory };
  }
  throw new Error("nothing failed");
}

test.each([
  ["code that cannot be read", "export const a = 1;\nconst x = ;\n", "", "Unexpected ; (index.ts:2:11)"],
  ["in what it imports", 'import "./helper.ts";\n', "\n\nlet = 1 2;", /\(helper\.ts:3:\d+\)$/],
  [
    "several mistakes",
    "function f() { await 1; }\nfunction g() { await 2; }\nexport {};\n",
    "",
    '"await" can only be used inside an "async" function (index.ts:1:22), and 1 more',
  ],
  ["a throw while it is loaded", "\nthrow new Error('not today');", "", "not today (index.ts:2:11)"],
  [
    "a throw of another file",
    'import { go } from "./helper.ts";\nexport default () => go();',
    "export function go() {\n  throw new TypeError('no');\n}",
    "no (helper.ts:2:13)",
  ],
] as const)("%s", async (_, code, helper, wanted) => {
  const { error, directory } = await fault(code, helper);
  const { message } = placed(error, directory);
  if (typeof wanted === "string") expect(message).toBe(wanted);
  else expect(message).toMatch(wanted);
});

test("what has no place there is as it was", () => {
  const elsewhere = new Error("elsewhere");
  expect(placed(elsewhere, "/plugin")).toBe(elsewhere);
  const spoken = new RpcError("busy", "Cannot do it now");
  expect(placed(spoken, import.meta.dir)).toBe(spoken);
  expect(placed("a text", "/plugin").message).toBe("a text");
  const package_ = Object.assign(new Error("deep"), {
    stack: "Error: deep\n    at f (/p/node_modules/a/index.js:1:2)\n    at g (/p/index.ts:3:4)",
  });
  expect(placed(package_, "/p").message).toBe("deep (index.ts:3:4)");
});
