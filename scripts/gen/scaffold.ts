import { dirname, join, normalize } from "node:path";
import manifest from "../../package.json" with { type: "json" };

/** What `gateway plugins new` writes: by path, the text. */
export type Scaffold = Readonly<Record<string, string>>;

const TOP = new URL("../../", import.meta.url);

/** As it is before it has a name; {@link PLACEHOLDER} stands for that. */
const TEMPLATE = {
  "README.md": "scripts/gen/plugin/README.md",
  "gateway.plugin.json": "scripts/gen/plugin/gateway.plugin.json",
  "index.ts": "scripts/gen/plugin/index.ts",
  "index.test.ts": "scripts/gen/plugin/index.test.ts",
  "tsconfig.json": "scripts/gen/plugin/tsconfig.json",
  // With its dot it would count here.
  ".gitignore": "scripts/gen/plugin/gitignore",
  // No code of this project: its types are not among ours.
  ".gateway/node.js": "scripts/gen/plugin/node.txt",
};

/** What plugins and their tests import by name; with all that these import, it goes along. */
const SURFACE = ["../../src/plugins/api.ts", "../../src/plugins/testing.ts"].map((path) =>
  join("scripts/gen", path),
);

/** Where the surface is in a plugin's folder. */
const FOLDER = ".gateway";

/** The files of a new plugin, named `sample-plugin` throughout. */
export async function toScaffold(): Promise<Scaffold> {
  const files: Record<string, string> = {};
  for (const [path, from] of Object.entries(TEMPLATE)) files[path] = await read(from);
  files["package.json"] = `${JSON.stringify(packageOf(), null, 2)}\n`;
  const surface = await closureOf(SURFACE);
  for (const path of [...surface.keys()].toSorted())
    files[path.replace(/^src\//, `${FOLDER}/`)] = surface.get(path) ?? "";
  return files;
}

function read(path: string): Promise<string> {
  return Bun.file(new URL(path, TOP)).text();
}

/** These files and every file of ours that they import, types included. */
async function closureOf(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const open = [...paths];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (found.has(path)) continue;
    const text = await read(path);
    found.set(path, text);
    for (const [, specifier = ""] of text.matchAll(/\bfrom\s*"(\.[^"]+)"/g))
      open.push(normalize(join(dirname(path), specifier)));
  }
  return found;
}

function packageOf(): object {
  const { typescript } = manifest.devDependencies;
  return {
    name: "sample-plugin",
    version: "0.1.0",
    private: true,
    type: "module",
    // The oldest that runs TypeScript as it is. Without the pattern an older one finds no test, and passes.
    engines: { node: ">=22.18" },
    scripts: { test: `node --import ./${FOLDER}/node.js --test "**/*.test.ts"`, check: "tsc" },
    devDependencies: {
      "@types/node": "26.6.6",
      typescript,
      zod: manifest.dependencies.zod,
    },
  };
}
