import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import process from "node:process";

import type { Stop } from "../../src/ports.ts";
import { inScratch } from "./scratch.ts";
import { Events, type Subject, within } from "./suite.ts";

/** How programs and people change the file `config` of a directory. */
const EDITS: Readonly<Record<string, (dir: string) => void>> = {
  "a write in place": (dir) => writeFileSync(`${dir}/config`, "other"),
  "a write of the same bytes": (dir) => writeFileSync(`${dir}/config`, readFileSync(`${dir}/config`)),
  "an append": (dir) => appendFileSync(`${dir}/config`, "more"),
  "a truncation and a write": (dir) => {
    const fd = openSync(`${dir}/config`, "r+");
    ftruncateSync(fd);
    writeSync(fd, "short");
    closeSync(fd);
  },
  "a rename over it": (dir) => {
    writeFileSync(`${dir}/config.tmp`, "renamed");
    renameSync(`${dir}/config.tmp`, `${dir}/config`);
  },
  "a backup, a new file and the end of the backup": (dir) => {
    renameSync(`${dir}/config`, `${dir}/config~`);
    writeFileSync(`${dir}/config`, "new");
    unlinkSync(`${dir}/config~`);
  },
  "a removal": (dir) => unlinkSync(`${dir}/config`),
  "a link swapped in": (dir) => {
    writeFileSync(`${dir}/v2`, "linked");
    symlinkSync("v2", `${dir}/link`);
    renameSync(`${dir}/link`, `${dir}/config`);
  },
};

/** The `Watcher` port: what people do to a file is heard, and nothing is heard after the end. */
export function watchSuite({ platform, test }: Subject): void {
  const check = (name: string, work: (directory: string) => void | Promise<void>): void =>
    test(`watch: ${name}`, () => inScratch(work));

  for (const [name, edit] of Object.entries(EDITS)) {
    check(`${name} is heard, and the next one again`, async (dir) => {
      const ear = new Ear(dir);
      for (const round of ["first", "second"]) {
        writeFileSync(`${dir}/config`, "a longer text than any other");
        await ear.quiet();
        edit(dir);
        await ear.hears(`${name}, the ${round}`);
      }
      ear.stop();
    });
  }

  check("a removal and a new file are heard each", async (dir) => {
    const ear = new Ear(dir);
    for (const text of ["one", "two"]) {
      writeFileSync(`${dir}/config`, text);
      await ear.hears(`the making of "${text}"`);
      await ear.quiet();
      unlinkSync(`${dir}/config`);
      await ear.hears(`the removal of "${text}"`);
      await ear.quiet();
    }
    ear.stop();
  });

  check("the swap of a directory that a link leads to is heard where the link is", async (dir) => {
    for (const version of ["v1", "v2"]) {
      mkdirSync(`${dir}/${version}`);
      writeFileSync(`${dir}/${version}/config`, version);
    }
    symlinkSync("v1", `${dir}/data`);
    symlinkSync("data/config", `${dir}/config`);
    const ear = new Ear(dir);
    symlinkSync("v2", `${dir}/data.tmp`);
    renameSync(`${dir}/data.tmp`, `${dir}/data`);
    await ear.hears("the swap");
    ear.stop();
  });

  check("a watch through a link hears the directory it leads to", async (dir) => {
    mkdirSync(`${dir}/real`);
    symlinkSync("real", `${dir}/link`);
    const ear = new Ear(`${dir}/link`);
    writeFileSync(`${dir}/real/config`, "1");
    await ear.hears("the write");
    ear.stop();
  });

  check("reading is no change", async (dir) => {
    writeFileSync(`${dir}/config`, "1");
    const ear = new Ear(dir);
    await ear.quiet();
    const before = ear.count;
    readFileSync(`${dir}/config`);
    await platform.files.readText(`${dir}/config`, 10);
    await platform.files.list(dir);
    await platform.files.stat(`${dir}/config`);
    await ear.quiet();
    assert.equal(ear.count, before);
    ear.stop();
  });

  check("what goes on below it is not heard", async (dir) => {
    mkdirSync(`${dir}/below`);
    const ear = new Ear(dir);
    await ear.quiet();
    const before = ear.count;
    writeFileSync(`${dir}/below/config`, "1");
    writeFileSync(`${dir}/below/config`, "2");
    await ear.quiet();
    assert.equal(ear.count, before);
    ear.stop();
  });

  for (const [name, take] of [
    ["removed", (dir: string) => rmSync(dir, { recursive: true })],
    ["moved away", (dir: string) => renameSync(dir, `${dir}-old`)],
    ["moved away with somebody still listening", (dir: string) => renameSync(dir, `${dir}-old`)],
  ] as const) {
    check(`a directory that is ${name} is heard, and its successor by a new watch`, async (root) => {
      const dir = `${root}/dir`;
      mkdirSync(dir);
      const others = name.includes("still") ? [new Ear(dir), new Ear(dir)] : [];
      const ear = new Ear(dir);
      take(dir);
      await ear.hears("the end of the directory");
      for (const other of others) await other.hears("the end of the directory");
      assert.equal(
        platform.watch(dir, () => {}),
        undefined,
      );
      mkdirSync(dir);
      const next = new Ear(dir);
      for (const text of ["one", "two"]) {
        await next.quiet();
        writeFileSync(`${dir}/config`, text);
        await next.hears(`the writing of "${text}"`);
      }
      for (const each of [...others, ear, next]) each.stop();
    });
  }

  check(
    "a directory whose parent is replaced is heard by a new watch, and the old one ends",
    async (root) => {
      const dir = `${root}/parent/dir`;
      mkdirSync(dir, { recursive: true });
      const old = new Ear(dir);
      renameSync(`${root}/parent`, `${root}/old`);
      mkdirSync(dir, { recursive: true });
      const next = new Ear(dir);
      await old.hears("its end");
      await old.quiet();
      const heard = old.count;
      writeFileSync(`${dir}/config`, "1");
      await next.hears("the write");
      await next.quiet();
      assert.equal(old.count, heard);
      for (const each of [old, next]) each.stop();
    },
  );

  check(
    "nothing is heard from inside the call, nor after a stop, nor is a second stop a mistake",
    async (dir) => {
      let isInside = true;
      const other = new Ear(dir);
      const heard: string[] = [];
      const stop = platform.watch(dir, () => heard.push(isInside ? "inside" : "outside"));
      isInside = false;
      assert.ok(stop);
      writeFileSync(`${dir}/config`, "1");
      stop();
      stop();
      writeFileSync(`${dir}/config`, "2");
      await other.hears("the write");
      await other.quiet();
      assert.deepEqual(heard, []);
      const before = other.count;
      writeFileSync(`${dir}/config`, "3");
      await other.hears("a write after somebody else has stopped");
      assert.ok(other.count > before);
      other.stop();
    },
  );

  check("it may be stopped from inside what it calls", async (dir) => {
    const other = new Ear(dir);
    let count = 0;
    const heard = new Promise<void>((resolve) => {
      const stop = platform.watch(dir, () => {
        count += 1;
        stop?.();
        resolve();
      });
    });
    for (const text of ["1", "2", "3"]) writeFileSync(`${dir}/config`, text);
    await within(heard, "the write");
    await other.hears("the write");
    await other.quiet();
    assert.equal(count, 1);
    other.stop();
  });

  check("there is no watch of what is no directory", (dir) => {
    writeFileSync(`${dir}/file`, "");
    symlinkSync("nowhere", `${dir}/dangling`);
    symlinkSync("file", `${dir}/to-file`);
    for (const name of ["none", "none/below", "file", "file/below", "dangling", "to-file"])
      assert.equal(
        platform.watch(`${dir}/${name}`, () => {}),
        undefined,
      );
  });

  check("the last of 3,000 writes in one go is heard", async (dir) => {
    const ear = new Ear(dir);
    let seen = "";
    const last = new Promise<void>((resolve) => {
      ear.onHeard = () => {
        seen = readFileSync(`${dir}/config`, "utf8");
        if (seen === "2999") resolve();
      };
    });
    for (let count = 0; count < 3_000; count += 1) writeFileSync(`${dir}/config`, String(count));
    await within(last, "the last write");
    await ear.quiet();
    const before = ear.count;
    writeFileSync(`${dir}/config`, "after all");
    await ear.hears("one more");
    assert.ok(ear.count > before && seen === "after all");
    ear.stop();
  });

  check("200 watches leave nothing open", async (dir) => {
    const cycle = async (): Promise<void> => {
      const stop = platform.watch(dir, () => {});
      assert.ok(stop);
      stop();
      // One runtime lets go a little later.
      await new Promise((resolve) => setTimeout(resolve, 0));
    };
    // What a runtime opens once, it keeps.
    await cycle();
    const before = openFiles();
    for (let count = 0; count < 200; count += 1) await cycle();
    const ear = new Ear(dir);
    writeFileSync(`${dir}/config`, "1");
    await ear.hears("the write after them");
    ear.stop();
    assert.ok(openFiles() - before < 10, `${openFiles() - before} more files are open`);
  });

  /** Counts what it hears of a directory. */
  class Ear {
    count = 0;
    onHeard: (() => void) | undefined;
    readonly stop: Stop;
    readonly #events = new Events<number>();

    constructor(dir: string) {
      const stop = platform.watch(dir, () => {
        this.count += 1;
        this.#events.push(this.count);
        this.onHeard?.();
      });
      assert.ok(stop, dir);
      this.stop = stop;
    }

    /** Waits for something that was not heard before the last `quiet`. */
    async hears(what: string): Promise<void> {
      await this.#events.next(what);
    }

    /** Waits until what was done has been heard, and forgets it. No event says that none will come. */
    async quiet(): Promise<void> {
      for (let before = -1; before !== this.count;) {
        before = this.count;
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      while (this.#events.unread > 0) await this.#events.next("what was heard");
    }
  }
}

/** Counted from outside: not every runtime may look at its own. */
function openFiles(): number {
  return execFileSync("ls", [`/proc/${process.pid}/fd`], { encoding: "utf8" }).split("\n").length;
}
