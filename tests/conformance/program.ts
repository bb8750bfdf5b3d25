import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers";

import type { Program, ProgramOptions } from "../../src/ports.ts";
import { inScratch } from "./scratch.ts";
import { type Subject, within } from "./suite.ts";

const env = { PATH: "/usr/local/bin:/usr/bin:/bin" };

/** Programs beside us, as the `Process` port starts them. */
export function programSuite({ platform, test }: Subject): void {
  const start = (command: ProgramOptions["command"], options: Partial<ProgramOptions> = {}) =>
    platform.process.startProgram({ command, directory: tmpdir(), env, ...options });
  const shell = (script: string, options?: Partial<ProgramOptions>) => start(["sh", "-c", script], options);

  test("program: it reads, answers, complains and ends", async () => {
    const program = await shell('while read line; do echo "read $line"; done; echo "done" >&2; exit 3');
    await program.write("one\n");
    await program.write("grüß\n");
    program.closeInput();
    assert.equal(await textOf(program), "read one\nread grüß\n");
    assert.deepEqual(await linesOf(program), ["done"]);
    assert.equal(await program.ended, "exit code 3");
    await assert.rejects(program.write("late"), /^Error: Cannot write to program: it/);
    await program.stop(10);
  });

  test("program: it has its directory, its arguments and its environment, and nothing of ours", async () => {
    await inScratch(async (directory) => {
      process.env["OURS"] = "secret";
      const command = ["sh", "-c", 'pwd; echo "$1"; env', "sh", "a b;$HOME"] as const;
      const program = await start(command, { directory, env: { ...env, GREETING: "grüß" } });
      const [place, argument, ...variables] = (await textOf(program)).trim().split("\n");
      delete process.env["OURS"];
      assert.equal(place, directory);
      assert.equal(argument, "a b;$HOME");
      // What a shell sets itself is none of ours.
      const own = variables.filter((line) => !/^(PWD|SHLVL|OLDPWD|_)=/.test(line));
      assert.deepEqual(own.toSorted(), ["GREETING=grüß", `PATH=${env.PATH}`]);
    });
  });

  test("program: with its end all it has started ends too", async () => {
    for (const [script, end] of [
      // The child of the child would live for long, and ignores what it is asked.
      ["trap '' TERM; (trap '' TERM; echo $(exec sh -c 'echo $PPID'); sleep 300) & read line", undefined],
      [
        "(trap '' TERM; echo $(exec sh -c 'echo $PPID'); exec sleep 300 >/dev/null 2>&1) & read line; exit 0",
        "exit code 0",
      ],
    ] as const) {
      const program = await shell(script);
      const pieces = program.stdout[Symbol.asyncIterator]();
      const first = await within(pieces.next(), "the child's number");
      const grandchild = Number(new TextDecoder().decode(first.value));
      assert.ok(isAlive(grandchild));
      if (end === undefined) await program.stop(50);
      else program.closeInput();
      assert.equal(await program.ended, end ?? "signal SIGKILL");
      while (isAlive(grandchild))
        await new Promise<void>((resolve) => void platform.timers.after(5, resolve));
    }
  });

  test("program: one that ends when asked is not killed", async () => {
    const program = await shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
    await within(program.stdout[Symbol.asyncIterator]().next(), "readiness");
    await program.stop(10_000);
    assert.equal(await program.ended, "exit code 7");
  });

  test("program: one whose output nobody reads is held back, and loses nothing", async () => {
    const program = await shell("echo begun >&2; head -c 6553600 /dev/zero");
    const first = await within(program.stderr[Symbol.asyncIterator]().next(), "its beginning");
    assert.equal(first.value, "begun");
    // It takes a few ms where somebody reads.
    const finished = program.ended.then(() => "ended");
    const pause = new Promise<string>(
      (resolve) => void platform.timers.after(500, () => resolve("held back")),
    );
    assert.equal(await Promise.race([finished, pause]), "held back");
    let bytes = 0;
    for await (const piece of program.stdout) bytes += piece.length;
    assert.equal(bytes, 6_553_600);
    assert.equal(await program.ended, "exit code 0");
  });

  test("program: one that writes faster than it is read leaves others a turn after each piece", async () => {
    const program = await shell("exec head -c 20000000 /dev/zero");
    let [turns, bytes, pieces] = [0, 0, 0];
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    count();
    for await (const piece of program.stdout) {
      pieces++;
      bytes += piece.length;
      // What a reader does with it takes longer than filling the pipe again.
      for (let times = 0; times < 20; times++) createHash("sha256").update(piece).digest();
    }
    isDone = true;
    assert.equal(bytes, 20_000_000);
    assert.ok(turns >= pieces, `${turns} turns, ${pieces} pieces`);
  });

  test("program: one that complains faster than it is read leaves others their turn", async () => {
    const program = await shell("yes complaint | head -c 20000000 >&2");
    let [turns, isDone] = [0, false];
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    count();
    const lines = await linesOf(program);
    isDone = true;
    assert.ok(lines.length > 0);
    // A piece is what a pipe holds, or a few of these.
    assert.ok(turns >= 20, `${turns} turns`);
  });

  test("program: one that never reads holds the writer back until it ends", async () => {
    const program = await shell("sleep 300");
    const writes = Array.from({ length: 64 }, () => program.write("x".repeat(64 * 1024)));
    const outcomes = Promise.allSettled(writes);
    await program.stop(10);
    const last = (await within(outcomes, "the writes")).at(-1);
    assert.equal(last?.status, "rejected");
  });

  test("program: lines of complaint are bounded, and nobody has to read them", async () => {
    const script =
      "head -c 20000 /dev/zero | tr '\\0' 'x' >&2; echo >&2; printf 'a\\r\\n' >&2; printf 'no end' >&2";
    const lines = await linesOf(await shell(script));
    assert.deepEqual(lines, ["x".repeat(8 * 1024), "a", "no end"]);
    const flood = await shell("i=0; while [ $i -lt 20000 ]; do echo line $i >&2; i=$((i+1)); done");
    assert.equal(await within(flood.ended, "the end of the flood"), "exit code 0");
    const kept = await linesOf(flood);
    assert.equal(kept.at(-1), "line 19999");
    // What came while they were read is there as well: none is missing that is not counted.
    const counts = kept.map((line) => Number(/^\((\d+) lines left out\)$/.exec(line)?.[1] ?? 1));
    assert.ok(kept.length < 20_000, `${kept[0]}`);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      20_000,
    );
  });

  test("program: one that cannot be started says why", async () => {
    await inScratch(async (directory) => {
      writeFileSync(join(directory, "plain"), "text", { mode: 0o600 });
      const plain = join(directory, "plain");
      for (const [command, state] of [
        ["no-such-program", "there is no such program"],
        ["./no/such/program", "there is no such program"],
        ["", "there is no such program"],
        [plain, "it may not be run"],
        [directory, "it is no file"],
      ] as const) {
        await assert.rejects(start([command], { directory }), {
          message: `Cannot start program "${command}": ${state}`,
        });
      }
      await assert.rejects(start(["sh", "a\0b"]), /^Error: Cannot start program "sh": /);
      const nowhere = join(directory, "nowhere");
      await assert.rejects(start(["sh"], { directory: nowhere }), {
        message: `Cannot start program "sh": there is no directory "${nowhere}"`,
      });
    });
  });

  test("program: one that others may change is refused", async () => {
    await inScratch(async (directory) => {
      const place = join(directory, "bin");
      mkdirSync(place, { mode: 0o755 });
      const path = join(place, "hello");
      const link = join(directory, "link");
      const text = "#!/bin/sh\necho hello\n";
      writeFileSync(path, text, { mode: 0o755 });
      symlinkSync(path, link);
      const attempt = async (name = path) => textOf(await start([name]));
      assert.equal(await attempt(), "hello\n");
      assert.equal(await attempt(link), "hello\n");
      assert.equal(
        await textOf(await start(["hello"], { env: { PATH: `bin:/nowhere:${place}` } })),
        "hello\n",
      );
      for (const mode of [0o775, 0o757]) {
        chmodSync(path, mode);
        await assert.rejects(attempt(link), {
          message: `Cannot start program "${link}": others than its owner may write to "${path}" (chmod go-w)`,
        });
      }
      chmodSync(path, 0o755);
      for (const mode of [0o775, 0o757]) {
        chmodSync(place, mode);
        await assert.rejects(attempt(), /others than its owner may write to the directory "/);
      }
      // As in /tmp: there others may add and not replace.
      chmodSync(place, 0o1777);
      assert.equal(await attempt(), "hello\n");
      chmodSync(place, 0o755);
      chmodSync(directory, 0o777);
      await assert.rejects(attempt(link), /others than its owner may write to the directory "/);
    });
  });

  test("program: 200 of them leave nothing open", async () => {
    const one = async (): Promise<void> => {
      const program = await shell("echo hello; read line");
      assert.equal(await within(textUntil(program, "\n"), "its word"), "hello\n");
      await program.stop(1_000);
    };
    for (let count = 0; count < 10; count += 1) await one();
    const before = openFiles();
    for (let count = 0; count < 20; count += 1) await Promise.all(Array.from({ length: 10 }, one));
    // Some are closed in the next turns of the loop.
    for (let turn = 0; turn < 200 && openFiles() >= before + 5; turn += 1) {
      await new Promise<void>((resolve) => void platform.timers.after(10, resolve));
    }
    // A runtime opens a few for itself.
    assert.ok(openFiles() < before + 5, `${openFiles()} open files, ${before} before`);
  });
}

async function textOf(program: Program): Promise<string> {
  return textUntil(program, undefined);
}

async function textUntil(program: Program, end: string | undefined): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of program.stdout) {
    text += decoder.decode(piece, { stream: true });
    if (end !== undefined && text.endsWith(end)) break;
  }
  return text;
}

async function linesOf(program: Program): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of program.stderr) lines.push(line);
  return lines;
}

function isAlive(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  // What has ended may still wait for somebody to ask how.
  return stdout.trim() !== "" && !stdout.startsWith("Z");
}

function openFiles(): number {
  // Through another program: Deno reads such places only with every permission.
  const [program, ...args] =
    process.platform === "linux" ? ["ls", `/proc/${process.pid}/fd`] : ["lsof", "-p", `${process.pid}`];
  const { stdout } = spawnSync(program ?? "", args, { encoding: "utf8" });
  const count = stdout.split("\n").length;
  assert.ok(count > 3, stdout);
  return count;
}
