// What Landlock is told, as data: the numbers are from the kernel's header, for each of its versions.
import { expect, test } from "bun:test";

import { denoFlags } from "../../../src/platform/confine/deno.ts";
import { systemFiles } from "../../../src/platform/confine/every-program.ts";
import { attributesOf } from "../../../src/platform/confine/landlock.ts";

const RUNNING = 1n;
/** All rights of the first version. */
const FIRST = 0x1fffn;

const told = (version: number, network: boolean): bigint[] => [...attributesOf(version, { network })];

test("a version of Landlock is told what it knows, and nothing it would refuse whole", () => {
  const files = [FIRST, 0x3fffn, 0x7fffn, 0x7fffn, 0xffffn, 0xffffn, 0xffffn].map((all) => all - RUNNING);
  expect([1, 2, 3, 4, 5, 6, 7].map((version) => told(version, false)[0])).toEqual(files);
  expect([1, 2, 3, 4, 5, 6, 7].map((version) => told(version, false)[1])).toEqual([
    0n,
    0n,
    0n,
    3n,
    3n,
    3n,
    3n,
  ]);
  expect([1, 2, 3, 4, 5, 6, 7].map((version) => told(version, false)[2])).toEqual([
    0n,
    0n,
    0n,
    0n,
    0n,
    3n,
    3n,
  ]);
});

test("ports are kept back where the network is not granted, sockets and signals of others always", () => {
  expect(told(7, true)).toEqual([0xffffn - RUNNING, 0n, 3n]);
});

test("the files of the system are those that every program needs", () => {
  const nothing = systemFiles({ network: false, exec: false }, false);
  expect(nothing).toContain("/usr");
  expect(nothing).toContain("/etc/resolv.conf");
  for (const path of ["/", "/etc", "/home", "/proc", "/tmp", "/dev", "/etc/passwd", "/etc/ssl", "/run"]) {
    expect(nothing).not.toContain(path);
  }
});

test("a new resolv.conf is found by those with the network, and keys in /etc by no superuser's plugin", () => {
  expect(systemFiles({ network: true, exec: false }, false)).toContain("/etc");
  expect(systemFiles({ network: true, exec: false }, true)).not.toContain("/etc");
  expect(systemFiles({ network: false, exec: true }, false)).not.toContain("/etc");
});

test("Deno is told paths with commas in them as one path", () => {
  const flags = denoFlags({ network: false, exec: false, readable: ["/a,b"], writable: ["/c"] });
  const read = flags.find((flag) => flag.startsWith("--allow-read=")) ?? "";
  expect(read).toEndWith(",/a,,b,/c");
  expect(flags).toContain("--allow-write=/dev/null,/c");
  expect(flags).toContain("--no-prompt");
  expect(flags.filter((flag) => /^--allow-(net|run|ffi|all)/.test(flag))).toEqual([]);
});
