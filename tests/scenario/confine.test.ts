/** Programs that confine themselves and then try to get out, with the kernel of this machine. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, chownSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

import { confined, createPlace, outcomes, type Place, PROGRAM, textOf } from "../support/confinement.ts";
import { tempDir } from "../support/temp.ts";

setDefaultTimeout(60_000);

/** A user without rights on every system. */
const NOBODY = 65_534;

const isLinux = process.platform === "linux";
let place: Place;
let tcp: { readonly port: number; stop(): void };
let web: Bun.Server<undefined>;
let udp: Bun.udp.Socket<"buffer">;
let unixPath: string;
let unix: ReturnType<typeof createServer>;

beforeAll(async () => {
  place = createPlace();
  tcp = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  web = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("served") });
  udp = await Bun.udpSocket({ hostname: "127.0.0.1" });
  unixPath = join(place.writable, "service");
  unix = createServer((socket) => socket.end()).listen(unixPath);
});

afterAll(async () => {
  tcp.stop();
  await web.stop(true);
  udp.close();
  unix.close();
});

const network = (): string[] => [
  `tcp=${tcp.port}`,
  `bunTcp=${tcp.port}`,
  `fetch=${web.port}`,
  `udp=${udp.port}`,
  "listen",
];

test.skipIf(!isLinux)("what is held, and that the program is the same one afterwards", async () => {
  const { held, input, args, mark } = await confined(place, {}, ["capabilities", "descriptors"]);
  expect(held).toEqual([
    { capability: "files", by: "by the kernel (Landlock)", isHeld: true },
    { capability: "network", by: "by the kernel (seccomp)", isHeld: true },
    { capability: "exec", by: "by the kernel (seccomp)", isHeld: true },
  ]);
  expect(input).toBe("what waits in the pipe");
  expect(args.slice(1)).toEqual(["capabilities", "descriptors"]);
  expect(mark).toBeUndefined();
});

test.skipIf(!isLinux)("the superuser's rights and other files that were open are gone", async () => {
  expect(await outcomes(place, {}, ["capabilities", "descriptors"])).toEqual(["0000000000000000", ""]);
});

test.skipIf(!isLinux)("without the network nothing is reached, by no kind of socket", async () => {
  const tried = [...network(), `unix=${unixPath}`, "pairOfDatagrams"];
  expect(new Set(await outcomes(place, {}, tried))).toEqual(new Set(["EACCES", "errno 13"]));
  // The very same attempts come through where nothing is kept back.
  expect(await outcomes(place, { network: true, exec: true }, tried.slice(0, -1))).toEqual([
    "ok",
    "ok",
    "served",
    "ok",
    "ok",
    "ok",
  ]);
});

test.skipIf(!isLinux)(
  "with the network, services that start programs for others stay out of reach",
  async () => {
    const { held, outcomes: tried } = await confined(place, { network: true }, [
      ...network(),
      `unix=${unixPath}`,
      "bunSpawn",
    ]);
    expect(held.map(({ capability }) => capability)).toEqual(["files", "exec"]);
    expect(Object.values(tried)).toEqual(["ok", "ok", "served", "ok", "ok", "EACCES", "EACCES"]);
  },
);

test.skipIf(!isLinux)("without programs none starts, in no way", async () => {
  const tried = ["bunSpawn", "bunSpawnSync", "run=true", "self", "fork", "execMemory"];
  expect(await outcomes(place, {}, tried)).toEqual([
    ...["EACCES", "EACCES", "EACCES", "EACCES"],
    ...["errno 13", "errno 13"],
  ]);
});

test.skipIf(!isLinux)("programs that are granted run, as confined as who starts them", async () => {
  const tried = [
    "bunSpawn",
    "run=true",
    "self",
    `run=cat ${place.secret}`,
    `run=cat /proc/${process.pid}/environ`,
    `run=kill -0 ${process.pid}`,
    `run=: > /dev/tcp/127.0.0.1/${tcp.port}`,
    `run=echo new > ${join(place.writable, "by-program")}`,
  ];
  const { held, outcomes: came } = await confined(place, { exec: true }, tried);
  expect(held.map(({ capability }) => capability)).toEqual(["files", "network"]);
  const results = Object.values(came);
  expect(results.slice(0, 3)).toEqual(["exit 0", "exit 0", "exit 0"]);
  for (const result of results.slice(3, 7)) expect(result).toMatch(/^exit [1-9]/);
  expect(results[7]).toBe("exit 0");
  expect(readFileSync(join(place.writable, "by-program"), "utf8")).toBe("new\n");
});

test.skipIf(!isLinux)("files that are not granted are neither read nor changed", async () => {
  const { secret, home, readable, writable } = place;
  const before = statSync(secret);
  const tried = [
    `read=${secret}`,
    `readAside=${secret}`,
    `readByBun=${secret}`,
    "read=/etc/passwd",
    `read=/proc/${process.pid}/environ`,
    `read=${join(readable, "link")}`,
    `read=${join(writable, "link")}`,
    `read=/proc/self/root${secret}`,
    `list=${home}`,
    "list=/",
    "list=/tmp",
    `write=${secret}`,
    `write=${join(home, "new")}`,
    `write=${join(readable, "index.ts")}`,
    `write=${join(writable, "link")}`,
    `remove=${secret}`,
    `mode=${secret}`,
    `times=${secret}`,
    `shorten=${secret}`,
  ];
  expect(new Set(await outcomes(place, {}, tried))).toEqual(new Set(["EACCES"]));
  const elsewhere = [
    `link=${secret}:${join(writable, "stolen")}`,
    `move=${secret}:${join(writable, "moved")}`,
  ];
  for (const outcome of await outcomes(place, {}, elsewhere)) expect(["EACCES", "EXDEV"]).toContain(outcome);
  expect(readFileSync(secret, "utf8")).toBe("the secret");
  expect(statSync(secret)).toMatchObject({ mode: before.mode, mtimeMs: before.mtimeMs, nlink: 1 });
});

test.skipIf(!isLinux)("threads that were there before are held too", async () => {
  const [filtered = ""] = await outcomes(place, {}, ["filtered"]);
  // The engine has some of its own by then; 2 is the kernel's word for a filter.
  expect(filtered).toMatch(/^22+$/);
});

test.skipIf(!isLinux)("threads that start later are held too", async () => {
  const tried = [
    `read=${place.secret}`,
    `readAside=${place.secret}`,
    `tcp=${tcp.port}`,
    "bunSpawn",
    "schema",
  ];
  expect(await outcomes(place, {}, [`thread=${tried.join("|")}`])).toEqual([
    JSON.stringify(["EACCES", "EACCES", "EACCES", "EACCES", "1"]),
  ]);
});

test.skipIf(!isLinux)("ways around the filter are closed, the gateway's own process among them", async () => {
  const gateway = process.pid;
  const tried = ["uring", `trace=${gateway}`, `bounds=${gateway}`, `signal=${gateway}`];
  expect(await outcomes(place, {}, tried)).toEqual(["errno 13", "errno 13", "errno 13", "EACCES"]);
  const [signal, trace] = await outcomes(place, { exec: true }, [`signal=${gateway}`, `trace=${gateway}`]);
  expect([signal, trace]).toEqual(["EPERM", "errno 13"]);
});

test.skipIf(!isLinux || process.arch !== "x64")("calls by the numbers of x32 are refused", async () => {
  expect(await outcomes(place, { network: true, exec: true }, ["otherProcessor"])).toEqual(["refused"]);
});

test.skipIf(!isLinux)("what a plugin needs goes on working", async () => {
  const tried = [
    `load=${join(place.readable, "index.ts")}`,
    `read=${join(place.writable, "own")}`,
    `write=${join(place.writable, "new")}`,
    `database=${join(place.writable, "data.sqlite")}`,
    `list=${place.readable}`,
    "schema",
    "timer",
    "zone",
    "resident",
  ];
  const [loaded, own, wrote, row, listed, schema, timer, zone, resident] = await outcomes(place, {}, tried);
  expect({ loaded, own, wrote, row, listed, schema, timer, zone }).toEqual({
    loaded: "loaded!",
    own: "own",
    wrote: "ok",
    row: "42",
    listed: "ok",
    schema: "1",
    timer: "ok",
    zone: "01/01/1970, 01:00:00",
  });
  expect(Number(resident)).toBeGreaterThan(1_000_000);
});

test.skipIf(!isLinux)("a kernel without Landlock holds the rest, and that is said", async () => {
  const { held, outcomes: tried } = await confined(place, { missing: ["landlock_create_ruleset"] }, [
    `read=${place.secret}`,
    `tcp=${tcp.port}`,
    "bunSpawn",
  ]);
  expect(held).toEqual([
    {
      capability: "files",
      by: "by nothing: this kernel has no Landlock, or it is switched off",
      isHeld: false,
    },
    { capability: "network", by: "by the kernel (seccomp)", isHeld: true },
    { capability: "exec", by: "by the kernel (seccomp)", isHeld: true },
  ]);
  expect(Object.values(tried)).toEqual(["the secret", "EACCES", "EACCES"]);
});

test.skipIf(!isLinux)("a kernel without filters holds files alone, and that is said", async () => {
  const { held } = await confined(place, { missing: ["landlock_create_ruleset", "seccomp"] }, []);
  expect(held.map(({ capability, isHeld }) => [capability, isHeld])).toEqual([
    ["files", false],
    ["network", false],
    ["exec", false],
  ]);
  expect(held[1]?.by).toBe("by nothing: the kernel refuses the filter (error 38)");
});

/** A program built as the gateway is, which everybody may run. */
async function build(): Promise<string> {
  const directory = tempDir();
  chmodSync(directory, 0o755);
  const built = join(directory, "built");
  const flags = ["--compile", "--minify", "--bytecode", "--format=esm", "--no-compile-autoload-dotenv"];
  const child = Bun.spawn([process.execPath, "build", ...flags, PROGRAM, "--outfile", built], {
    stdout: "ignore",
    stderr: "pipe",
  });
  const [errors, code] = await Promise.all([textOf(child.stderr), child.exited]);
  if (code !== 0) throw new Error(`cannot be built: ${errors}`);
  return built;
}

test.skipIf(!isLinux)("a built program is held in the same way, whoever starts it", async () => {
  const built = await build();
  const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", built];
  for (const program of process.geteuid?.() === 0 ? [[built], asNobody] : [[built]]) {
    const own = createPlace();
    const paths = [own.home, own.secret, own.readable, own.writable, join(own.readable, "helper.ts")];
    if (program === asNobody) for (const path of paths) chownSync(path, NOBODY, NOBODY);
    const { held, outcomes: tried } = await confined(own, { program }, [
      `read=${own.secret}`,
      `tcp=${tcp.port}`,
      "bunSpawn",
      `mode=${own.secret}`,
      `write=${join(own.writable, "by-built")}`,
      `load=${join(own.readable, "helper.ts")}`,
      "schema",
    ]);
    expect(held.map(({ isHeld }) => isHeld)).toEqual([true, true, true]);
    expect(Object.values(tried)).toEqual([...Array(4).fill("EACCES"), "ok", "!", "1"]);
    // The owner could have, were it not for that.
    const granted = { program, network: true, readable: [own.home] };
    expect(await outcomes(own, granted, [`read=${own.secret}`, `tcp=${tcp.port}`])).toEqual([
      "the secret",
      "ok",
    ]);
  }
});
