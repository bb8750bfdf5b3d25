/**
 * A program of its own: confines itself as its first argument says, tries what the others name, and writes
 * what came of each. `NAME=VALUE` hands a value to an attempt.
 */
import { dlopen } from "bun:ffi";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import * as fs from "node:fs";
import { connect } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { confine } from "../../src/platform/confine/confine.ts";
import { assemble } from "../../src/platform/confine/filter.ts";
import { openKernel } from "../../src/platform/confine/kernel.ts";
import { installFilter } from "../../src/platform/confine/seccomp.ts";
import type { CallName } from "../../src/platform/confine/system-calls.ts";
import type { Confinement, Held } from "../../src/ports.ts";

/** What was tried, by name: `ok`, an answer, or the code of the error. */
export type Outcomes = Readonly<Record<string, string>>;

export interface Report {
  readonly held: readonly Held[];
  readonly outcomes: Outcomes;
  readonly input: string;
  readonly args: readonly string[];
  readonly mark: string | undefined;
}

const O_PATH_NOWHERE = -1;
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const AT_EMPTY_PATH = 0x1000;
const PTRACE_ATTACH = 16;
const RLIMIT_NOFILE = 7;

type Answer = string | number | void;

type Attempt = (value: string) => Answer | Promise<Answer>;

/** Resolves with the first of the events, rejects with `error`. */
function once(
  emitter: { once(event: string, listener: (value: unknown) => void): unknown },
  event: string,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    emitter.once(event, resolve);
    emitter.once("error", reject);
  });
}

async function connected(where: { port: number; host: string } | { path: string }): Promise<void> {
  const socket = connect(where);
  try {
    await once(socket, "connect");
  } finally {
    socket.destroy();
  }
}

async function sent(port: number): Promise<void> {
  const socket = createSocket("udp4");
  const failed = once(socket, "listening");
  failed.catch(() => {});
  await new Promise<void>((resolve, reject) => {
    failed.catch(reject);
    socket.send("hello", port, "127.0.0.1", (error) => (error ? reject(error) : resolve()));
  });
  socket.close();
}

async function ran(command: string): Promise<string> {
  const child = spawn("/bin/sh", ["-c", command], { stdio: "ignore" });
  return `exit ${String(await once(child, "exit"))}`;
}

/** The kernel's answer, an error as a rejection with its number. */
function called(name: CallName, ...args: number[]): void {
  const answer = openKernel().call(name, ...args);
  if (answer < 0) throw Object.assign(new Error(name), { code: `errno ${-answer}` });
}

function targetOf(fd: string): string {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The one that the listing itself was read from.
    return "";
  }
}

/** Not a pipe and the like, and nothing of the system's own. */
function isFile(target: string): boolean {
  return target.startsWith("/") && !target.startsWith("/dev/") && !target.startsWith("/proc/");
}

/** The same attempts once more, by a thread that was started after all was confined. */
async function inWorker(values: readonly string[]): Promise<string> {
  const worker = new Worker(new URL("./confined-thread.ts", import.meta.url).href);
  try {
    const answered = new Promise<unknown>((resolve, reject) => {
      worker.addEventListener("message", ({ data }: MessageEvent<unknown>) => resolve(data));
      worker.addEventListener("error", ({ message }) => reject(new Error(message)));
    });
    worker.postMessage(values);
    return JSON.stringify(await answered);
  } finally {
    worker.terminate();
  }
}

export const ATTEMPTS: Readonly<Record<string, Attempt>> = {
  tcp: (port) => connected({ host: "127.0.0.1", port: Number(port) }),
  bunTcp: async (port) =>
    void (await Bun.connect({ hostname: "127.0.0.1", port: Number(port), socket: { data() {} } })).end(),
  udp: (port) => sent(Number(port)),
  fetch: async (port) => (await fetch(`http://127.0.0.1:${port}/`)).text(),
  listen: () => void Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") }).stop(),
  unix: (path) => connected({ path }),
  pairOfDatagrams: () => called("socketpair", AF_UNIX, SOCK_DGRAM, 0, 0),
  bunSpawn: async () => `exit ${await Bun.spawn(["/bin/true"]).exited}`,
  bunSpawnSync: () => `exit ${Bun.spawnSync(["/bin/true"]).exitCode}`,
  run: (command) => ran(command),
  self: async () => {
    const child = Bun.spawn([process.execPath, "--version"], { env: {}, stdout: "pipe", stderr: "ignore" });
    return `exit ${await child.exited}`;
  },
  fork: () => called("clone", 17),
  execMemory: () => called("execveat", O_PATH_NOWHERE, 0, 0, 0, AT_EMPTY_PATH),
  uring: () => called("io_uring_setup", 1, 0),
  trace: (pid) => called("ptrace", PTRACE_ATTACH, Number(pid)),
  bounds: (pid) => called("prlimit64", Number(pid), RLIMIT_NOFILE, 0, 0),
  signal: (pid) => void process.kill(Number(pid), 0),
  otherProcessor: () => {
    // `getpid` by its x32 number: the same processor with another table.
    const { symbols } = dlopen("libc.so.6", { syscall: { args: ["i64"], returns: "i64" } });
    if (symbols.syscall(0x4000_0000n + 39n) === -1n) throw Object.assign(new Error(), { code: "refused" });
  },
  read: (path) => fs.readFileSync(path, "utf8"),
  readAside: (path) => fs.promises.readFile(path, "utf8"),
  readByBun: (path) => Bun.file(path).text(),
  write: (path) => fs.writeFileSync(path, "written"),
  list: (path) => void fs.readdirSync(path),
  remove: (path) => fs.rmSync(path),
  mode: (path) => fs.chmodSync(path, 0o644),
  times: (path) => fs.utimesSync(path, 1, 1),
  shorten: (path) => fs.truncateSync(path, 0),
  link: (paths) => {
    const [from = "", to = ""] = paths.split(":");
    fs.linkSync(from, to);
  },
  move: (paths) => {
    const [from = "", to = ""] = paths.split(":");
    fs.renameSync(from, to);
  },
  thread: (values) => inWorker(values.split("|")),
  load: async (path) => {
    const loaded = (await import(path)) as { readonly answer: () => string };
    return loaded.answer();
  },
  database: (path) => {
    const db = new DatabaseSync(path);
    db.exec("PRAGMA journal_mode=WAL; CREATE TABLE t (a); INSERT INTO t VALUES (42)");
    return String(db.prepare("SELECT a FROM t").get()?.["a"]);
  },
  schema: () => z.object({ a: z.int() }).parse({ a: 1 }).a,
  timer: () => new Promise<void>((resolve) => setTimeout(resolve, 1)),
  zone: () => new Date(0).toLocaleString("en-GB", { timeZone: "Europe/Berlin" }),
  descriptors: () => fs.readdirSync("/proc/self/fd").map(targetOf).filter(isFile).join(),
  capabilities: () => /^CapEff:\s*(\w+)$/m.exec(fs.readFileSync("/proc/self/status", "utf8"))?.[1] ?? "",
  filtered: () =>
    fs
      .readdirSync("/proc/self/task")
      .map((thread) => fs.readFileSync(`/proc/self/task/${thread}/status`, "utf8"))
      .map((status) => /^Seccomp:\s*(\d)$/m.exec(status)?.[1])
      .join(""),
  resident: () => process.memoryUsage.rss(),
};

export async function outcomeOf(name: string, value: string): Promise<string> {
  try {
    return String((await ATTEMPTS[name]?.(value)) ?? "ok");
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

/** Makes the kernel one that does not have these calls. */
function without(calls: readonly CallName[]): void {
  if (calls.length === 0) return;
  const kernel = openKernel();
  installFilter(kernel, assemble([{ calls, errno: 38 }], kernel.machine));
}

if (import.meta.main) {
  const [first = "{}", ...attempts] = process.argv.slice(2);
  const { missing = [], ...confinement } = JSON.parse(first) as Confinement & { missing?: CallName[] };
  without(missing);
  const held = await confine(confinement);
  const outcomes: Record<string, string> = {};
  for (const attempt of attempts) {
    const [name = "", ...value] = attempt.split("=");
    outcomes[attempt] = await outcomeOf(name, value.join("="));
  }
  const report: Report = {
    held,
    outcomes,
    input: await Bun.stdin.text(),
    args: process.argv.slice(2),
    mark: process.env["GATEWAY_CONFINED"],
  };
  await Bun.write(Bun.stdout, JSON.stringify(report));
  process.exit(0);
}
