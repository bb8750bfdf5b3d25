import { expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createTarPacker, packTar, type TarHeader } from "modern-tar";
import { createFiles } from "../../../src/platform/files.ts";
import { startProgram } from "../../../src/platform/program.ts";
import { findPlugins } from "../../../src/plugins/find/found.ts";
import { installPlugin, type InstallPorts, removeInstalled } from "../../../src/plugins/install/install.ts";
import { writePlugin } from "../../support/plugin.ts";
import { tempDir } from "../../support/temp.ts";
import { createFakeTime } from "../../support/time.ts";

const files = createFiles();
const MANIFEST = "gateway.plugin.json";
const OTHER_SUM = `sha512-${"A".repeat(86)}==`;
const HELLO = { id: "hello", version: "1.0.0", apiVersion: 1 };

function createKit(env: Readonly<Record<string, string | undefined>> = {}) {
  const folder = join(tempDir(), "plugins");
  const ports: InstallPorts = {
    files,
    timers: createFakeTime().timers,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    home: tempDir(),
    folder,
    newKey: () => crypto.randomUUID(),
    env: (name) => env[name],
    startProgram,
  };
  return {
    ports,
    folder,
    async install(source: string, more: { integrity?: string; replace?: boolean } = {}) {
      const found = await findPlugins(files, [{ path: folder, origin: "installed" }], []);
      try {
        return await installPlugin(ports, { source, ...more }, (id) => found.get(id));
      } catch (error) {
        return String((error as { code?: string }).code) + String(error).replace(/^.*?: Cannot/, ": Cannot");
      }
    },
    /** What is there, unfinished things included. */
    names: () => (existsSync(folder) ? readdirSync(folder).toSorted() : []),
  };
}

type Entry = Omit<TarHeader, "size"> & { readonly body?: string };

async function archive(entries: readonly Entry[]): Promise<string> {
  const packed = await packTar(
    entries.map(({ body = "", ...header }) => ({
      header: { ...header, size: header.type === undefined ? body.length : 0 },
      ...(header.type === undefined && { body }),
    })),
  );
  const path = join(tempDir(), "plugin.tgz");
  writeFileSync(path, Bun.gzipSync(packed));
  return path;
}

const plugin = (prefix = "package/"): Entry[] => [
  { name: `${prefix}${MANIFEST}`, body: JSON.stringify(HELLO) },
  { name: `${prefix}index.ts`, body: "export default 1;" },
];

test("a folder is copied, private, without its history and the links to programs", async () => {
  const { install, folder, names } = createKit();
  const source = writePlugin(join(tempDir(), "work"), { manifest: HELLO });
  mkdirSync(join(source, ".git"));
  writeFileSync(join(source, ".git/config"), "x");
  // What would tell the program that fetches packages what to run, and whom to ask.
  for (const name of [".npmrc", "bunfig.toml", ".yarnrc.yml"]) writeFileSync(join(source, name), "git=./x");
  mkdirSync(join(source, "node_modules/.bin"), { recursive: true });
  symlinkSync("/bin/sh", join(source, "node_modules/.bin/sh"));
  mkdirSync(join(source, "node_modules/dep"));
  writeFileSync(join(source, "node_modules/dep/run.sh"), "#!/bin/sh\n");
  chmodSync(join(source, "node_modules/dep/run.sh"), 0o775);
  chmodSync(join(source, "index.ts"), 0o664);
  expect(await install(source)).toBe("hello");
  expect(names()).toEqual(["hello"]);
  const target = join(folder, "hello");
  expect(readdirSync(target).toSorted()).toEqual([MANIFEST, "index.ts", "node_modules", "word.ts"]);
  expect(readdirSync(join(target, "node_modules"))).toEqual(["dep"]);
  const mode = (name: string) => lstatSync(join(target, name)).mode & 0o777;
  expect([".", "index.ts", "node_modules/dep/run.sh"].map(mode)).toEqual([0o700, 0o600, 0o700]);
});

test.each(["package/", "hello-1.0.0/", "", "./"])("an archive whose names begin with %p", async (prefix) => {
  const { install, folder } = createKit();
  expect(await install(await archive(plugin(prefix)))).toBe("hello");
  expect(readFileSync(join(folder, "hello/index.ts"), "utf8")).toBe("export default 1;");
});

test.each<[string, Entry]>([
  ["a name that climbs", { name: "package/../../out.ts", body: "x" }],
  ["a name that climbs at once", { name: "../out.ts", body: "x" }],
  ["an absolute name", { name: "/tmp/out.ts", body: "x" }],
  ["a name of another system", { name: "package\\..\\out.ts", body: "x" }],
  ["a name with a line end", { name: "package/a\nb", body: "x" }],
  ["a symbolic link", { name: "package/link", type: "symlink", linkname: "/etc/passwd" }],
  ["a hard link", { name: "package/link", type: "link", linkname: "/etc/passwd" }],
  ["a device", { name: "package/null", type: "character-device" }],
  ["a pipe", { name: "package/pipe", type: "fifo" }],
  ["a name that is there already", { name: "package/index.ts", body: "other" }],
])("refused, and nothing is left of it: %s", async (_, entry) => {
  const { install, names, folder } = createKit();
  expect(await install(await archive([...plugin(), entry]))).toMatch(
    /^forbidden: Cannot install plugin from /,
  );
  expect(names()).toEqual([]);
  expect(readdirSync(join(folder, ".."))).toEqual(["plugins"]);
});

test("an archive that is none, is cut off, or is more than a plugin may have", async () => {
  const { install, names } = createKit();
  const path = join(tempDir(), "plugin.tgz");
  writeFileSync(path, "not at all");
  expect(await install(path)).toMatch(/^forbidden: /);
  const whole = readFileSync(await archive(plugin()));
  writeFileSync(path, whole.subarray(0, whole.length / 2));
  expect(await install(path)).toMatch(/^forbidden: /);
  // 200 MiB of nothing are a small file.
  const { readable, controller } = createTarPacker();
  const size = 200 * 1024 * 1024;
  const body = controller.add({ name: "package/zero", size }).getWriter();
  const zeros = new Uint8Array(1024 * 1024);
  const filling = (async () => {
    for (let n = 0; n < 200; n++) await body.write(zeros);
    await body.close();
    controller.finalize();
  })();
  const packed = new Response(readable.pipeThrough(new CompressionStream("gzip")));
  writeFileSync(path, new Uint8Array(await packed.arrayBuffer()));
  await filling;
  expect(await install(path)).toMatch(/^too_large: .*more than 100 MiB or 20000 files$/);
  expect(names()).toEqual([]);
});

test("an archive that has to be a certain one", async () => {
  const { install, names } = createKit();
  const path = await archive(plugin());
  const sum = `sha512-${new Bun.CryptoHasher("sha512").update(readFileSync(path)).digest("base64")}`;
  expect(await install(path, { integrity: OTHER_SUM })).toMatch(
    /^forbidden: .*it is not what was wanted: it has sha512-/,
  );
  expect(names()).toEqual([]);
  expect(await install(path, { integrity: sum })).toBe("hello");
});

test("what is no plugin, or is not there", async () => {
  const { install, names } = createKit();
  const source = writePlugin(join(tempDir(), "work"), { manifest: { id: "hello" } });
  expect(await install(source)).toMatch(/^forbidden: .*gateway\.plugin\.json: apiVersion/);
  expect(await install(tempDir())).toMatch(/^forbidden: .*: there is no gateway\.plugin\.json$/);
  expect(await install("/nowhere/at/all")).toBe(
    'not_found: Cannot install plugin from "/nowhere/at/all": there is nothing',
  );
  expect(await install("work")).toMatch(/wanted an absolute path, or npm:NAME@VERSION$/);
  expect(await install("npm:../up")).toMatch(/wanted an absolute path, or npm:NAME@VERSION$/);
  expect(await install("npm:-g")).toMatch(/wanted an absolute path, or npm:NAME@VERSION$/);
  expect(names()).toEqual([]);
});

test("a folder with a link in it", async () => {
  const { install } = createKit();
  const source = writePlugin(join(tempDir(), "work"), { manifest: HELLO });
  symlinkSync("/etc", join(source, "etc"));
  expect(await install(source)).toMatch(/^forbidden: .*"etc" in it is a link$/);
});

test("another version takes the place of an installed one only when asked", async () => {
  const { install, folder, names } = createKit();
  expect(await install(await archive(plugin()))).toBe("hello");
  const source = writePlugin(join(tempDir(), "work"), { manifest: { ...HELLO, version: "2.0.0" } });
  expect(await install(source)).toMatch(
    /^conflict: .*"hello" is installed already; replace takes its place$/,
  );
  expect(await install(source, { replace: true })).toBe("hello");
  expect(readFileSync(join(folder, "hello", MANIFEST), "utf8")).toContain("2.0.0");
  expect(names()).toEqual(["hello"]);
});

test("what a kill has left is put right by the next one: what was aside comes back, the rest goes", async () => {
  const { install, folder, names } = createKit();
  await install(await archive(plugin()));
  renameSync(join(folder, "hello"), join(folder, ".old-1.hello"));
  writePlugin(join(folder, ".old-2.broken"), { manifest: "{" });
  writePlugin(join(folder, ".new-1/plugin"), { manifest: HELLO });
  mkdirSync(join(folder, ".gone-1"));
  const other = [{ ...plugin()[0], body: JSON.stringify({ ...HELLO, id: "other" }) }, plugin()[1]];
  expect(await install(await archive(other as Entry[]))).toBe("other");
  expect(names()).toEqual(["broken", "hello", "other"]);
});

test("removing a link removes the link", async () => {
  const { ports, folder, names } = createKit();
  const source = writePlugin(join(tempDir(), "work"), { manifest: HELLO });
  mkdirSync(folder, { mode: 0o700 });
  symlinkSync(source, join(folder, "hello"));
  expect(await removeInstalled(ports, join(folder, "hello"))).toBe(true);
  expect(names()).toEqual([]);
  expect(existsSync(join(source, MANIFEST))).toBe(true);
  expect(await removeInstalled(ports, join(folder, "hello"))).toBe(false);
});

test("a package without a program to fetch it is said so", async () => {
  const { install, names } = createKit({ PATH: tempDir() });
  expect(await install("npm:gateway-hello@1.0.0")).toBe(
    'unavailable: Cannot install plugin from "npm:gateway-hello@1.0.0": neither npm nor bun is there to fetch it',
  );
  expect(names()).toEqual([]);
});

/** A registry of packages, as far as fetching needs one. */
function registry(packages: Readonly<Record<string, { readonly tgz: Uint8Array; readonly more?: object }>>) {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request): Response {
      const path = decodeURIComponent(new URL(request.url).pathname).slice(1);
      const [name = "", file] = path.split("/-/");
      const found = packages[name];
      if (!found) return new Response("{}", { status: 404 });
      if (file !== undefined) return new Response(Uint8Array.from(found.tgz));
      const sum = new Bun.CryptoHasher("sha512").update(found.tgz).digest("base64");
      const dist = { tarball: new URL(`/${name}/-/a.tgz`, request.url).href, integrity: `sha512-${sum}` };
      const version = { name, version: "1.0.0", dist, ...found.more };
      return Response.json({ name, "dist-tags": { latest: "1.0.0" }, versions: { "1.0.0": version } });
    },
  });
  return server;
}

const PROGRAMS = ["npm", "bun"].filter((name) => Bun.which(name) !== null);

test.each(PROGRAMS)(
  "a package comes with what it is built on, and nothing of it is run: %s",
  async (program) => {
    const mark = join(tempDir(), "ran");
    const scripts = { preinstall: `touch ${mark}`, postinstall: `touch ${mark}`, prepack: `touch ${mark}` };
    const dependencies = { word: "1.0.0" };
    const about = { name: "gateway-hello", version: "1.0.0", dependencies, scripts };
    const tgz = readFileSync(
      await archive([...plugin(), { name: "package/package.json", body: JSON.stringify(about) }]),
    );
    const word = { name: "word", version: "1.0.0", scripts };
    const wordTgz = readFileSync(
      await archive([
        { name: "package/package.json", body: JSON.stringify(word) },
        { name: "package/index.js", body: "export default 'hi';" },
      ]),
    );
    const server = registry({
      "gateway-hello": { tgz, more: { dependencies, scripts, hasInstallScript: true } },
      word: { tgz: wordTgz, more: { scripts, hasInstallScript: true } },
    });
    // One of the two alone, and what it needs itself.
    const path = tempDir();
    for (const name of [program, "node", "sh"]) {
      const real = Bun.which(name);
      if (real !== null) symlinkSync(real, join(path, name));
    }
    const env = { PATH: path, HOME: tempDir(), npm_config_registry: server.url.href };
    const { install, folder, names } = createKit(env);
    const { integrity } = {
      integrity: `sha512-${new Bun.CryptoHasher("sha512").update(tgz).digest("base64")}`,
    };
    try {
      expect(await install("npm:gateway-hello@1.0.0", { integrity: OTHER_SUM })).toMatch(
        /^forbidden: .*it is not what was wanted/,
      );
      expect(await install("npm:gateway-hello@1.0.0", { integrity })).toBe("hello");
      expect(names()).toEqual(["hello"]);
      expect(readFileSync(join(folder, "hello/node_modules/word/index.js"), "utf8")).toContain("hi");
      expect(existsSync(mark)).toBe(false);
      expect(await install("npm:gateway-none")).toMatch(/^unavailable: .*exit code/);
    } finally {
      await server.stop(true);
    }
  },
  60_000,
);
