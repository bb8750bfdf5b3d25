import assert from "node:assert/strict";
import { lstatSync, symlinkSync, writeFileSync } from "node:fs";

import { startChild } from "./child-process.ts";
import { inScratch } from "./scratch.ts";
import type { Subject } from "./suite.ts";

/** `lock`: one holder, in this process or any other, and none once that has ended. */
export function lockSuite({ platform, test, child }: Subject): void {
  const check = (name: string, work: (path: string) => void | Promise<void>): void =>
    test(`lock: ${name}`, () => inScratch((directory) => work(`${directory}/lock`)));

  check("has one holder in this process", (path) => {
    const stop = platform.lock(path);
    assert.ok(stop);
    assert.equal(platform.lock(path), undefined);
    assert.equal(platform.lock(path), undefined);
    stop();
    stop();
    const again = platform.lock(path);
    assert.ok(again);
    stop();
    assert.equal(platform.lock(path), undefined);
    again();
    assert.equal(lstatSync(path).mode & 0o777, 0o600);
  });

  check("has one holder among processes, and a try does not loosen it", async (path) => {
    const stop = platform.lock(path);
    assert.equal(platform.lock(path), undefined);
    const loser = startChild(child, ["lock", path]);
    assert.equal(await loser.lines.next("the answer"), "held by another");
    assert.equal(await loser.exit, 0);
    stop?.();
    const winner = startChild(child, ["lock", path]);
    assert.equal(await winner.lines.next("the answer"), "locked");
    assert.equal(platform.lock(path), undefined);
    winner.process.stdin.end();
    assert.equal(await winner.exit, 0);
  });

  check("ends with the process, however it ends", async (path) => {
    const holder = startChild(child, ["lock", path]);
    assert.equal(await holder.lines.next("the answer"), "locked");
    assert.equal(platform.lock(path), undefined);
    holder.signal("SIGKILL");
    assert.equal(await holder.exit, "SIGKILL");
    const stop = platform.lock(path);
    assert.ok(stop);
    stop();
  });

  check("is not taken through a link or on a file of something else", (path) => {
    symlinkSync("target", path);
    assert.throws(() => platform.lock(path), /it is a symbolic link$/);
    const text = "precious ".repeat(1_000);
    writeFileSync(`${path}-text`, text);
    assert.throws(() => platform.lock(`${path}-text`), /^Error: Cannot lock ".*": file is not a database$/);
  });
}
