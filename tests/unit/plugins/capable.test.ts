import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RpcError } from "../../../src/contract/errors.ts";
import { createBunPlatform } from "../../../src/platform/bun.ts";
import type { Capabilities } from "../../../src/plugins/api.ts";
import { createCapable } from "../../../src/plugins/gate/capable.ts";
import { isAlive } from "../../support/alive.ts";
import { tempDir } from "../../support/temp.ts";

const platform = createBunPlatform();

/** A folder of a plugin, one that may be granted, and one beside it with a prefix in common. */
function start(grants: Capabilities = {}, env: Record<string, string> = {}) {
  const top = realpathSync(tempDir());
  const [directory, granted, beside] = ["plugin", "granted", "granted-not"].map((name) => join(top, name));
  if (!directory || !granted || !beside) throw new Error("unreachable");
  for (const path of [directory, granted, beside]) {
    mkdirSync(path);
    writeFileSync(join(path, "a.txt"), `in ${path}`);
  }
  const denied: string[] = [];
  const stop = new AbortController();
  const files = grants.files?.map((path) => join(top, path));
  const capable = createCapable(platform, {
    start: {
      id: "p",
      directory,
      entry: join(directory, "index.ts"),
      config: {},
      grants: { ...grants, ...(files && { files }) },
      env,
    },
    gate: { denied: (capability, what) => void denied.push(`${capability}: ${what}`) },
    signal: stop.signal,
  });
  return { top, directory, granted, beside, denied, stop, capable };
}

async function codeOf(work: unknown): Promise<string> {
  try {
    await (typeof work === "function" ? work() : work);
    return "done";
  } catch (error) {
    return error instanceof RpcError ? error.code : `no RpcError: ${String(error)}`;
  }
}

test("without a grant there is its own folder to read, and nothing else", async () => {
  const { capable, directory, granted, denied } = start();
  const { files } = capable;
  expect(await files.readText(join(directory, "a.txt"))).toBe(`in ${directory}`);
  expect(await files.readText("a.txt")).toBe(`in ${directory}`);
  expect(await files.readText("./x/../none.txt")).toBeUndefined();
  expect(await files.list(directory)).toEqual(["a.txt"]);
  expect(denied).toEqual([]);
  for (const path of [join(granted, "a.txt"), "/etc/passwd", "../granted/a.txt", "~/.profile", "/"]) {
    expect(await codeOf(files.readText(path))).toBe("forbidden");
    expect(await codeOf(files.list(path))).toBe("forbidden");
  }
  expect(await codeOf(files.writeText("a.txt", "x"))).toBe("forbidden");
  expect(await codeOf(files.remove("a.txt"))).toBe("forbidden");
  expect(readFileSync(join(directory, "a.txt"), "utf8")).toBe(`in ${directory}`);
  expect(denied.length).toBe(12);
  expect(denied[0]).toBe(`files: read file "${granted}/a.txt"`);
});

test("what is granted may be read, written and removed, and not what begins like it", async () => {
  const { capable, granted, beside, top } = start({ files: ["granted"] });
  const { files } = capable;
  await files.writeText(join(granted, "new.txt"), "héllo");
  expect(await files.readText(join(granted, "new.txt"))).toBe("héllo");
  expect(await files.list(granted)).toEqual(["a.txt", "new.txt"]);
  await files.remove(join(granted, "new.txt"));
  expect(await files.list(granted)).toEqual(["a.txt"]);
  for (const path of [
    join(beside, "a.txt"),
    `${granted}/../granted-not/a.txt`,
    `${granted}/none/../../granted-not/a.txt`,
    `${granted}//.//..//granted-not//new.txt`,
    top,
  ]) {
    expect(await codeOf(files.readText(path))).toBe("forbidden");
    expect(await codeOf(files.writeText(path, "x"))).toBe("forbidden");
    expect(await codeOf(files.remove(path))).toBe("forbidden");
  }
  // What was granted stays, and a directory is not taken away by the way.
  expect(await codeOf(files.remove(granted))).toBe("forbidden");
  mkdirSync(join(granted, "inner"));
  expect(await codeOf(files.remove(join(granted, "inner")))).toBe("invalid_params");
  expect(existsSync(join(granted, "inner"))).toBe(true);
});

test("no link leads out of what is granted", async () => {
  const { capable, granted, beside, directory } = start({ files: ["granted"] });
  const { files } = capable;
  symlinkSync(beside, join(granted, "folder"));
  symlinkSync(join(beside, "a.txt"), join(granted, "file"));
  symlinkSync(join(beside, "not-yet"), join(granted, "dangling"));
  symlinkSync(join(granted, "loop"), join(granted, "loop"));
  symlinkSync(join(beside, "a.txt"), join(directory, "own"));
  for (const path of ["folder/a.txt", "file", "folder/new.txt", "folder/deep/new.txt"])
    expect(await codeOf(files.writeText(join(granted, path), "x"))).toBe("forbidden");
  for (const path of ["folder/a.txt", "file"])
    expect(await codeOf(files.readText(join(granted, path)))).toBe("forbidden");
  expect(await codeOf(files.readText(join(directory, "own")))).toBe("forbidden");
  expect(await codeOf(files.list(join(granted, "folder")))).toBe("forbidden");
  expect(await codeOf(files.remove(join(granted, "folder/a.txt")))).toBe("forbidden");
  expect(await codeOf(files.writeText(join(granted, "dangling"), "x"))).toBe("unavailable");
  expect(await codeOf(files.writeText(join(granted, "loop"), "x"))).toBe("unavailable");
  expect(existsSync(join(beside, "not-yet"))).toBe(false);
  expect(readFileSync(join(beside, "a.txt"), "utf8")).toBe(`in ${beside}`);
  // A link is removed, not what it leads to.
  await files.remove(join(granted, "file"));
  await files.remove(join(granted, "folder"));
  expect(readFileSync(join(beside, "a.txt"), "utf8")).toBe(`in ${beside}`);
  expect(await files.list(granted)).toEqual(["a.txt", "dangling", "loop"]);
});

test("a grant that is a link grants what it leads to, and one that is not there yet its name", async () => {
  const { capable, beside, top } = start({ files: ["link", "later"] });
  symlinkSync(beside, join(top, "link"));
  expect(await capable.files.readText(join(top, "link/a.txt"))).toBe(`in ${beside}`);
  expect(await capable.files.readText(join(beside, "a.txt"))).toBe(`in ${beside}`);
  expect(await capable.files.readText(join(top, "later/x"))).toBeUndefined();
  mkdirSync(join(top, "later"));
  await capable.files.writeText(join(top, "later/x"), "1");
  expect(await capable.files.readText(join(top, "later/x"))).toBe("1");
});

test("bounds of files, and paths that are none", async () => {
  const { capable, granted } = start({ files: ["granted"] });
  const path = join(granted, "big");
  await capable.files.writeText(path, "x".repeat(8 * 1024 * 1024));
  expect(await codeOf(capable.files.writeText(path, `é${"x".repeat(8 * 1024 * 1024 - 1)}`))).toBe(
    "too_large",
  );
  writeFileSync(path, "x".repeat(8 * 1024 * 1024 + 1));
  expect(await codeOf(capable.files.readText(path))).toBe("too_large");
  for (const wrong of ["", "a\0b", "\ud800", "x".repeat(5_000), 7, undefined, { toString: () => path }])
    expect(await codeOf(capable.files.readText(wrong as string))).toBe("invalid_params");
  expect(await codeOf(capable.files.writeText(path, 7 as unknown as string))).toBe("invalid_params");
});

test("variables by name, and no others in its process", async () => {
  const { capable, denied } = start(
    { env: ["TOKEN", "UNSET", "__proto__"] },
    { TOKEN: "t", OTHER: "o", HOME: "/h" },
  );
  expect(capable.env("TOKEN")).toBe("t");
  expect(capable.env("UNSET")).toBeUndefined();
  expect(capable.env("__proto__")).toBeUndefined();
  for (const name of ["OTHER", "HOME", "toString"])
    expect(await codeOf(() => capable.env(name))).toBe("forbidden");
  expect(denied).toEqual(["OTHER", "HOME", "toString"].map((name) => `env: read variable "${name}"`));
  expect(processOf(capable).env).toEqual({ TOKEN: "t" });
});

function processOf({ globals }: { readonly globals: Readonly<Record<string, unknown>> }): NodeJS.Process {
  // Made of the real one.
  return globals["process"] as NodeJS.Process;
}

test("its process is the real one, but for what would end or change everybody's", async () => {
  const { capable, denied } = start();
  const mine = processOf(capable);
  for (const call of [
    () => mine.exit(3),
    () => mine.kill(process.pid, 0),
    () => mine.abort(),
    () => mine.chdir("/"),
    () => Reflect.get(mine, "reallyExit").call(process, 3),
    () =>
      mine
        .on("never", () => {})
        .off("never", () => {})
        .exit(3),
  ])
    expect(await codeOf(call)).toBe("forbidden");
  expect(denied[0]).toBe("process: call process.exit");
  expect(mine.pid).toBe(process.pid);
  expect(mine.platform).toBe(process.platform);
  expect(mine.versions).toEqual(process.versions);
  expect(mine.cwd()).toBe(process.cwd());
  expect(mine.hrtime.bigint()).toBeTypeOf("bigint");
  expect(mine.memoryUsage().rss).toBeGreaterThan(0);
  expect(mine.nextTick).toBe(mine.nextTick);
  expect("argv" in mine).toBe(true);
  expect(Object.keys(mine)).toContain("env");
  expect({ ...mine }.env).toEqual({});
  let heard = 0;
  const listener = (): void => void heard++;
  mine.on("sample", listener);
  process.emit("sample" as never);
  mine.off("sample", listener);
  process.emit("sample" as never);
  expect(heard).toBe(1);
  await new Promise<void>((resolve) => mine.nextTick(resolve));
  mine.exitCode = 9;
  mine.env["ADDED"] = "1";
  Reflect.set(mine, "exit", () => "own");
  expect([mine.exitCode, mine.env["ADDED"]]).toEqual([9, "1"]);
  expect([process.exitCode, process.env["ADDED"]]).toEqual([undefined, undefined]);
});

test("code that is loaded finds these in place of the runtime's own", async () => {
  const { capable, directory, denied } = start({ env: ["TOKEN"] }, { TOKEN: "t" });
  const entry = join(directory, "index.ts");
  writeFileSync(
    entry,
    `const told = async (work: () => unknown) => {
       try { return await work(); } catch (error) { return (error as { code?: string }).code; }
     };
     export const env = { ...process.env };
     export const refused = () =>
       Promise.all([told(() => fetch("http://127.0.0.1:1/")), told(() => process.exit(3))]);`,
  );
  const module = await platform.plugins.load(entry, {
    onError: (error) => expect(error).toBeUndefined(),
    globals: capable.globals,
  });
  const { env, refused } = module.exports;
  expect(env).toEqual({ TOKEN: "t" });
  expect(await (refused as () => Promise<unknown>)()).toEqual(["forbidden", "forbidden"]);
  expect(denied).toEqual(['network: connect to "127.0.0.1:1"', "process: call process.exit"]);
  module.dispose();
});

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request) =>
    new URL(request.url).pathname === "/never" ? new Promise<Response>(() => {}) : new Response("hello"),
});
afterAll(() => server.stop(true));

test("no connection without the grant, by whatever name", async () => {
  const { capable, denied } = start();
  const { host, href } = server.url;
  for (const input of [href, server.url, new Request(href), { toString: () => href }])
    expect(await codeOf(capable.fetch(input as string))).toBe("forbidden");
  expect(await codeOf(capable.fetch("file:///etc/passwd"))).toBe("forbidden");
  for (const name of ["WebSocket", "EventSource"])
    expect(await codeOf(() => Reflect.construct(capable.globals[name] as new () => void, [href]))).toBe(
      "forbidden",
    );
  expect(denied[0]).toBe(`network: connect to "${host}"`);
  expect(await (await capable.fetch("data:text/plain,here")).text()).toBe("here");
  expect(capable.globals["fetch"]).toBe(capable.fetch);
});

test("with the grant it connects, reads no files by it, and ends with the plugin", async () => {
  const { capable, stop } = start({ network: true });
  expect(await (await capable.fetch(server.url)).text()).toBe("hello");
  expect(await (await capable.fetch(new Request(server.url))).text()).toBe("hello");
  expect(await codeOf(capable.fetch("file:///etc/passwd"))).toBe("forbidden");
  expect("WebSocket" in capable.globals).toBe(false);
  const own = new AbortController();
  const [first, second, third] = [
    capable.fetch(`${server.url.href}never`, { signal: own.signal }),
    capable.fetch(`${server.url.href}never`),
    capable.fetch(new Request(`${server.url.href}never`)),
  ].map(codeOf);
  own.abort();
  expect(await first).toContain("Abort");
  stop.abort();
  expect(await second).toContain("Abort");
  expect(await third).toContain("Abort");
});

test("no program without the grant", async () => {
  const { capable, denied, top } = start();
  expect(await codeOf(capable.exec(["touch", join(top, "made")]))).toBe("forbidden");
  expect(existsSync(join(top, "made"))).toBe(false);
  expect(denied).toEqual(['exec: run "touch"']);
});

test("a program has its words, its input and the variables that were granted", async () => {
  const { capable, directory, granted } = start({ exec: true, env: ["TOKEN"] }, { TOKEN: "t" });
  process.env["GATE_TEST_SECRET"] = "s";
  const ran = await capable.exec(["sh", "-c", "cat; pwd; env | cut -d= -f1 | sort; echo oops >&2; exit 3"], {
    input: "héllo\n",
  });
  delete process.env["GATE_TEST_SECRET"];
  expect(ran.code).toBe(3);
  expect(ran.stderr).toBe("oops\n");
  const [input, where, ...names] = ran.stdout.trimEnd().split("\n");
  expect([input, where]).toEqual(["héllo", directory]);
  expect(names).toContain("TOKEN");
  expect(names).toContain("PATH");
  expect(names).toContain("HOME");
  expect(names).not.toContain("GATE_TEST_SECRET");
  expect((await capable.exec(["pwd"], { directory: granted })).stdout).toBe(`${granted}\n`);
  expect((await capable.exec(["echo", "$HOME; `id`"])).stdout).toBe("$HOME; `id`\n");
  expect((await capable.exec(["sh", "-c", "kill -9 $$"])).code).toBe(137);
  expect(await codeOf(capable.exec(["no-such-program-anywhere"]))).toBe("unavailable");
  // One that ends at once and reads nothing of much.
  expect((await capable.exec(["true"], { input: "x".repeat(1024 * 1024) })).code).toBe(0);
  for (const wrong of [[], [""], [7], "ls", ["ls", "a\0b"]])
    expect(await codeOf(capable.exec(wrong as [string]))).toBe("invalid_params");
  for (const timeoutMs of [0, -1, Number.NaN])
    expect(await codeOf(capable.exec(["true"], { timeoutMs }))).toBe("invalid_params");
});

test("what a program says is cut, and it goes on", async () => {
  const { capable } = start({ exec: true });
  const { code, stdout } = await capable.exec(["sh", "-c", "yes éé | head -c 3000000; exit 5"]);
  expect(code).toBe(5);
  expect(stdout.startsWith("éé\néé\n")).toBe(true);
  expect(Buffer.byteLength(stdout)).toBeLessThanOrEqual(1024 * 1024 + 3);
  expect(Buffer.byteLength(stdout)).toBeGreaterThan(1024 * 1024 - 4);
});

test("a program that takes too long ends with all it has started", async () => {
  const { capable, top } = start({ exec: true });
  const path = join(top, "pid");
  const script = `sleep 1000 & echo $! > ${path}; wait`;
  expect(await codeOf(capable.exec(["sh", "-c", script], { timeoutMs: 300 }))).toBe("timeout");
  await gone(Number(readFileSync(path, "utf8")));
});

test("programs end with their plugin, and none is started after it", async () => {
  const { capable, stop, top } = start({ exec: true });
  const path = join(top, "pid");
  const running = capable.exec(["sh", "-c", `trap '' TERM; echo $$ > ${path}; while :; do sleep 1000; done`]);
  const code = codeOf(running);
  while (!existsSync(path) || readFileSync(path, "utf8") === "")
    await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  expect(await code).toBe("cancelled");
  await gone(Number(readFileSync(path, "utf8")));
  expect(await codeOf(capable.exec(["touch", join(top, "late")]))).toBe("cancelled");
  expect(existsSync(join(top, "late"))).toBe(false);
});

test("programs at the same time are bounded", async () => {
  const { capable, stop } = start({ exec: true });
  const many = Array.from({ length: 17 }, () => codeOf(capable.exec(["sleep", "1000"])));
  expect(await many[16]).toBe("busy");
  stop.abort();
  expect(new Set(await Promise.all(many.slice(0, 16)))).toEqual(new Set(["cancelled"]));
});

/** What has been killed is there for a moment longer; what has not is until the time of the test is up. */
async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise((resolve) => setImmediate(resolve));
}
