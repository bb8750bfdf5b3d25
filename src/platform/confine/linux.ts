import { openSync } from "node:fs";
import process from "node:process";

import { messageOf } from "../../contract/errors.ts";
import type { Confinement, Held } from "../../ports.ts";
import { isSecondStart, startAgain } from "./again.ts";
import { EACCES, assemble } from "./filter.ts";
import { openKernel } from "./kernel.ts";
import type { Kernel } from "./kernel.ts";
import { O_PATH, landlockVersion, restrictFiles } from "./landlock.ts";
import { rulesOf } from "./rules.ts";
import { installFilter } from "./seccomp.ts";

const AF_INET = 2;
const SOCK_STREAM = 1;

/**
 * Files by Landlock, network and programs by a filter of calls.
 *
 * @throws Error when the kernel cannot be called at all
 */
export function confineByKernel(confinement: Confinement): Held[] {
  const isSecond = isSecondStart();
  const kernel = openKernel();
  const noFiles = isSecond ? undefined : whyNot(() => restrictFilesAndStartAgain(kernel, confinement));
  const noFilter = whyNot(() => filterCalls(kernel, confinement));
  // A directory of /proc that nobody holds open is made anew when memory is short: then it is another one.
  if (noFiles === undefined) openSync("/proc/self", O_PATH);
  return [
    files(confinement, noFiles),
    ...(confinement.network ? [] : [network(kernel, noFilter)]),
    ...(confinement.exec ? [] : [exec(kernel, noFilter)]),
  ];
}

function restrictFilesAndStartAgain(kernel: Kernel, confinement: Confinement): never {
  restrictFiles(kernel, confinement);
  const errno = startAgain(kernel);
  // What holds for this thread alone holds nothing.
  throw new Error(`the program cannot be started anew for it (error ${errno})`);
}

function filterCalls(kernel: Kernel, confinement: Confinement): void {
  const facts = {
    pid: process.pid,
    landlockVersion: landlockVersion(kernel),
    isMusl: kernel.isMusl,
  };
  installFilter(kernel, assemble(rulesOf(confinement, facts), kernel.machine));
}

function whyNot(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

// Each is tried before it is said: the kernel may have taken a rule and not hold it.

function files(confinement: Confinement, reason: string | undefined): Held {
  const isOpen = [...confinement.readable, ...confinement.writable].includes("/");
  const why = reason ?? (isOpen || isRefused(() => openSync("/", "r")) ? undefined : DISREGARDED);
  return held("files", "Landlock", why);
}

function network(kernel: Kernel, reason: string | undefined): Held {
  const isHeld = kernel.call("socket", AF_INET, SOCK_STREAM, 0) === -EACCES;
  return held("network", "seccomp", reason ?? (isHeld ? undefined : DISREGARDED));
}

function exec(kernel: Kernel, reason: string | undefined): Held {
  // Without a path: were it allowed, there would be nothing to start.
  const isHeld = kernel.call("execve", 0, 0, 0) === -EACCES;
  return held("exec", "seccomp", reason ?? (isHeld ? undefined : DISREGARDED));
}

const DISREGARDED = "the kernel takes the rule and does not hold it";

function held(capability: Held["capability"], means: string, reason: string | undefined): Held {
  if (reason === undefined) return { capability, by: `by the kernel (${means})`, isHeld: true };
  return { capability, by: `by nothing: ${reason}`, isHeld: false };
}

function isRefused(work: () => number): boolean {
  try {
    work();
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EACCES";
  }
}
