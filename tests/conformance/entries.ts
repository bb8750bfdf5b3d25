import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";

import type { FileStat } from "../../src/ports.ts";
import { inScratch } from "./scratch.ts";
import type { Subject } from "./suite.ts";

/** The part of the `Files` port that looks at names, and takes directories away. */
export function entriesSuite({ platform, test }: Subject): void {
  const { files } = platform;
  const check = (name: string, work: (directory: string) => void | Promise<void>): void =>
    test(`files: ${name}`, () => inScratch((dir) => work(realpathSync(dir))));
  const stat = async (path: string): Promise<FileStat> => {
    const found = await files.stat(path);
    assert.ok(found, path);
    return found;
  };

  check("a real path has every link followed, in its middle too", async (dir) => {
    mkdirSync(`${dir}/v1`);
    writeFileSync(`${dir}/v1/config`, "");
    symlinkSync("v1", `${dir}/data`);
    symlinkSync("data/config", `${dir}/config`);
    for (const path of [`${dir}/config`, `${dir}/data/config`, `${dir}/data/../v1//config`])
      assert.equal(await files.realPath(path), `${dir}/v1/config`);
    assert.equal(await files.realPath(`${dir}/data/`), `${dir}/v1`);
  });

  check("what leads nowhere has no real path and cannot be looked at", async (dir) => {
    writeFileSync(`${dir}/file`, "");
    symlinkSync("nowhere", `${dir}/dangling`);
    symlinkSync("circle", `${dir}/circle`);
    for (const name of ["none", "none/below", "file/below", "dangling", "circle"]) {
      assert.equal(await files.realPath(`${dir}/${name}`), undefined);
      assert.equal(await files.stat(`${dir}/${name}`), undefined);
    }
    await assert.rejects(
      files.realPath(`${dir}/${"x".repeat(300)}`),
      /^Error: Cannot resolve path ".*x": (file )?name too long$/,
    );
    assert.equal(await files.stat(`${dir}/${"x".repeat(300)}`), undefined);
  });

  check("a look tells kind, size and time, through links", async (dir) => {
    writeFileSync(`${dir}/file`, "grüß");
    utimesSync(`${dir}/file`, 1_700_000_000, 1_700_000_000.25);
    symlinkSync("file", `${dir}/link`);
    const file = await stat(`${dir}/file`);
    const { ino } = statSync(`${dir}/file`);
    assert.deepEqual(
      { ...file, inode: file.inode.split(":")[1] },
      { kind: "file", bytes: 6, modifiedMs: 1_700_000_000_250, inode: String(ino) },
    );
    assert.deepEqual(await stat(`${dir}/link`), file);
    assert.equal((await stat(dir)).kind, "directory");
    execFileSync("mkfifo", [`${dir}/pipe`]);
    assert.equal((await stat(`${dir}/pipe`)).kind, "other");
  });

  check("writing keeps the inode, and another thing under the same name has another", async (dir) => {
    writeFileSync(`${dir}/a`, "1");
    const first = await stat(`${dir}/a`);
    writeFileSync(`${dir}/a`, "22");
    const written = await stat(`${dir}/a`);
    assert.deepEqual([written.inode, written.bytes], [first.inode, 2]);
    writeFileSync(`${dir}/b`, "22");
    renameSync(`${dir}/b`, `${dir}/a`);
    assert.notEqual((await stat(`${dir}/a`)).inode, first.inode);
    // The system may use the number of the first one again.
    mkdirSync(`${dir}/c`);
    const before = await stat(`${dir}/c`);
    writeFileSync(`${dir}/c/x`, "");
    assert.equal((await stat(`${dir}/c`)).inode, before.inode);
    rmSync(`${dir}/c`, { recursive: true });
    // File systems of this size keep time in steps of some ms, on one runtime also seen in whole ones.
    await new Promise((resolve) => setTimeout(resolve, 20));
    mkdirSync(`${dir}/c`);
    assert.notEqual((await stat(`${dir}/c`)).inode, before.inode);
  });

  check("names of a directory are sorted, links and hidden ones included", async (dir) => {
    for (const name of ["b", ".hidden", "a10", "a9", "B", "é"]) writeFileSync(`${dir}/${name}`, "");
    symlinkSync("nowhere", `${dir}/link`);
    mkdirSync(`${dir}/sub`);
    writeFileSync(`${dir}/sub/below`, "");
    symlinkSync("sub", `${dir}/to-sub`);
    const names = [".hidden", "B", "a10", "a9", "b", "link", "sub", "to-sub", "é"];
    assert.deepEqual(await files.list(dir), names);
    assert.deepEqual(await files.list(`${dir}/to-sub`), ["below"]);
  });

  check("where there is no directory there are no names", async (dir) => {
    writeFileSync(`${dir}/file`, "");
    symlinkSync("nowhere", `${dir}/dangling`);
    for (const name of ["none", "file", "file/below", "dangling"])
      assert.deepEqual(await files.list(`${dir}/${name}`), []);
    await assert.rejects(
      files.list(`${dir}/${"x".repeat(300)}`),
      /^Error: Cannot list directory ".*x": (file )?name too long$/,
    );
  });

  check("a file, a link or a directory gets another name, and nobody else's", async (dir) => {
    writeFileSync(`${dir}/file`, "text");
    symlinkSync("nowhere", `${dir}/link`);
    mkdirSync(`${dir}/folder`);
    for (const name of ["file", "link", "folder"]) {
      assert.equal(await files.rename(`${dir}/${name}`, `${dir}/${name}-new`), true);
    }
    assert.deepEqual(readdirSync(dir).toSorted(), ["file-new", "folder-new", "link-new"]);
    assert.equal(readFileSync(`${dir}/file-new`, "utf8"), "text");
    assert.equal(await files.rename(`${dir}/file`, `${dir}/other`), false);
    for (const taken of ["folder-new", "link-new", "file-new"]) {
      await assert.rejects(
        files.rename(`${dir}/file-new`, `${dir}/${taken}`),
        /^Error: Cannot rename ".*file-new" to ".*-new": the name is taken$/,
      );
    }
    await assert.rejects(files.rename(`${dir}/file-new`, `${dir}/none/file`), /^Error: Cannot rename /);
    assert.deepEqual(readdirSync(dir).toSorted(), ["file-new", "folder-new", "link-new"]);
  });

  check("a file is read through whatever is in it, and a directory is not", async (dir) => {
    writeFileSync(`${dir}/file`, new Uint8Array(200_000).fill(0xff));
    await files.readThrough(`${dir}/file`);
    await files.readThrough(`${dir}/none`);
    await assert.rejects(files.readThrough(dir), /^Error: Cannot read file ".*": /);
  });

  check("who else could change a file, or what code there would load", async (dir) => {
    mkdirSync(`${dir}/all/own`, { recursive: true });
    for (const path of ["all", "all/own"]) chmodSync(`${dir}/${path}`, 0o755);
    const file = `${dir}/all/own/file`;
    writeFileSync(file, "", { mode: 0o644 });
    assert.equal(await files.distrust(file), undefined);
    chmodSync(`${dir}/all`, 0o777);
    assert.equal(await files.distrust(file), `others may write to "${dir}/all"`);
    // As the directory of temporary files is: nobody takes away there what is somebody else's.
    chmodSync(`${dir}/all`, 0o1777);
    assert.equal(await files.distrust(file), undefined);
    writeFileSync(`${dir}/all/beside`, "", { mode: 0o644 });
    assert.equal(await files.distrust(`${dir}/all/beside`), `others may write to "${dir}/all"`);
    mkdirSync(`${dir}/all/node_modules`);
    assert.equal(await files.distrust(file), undefined);
    // Only the superuser may give something away.
    if (process.getuid?.() !== 0) return;
    chownSync(`${dir}/all/node_modules`, 65_534, 65_534);
    assert.equal(await files.distrust(file), `"${dir}/all/node_modules" belongs to another user`);
    rmdirSync(`${dir}/all/node_modules`);
    chownSync(file, 65_534, 65_534);
    assert.equal(await files.distrust(file), `"${file}" belongs to another user`);
  });

  check("a directory is removed with all in it, and not what its links lead to", async (dir) => {
    mkdirSync(`${dir}/kept`);
    writeFileSync(`${dir}/kept/file`, "kept");
    mkdirSync(`${dir}/gone/a/b`, { recursive: true });
    writeFileSync(`${dir}/gone/a/file`, "");
    symlinkSync("../kept", `${dir}/gone/link`);
    await files.removeDir(`${dir}/gone/`);
    assert.equal(existsSync(`${dir}/gone`), false);
    await files.removeDir(`${dir}/gone`);
    await files.removeDir(`${dir}/none/below`);
    for (const path of [`${dir}/link`, `${dir}/link/`]) {
      symlinkSync("kept", `${dir}/link`);
      await files.removeDir(path);
      assert.deepEqual(readdirSync(dir), ["kept"]);
    }
    assert.equal(readFileSync(`${dir}/kept/file`, "utf8"), "kept");
  });

  check("a file is no directory to remove", async (dir) => {
    writeFileSync(`${dir}/file`, "precious");
    await assert.rejects(
      files.removeDir(`${dir}/file`),
      /^Error: Cannot remove directory ".*file": it is no directory$/,
    );
    assert.equal(readFileSync(`${dir}/file`, "utf8"), "precious");
  });
}
