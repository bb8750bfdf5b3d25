import { readFileSync } from "node:fs";

const WATCH_EVERY_MS = 500;

/** npx, its shell, `bun run`, us. */
const GENERATIONS_MAX = 3;

interface Parent {
  readonly pid: number;
  readonly name: string;
}

/**
 * Takes the end of npx, if that is what started us, for a SIGTERM. It runs us through a shell, hands its own
 * signal to that shell alone and ends; without this the gateway would live on with nobody to stop it.
 */
export function stopWithLauncher(): void {
  const launchers = findLaunchers(process.ppid);
  if (launchers.length === 0) return;
  const timer = setInterval(() => {
    if (launchers.every(isAlive)) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, WATCH_EVERY_MS);
  timer.unref();
}

/** The processes from our parent up to npx; none when npx is not among them. */
function findLaunchers(parentPid: number): number[] {
  const found: number[] = [];
  for (let pid = parentPid; found.length <= GENERATIONS_MAX && pid > 1;) {
    found.push(pid);
    const parent = parentOf(pid);
    if (parent === undefined) return [];
    if (parent.name.startsWith("npm ")) return [...found, parent.pid];
    pid = parent.pid;
  }
  return [];
}

/** From /proc where there is one, because a small system has no `ps`. */
function parentOf(pid: number): Parent | undefined {
  const parent = Number(parentFromProc(pid) ?? ps("ppid", pid));
  if (!Number.isInteger(parent) || parent <= 1) return undefined;
  return { pid: parent, name: nameFromProc(parent) ?? ps("command", parent) };
}

function parentFromProc(pid: number): string | undefined {
  // "PID (NAME) STATE PARENT ...", where the name may hold spaces and parentheses.
  return readText(`/proc/${pid}/stat`)
    ?.replace(/^.*\) \S /s, "")
    .split(" ")[0];
}

function nameFromProc(pid: number): string | undefined {
  return readText(`/proc/${pid}/comm`)?.trim();
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No /proc on this system, or the process is gone.
    return undefined;
  }
}

function ps(column: string, pid: number): string {
  try {
    return Bun.spawnSync(["ps", "-o", `${column}=`, "-p", String(pid)])
      .stdout.toString()
      .trim();
  } catch {
    // No `ps` either: nobody is watched.
    return "";
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM says that it is somebody else's, and alive.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
