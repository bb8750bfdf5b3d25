// Rules of the house that neither the compiler nor the linter holds. Each rule lists what breaks it, as
// `file:line`.
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import manifest from "../package.json" with { type: "json" };

const TOP = join(import.meta.dir, "..");

const COLUMNS_MAX = 110;

/** A file imports its own layer or a lower number; the name is the first one below src/. */
const LAYERS: Readonly<Record<string, number>> = {
  contract: 0,
  "version.ts": 0,
  "ports.ts": 1,
  "feature.ts": 1,
  "hooks.ts": 1,
  rpc: 1,
  config: 1,
  client: 1,
  ui: 1,
  features: 2,
  agents: 3,
  http: 3,
  plugins: 3,
  platform: 4,
  cli: 5,
  gateway: 5,
  "gateway.ts": 5,
  "main.ts": 5,
  "main.deno.ts": 5,
};

const PURE = /^src\/(contract|rpc|config|features)\/|^src\/(ports|feature)\.ts$/;
const RUNTIME = /^src\/(platform\/|main(\.deno)?\.ts$)/;
const ENTRIES = ["src/main.ts", "src/main.deno.ts", "src/client/mod.ts", "src/plugins/api.ts"];

/** What would make a pure file answer differently on the same input, or tie it to one runtime. */
const IMPURE = [
  /(?<![.\w$#])(?:Bun|Deno|process|console|fetch|performance|WebSocket|queueMicrotask)(?![\w$]|\s*:)/,
  /(?<![.\w$#])set(?:Timeout|Interval|Immediate)\b/,
  /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bcrypto\.(?:subtle|getRandomValues|randomUUID)\b/,
];

const source = await readAll(["src/**/*.ts"]);
const code = new Map([...source, ...(await readAll(["tests/**/*.ts", "scripts/**/*.ts"]))]);
const texts = new Map([
  ...code,
  ...(await readAll([
    "*.{json,toml,md}",
    ".oxlintrc.json",
    ".ci/run",
    "tests/**/*.{txt,json}",
    "src/**/*.{md,html,css}",
  ])),
]);

async function readAll(patterns: readonly string[]): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const pattern of patterns) {
    for (const path of new Bun.Glob(pattern).scanSync({ cwd: TOP, dot: true })) {
      files.set(path, await Bun.file(join(TOP, path)).text());
    }
  }
  return files;
}

/** `file:line` of each line that the rule does not like. */
function find(files: ReadonlyMap<string, string>, isBad: (line: string, path: string) => boolean): string[] {
  return [...files].flatMap(([path, text]) =>
    text.split("\n").flatMap((line, index) => (isBad(line, path) ? [`${path}:${index + 1}`] : [])),
  );
}

/** What runs of a file: without types, comments and string literals, but with what a template inserts. */
function running(text: string): string {
  const script = new Bun.Transpiler({ loader: "ts" }).transformSync(text);
  return script.replace(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, '""').replace(/`[^`]*`/g, inserted);
}

/** A line without the text of its literals, which no formatter breaks. */
function unquoted(line: string): string {
  return line.replace(
    /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|(?<=[(,=:] ?)\/(?![/*]).*\/\w*/g,
    "",
  );
}

function inserted(template: string): string {
  return [...template.matchAll(/\$\{([^}]*)\}/g)].map((match) => `(${match[1]})`).join(" ") || '""';
}

/** Specifiers of all imports, those of types included. */
function imports(text: string): string[] {
  const found = text.matchAll(/(?:\bfrom|^import|\bimport\(|\bexport \* from)\s*"([^"]+)"/gm);
  return [...found].map((match) => match[1] ?? "");
}

function layerOf(path: string): number | undefined {
  return LAYERS[path.split("/")[1] ?? ""];
}

function resolve(from: string, specifier: string): string {
  return normalize(join(dirname(from), specifier));
}

test("every file of src has a layer and imports its own or a lower one", () => {
  const bad = [...source].flatMap(([path, text]) => {
    const own = layerOf(path);
    if (own === undefined) return [`${path} is in no layer`];
    const targets = imports(text)
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => resolve(path, specifier));
    return targets
      .filter((target) => target.startsWith("src/") && (layerOf(target) ?? Infinity) > own)
      .map((target) => `${path} imports ${target}`);
  });
  expect(source.size).toBeGreaterThan(0);
  expect(bad).toEqual([]);
});

test("only platform and main name a runtime", () => {
  const bad = [...source].flatMap(([path, text]) => {
    if (RUNTIME.test(path)) return [];
    const modules = imports(text).filter((specifier) => /^(node|bun|jsr|npm):/.test(specifier));
    const globals = /(?<![.\w$])(?:Bun|Deno)\b/.exec(running(text)) ?? [];
    // `process` is also the name of a port: then the file takes it as a parameter or out of its platform.
    const isPort = /\bprocess\b\s*[,:}]/.test(text);
    const process = isPort ? [] : (/(?<![.\w$])process\.\w+/.exec(running(text)) ?? []);
    return [...modules, ...globals, ...process].map((name) => `${path} names ${name}`);
  });
  expect(bad).toEqual([]);
});

test("pure files use no clock, chance, network, console or runtime but their ports", () => {
  const bad = [...source].flatMap(([path, text]) => {
    if (!PURE.test(path)) return [];
    const script = running(text);
    return IMPURE.flatMap((name) => name.exec(script) ?? []).map((name) => `${path} uses ${name}`);
  });
  expect(bad).toEqual([]);
});

test("the client imports nothing but itself", () => {
  const bad = [...source].flatMap(([path, text]) =>
    !path.startsWith("src/client/")
      ? []
      : imports(text)
          .filter((name) => !name.startsWith(".") || !resolve(path, name).startsWith("src/client/"))
          .map((name) => `${path} imports ${name}`),
  );
  expect(bad).toEqual([]);
});

test("every file of src is reached from an entry or a script", () => {
  const reached = new Set<string>();
  const visit = (path: string): void => {
    const text = code.get(path);
    if (text === undefined || reached.has(path)) return;
    reached.add(path);
    // Not only imports: a worker or a page is named by its path.
    for (const match of text.matchAll(/"(\.\.?\/[^"]+)"/g)) visit(resolve(path, match[1] ?? ""));
  };
  ENTRIES.forEach(visit);
  [...code.keys()].filter((path) => path.startsWith("scripts/")).forEach(visit);
  const missing = ENTRIES.filter((path) => !source.has(path));
  const dead = [...source.keys()].filter((path) => !reached.has(path));
  expect([...missing, ...dead]).toEqual([]);
});

test("a catch that drops its error says why", () => {
  const bad = [...code].flatMap(([path, text]) =>
    [...text.matchAll(/\bcatch \{([^\n]*)\n([^\n]*)/g)]
      .filter(([, same = "", next = ""]) => !same.includes("//") && !next.trimStart().startsWith("//"))
      .map((match) => `${path}:${text.slice(0, match.index).split("\n").length}`),
  );
  expect(bad).toEqual([]);
});

test("an exception from the linter or the compiler says why", () => {
  const ignored = find(
    code,
    (line) => /\boxlint-disable|\beslint-disable/.test(line) && !line.includes(" -- "),
  );
  const silenced = find(code, (line) => /^\s*(?:\/\/|\/\*)\s*@ts-(?:ignore|nocheck)/.test(line));
  expect([...ignored, ...silenced]).toEqual([]);
});

test(`no line of code is over ${COLUMNS_MAX} columns, the text it quotes apart`, () => {
  const isLong = (line: string): boolean => line.length > COLUMNS_MAX && unquoted(line).length > COLUMNS_MAX;
  expect(find(code, isLong)).toEqual([]);
});

test("no file names a folder of the machine it was written on", () => {
  const top = TOP.length > 1 ? TOP : undefined;
  const machine = new RegExp(["", "(?:work|workspace|root|Users)", ""].join("/"));
  expect(
    find(texts, (line) => machine.test(line) || (top !== undefined && line.includes(`${top}/`))),
  ).toEqual([]);
});

test("versions are exact, and neither runtime is a package of the project", () => {
  const packages: Readonly<Record<string, string>> = {
    ...manifest.dependencies,
    ...manifest.devDependencies,
  };
  const loose = Object.entries(packages).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version));
  expect(loose).toEqual([]);
  expect(Object.keys(packages).filter((name) => name === "bun" || name === "deno")).toEqual([]);
});

test("every text that names the version of Bun or Deno names the pinned one", () => {
  const deno = /DENO_VERSION = "([^"]+)"/.exec(code.get("scripts/tools.ts") ?? "")?.[1];
  const pinned = [manifest.packageManager, `deno@${deno}`];
  const named = [...texts].flatMap(([path, text]) =>
    [...text.matchAll(/(?<![\w/@])(?:bun|deno)@\d+\.\d+\.\d+/g)].map(([name]) => ({ path, name })),
  );
  expect(existsSync(join(TOP, "README.md"))).toBe(true);
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter(({ name }) => !pinned.includes(name))).toEqual([]);
});

test("CI runs the test command of the README", () => {
  const commands = (path: string): string[] =>
    [...(texts.get(path) ?? "").matchAll(/^npx --yes \S+ run test\b/gm)].map(([command]) => command);
  expect(commands("README.md")).toHaveLength(1);
  expect(commands(".ci/run")).toEqual(commands("README.md"));
});
