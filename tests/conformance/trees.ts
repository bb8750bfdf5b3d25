import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";

import { inScratch } from "./scratch.ts";
import type { Subject } from "./suite.ts";

/** The part of the `Files` port that goes through whole directories, and moves bytes. */
export function treesSuite({ platform, test }: Subject): void {
  const { files } = platform;
  const check = (name: string, work: (directory: string) => Promise<void>): void =>
    test(`files: ${name}`, () => inScratch((dir) => work(realpathSync(dir))));
  const text = (words: string): Uint8Array => new TextEncoder().encode(words);

  check("a tree has every name below, in order, and follows no link", async (dir) => {
    mkdirSync(`${dir}/b/c`, { recursive: true, mode: 0o700 });
    writeFileSync(`${dir}/b/c/run`, "12345", { mode: 0o700 });
    writeFileSync(`${dir}/a`, "1", { mode: 0o600 });
    symlinkSync("b", `${dir}/inside`);
    symlinkSync("/", `${dir}/outside`);
    symlinkSync("nowhere", `${dir}/dead`);
    const plain = { bytes: 0, isExecutable: false };
    assert.deepEqual(await files.tree(dir, 100), [
      { path: "a", kind: "file", ...plain, bytes: 1 },
      { path: "b", kind: "directory", ...plain },
      { path: "b/c", kind: "directory", ...plain },
      { path: "b/c/run", kind: "file", bytes: 5, isExecutable: true },
      { path: "dead", kind: "link", ...plain, leadsTo: undefined },
      { path: "inside", kind: "link", ...plain, leadsTo: `${dir}/b` },
      { path: "outside", kind: "link", ...plain, leadsTo: "/" },
    ]);
  });

  check("a tree tells what others may write to", async (dir) => {
    mkdirSync(`${dir}/open`);
    writeFileSync(`${dir}/shared`, "");
    chmodSync(`${dir}/open`, 0o777);
    chmodSync(`${dir}/shared`, 0o660);
    const found = await files.tree(dir, 100);
    assert.deepEqual(
      found.map(({ doubt }) => doubt),
      ["may be written to by others", "may be written to by others"],
    );
  });

  check("a tree that is larger than wanted, or not there, is refused", async (dir) => {
    for (const name of ["a", "b", "c"]) writeFileSync(`${dir}/${name}`, "");
    assert.equal((await files.tree(dir, 3)).length, 3);
    await assert.rejects(files.tree(dir, 2), /^Error: Cannot look through directory .*more than 2 files/);
    await assert.rejects(files.tree(`${dir}/none`, 2), /^Error: Cannot look through directory /);
  });

  check("bytes are written as they are, into a file that is new and ours alone", async (dir) => {
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
    await files.writeBytes(`${dir}/new/deep/file`, bytes);
    await files.writeBytes(`${dir}/new/run`, text("x"), { isExecutable: true });
    assert.deepEqual(new Uint8Array(readFileSync(`${dir}/new/deep/file`)), bytes);
    const mode = (name: string): number => statSync(`${dir}/${name}`).mode & 0o777;
    assert.deepEqual(["new", "new/deep", "new/deep/file", "new/run"].map(mode), [0o700, 0o700, 0o600, 0o700]);
    await assert.rejects(files.writeBytes(`${dir}/new/run`, bytes), /^Error: Cannot write file ".*run": /);
    symlinkSync(`${dir}/elsewhere`, `${dir}/link`);
    await assert.rejects(files.writeBytes(`${dir}/link`, bytes), /^Error: Cannot write file ".*link": /);
  });

  check("bytes are read whole, or not at all", async (dir) => {
    writeFileSync(`${dir}/file`, text("12345"));
    assert.deepEqual(new Uint8Array((await files.readBytes(`${dir}/file`, 5)) ?? []), text("12345"));
    assert.equal(await files.readBytes(`${dir}/none`, 5), undefined);
    await assert.rejects(files.readBytes(`${dir}/file`, 4), /it is larger than 4 bytes$/);
    await assert.rejects(files.readBytes(dir, 4), /it is not a regular file$/);
  });
}
