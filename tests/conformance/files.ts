import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import process from "node:process";

import { inScratch } from "./scratch.ts";
import type { Subject } from "./suite.ts";

/** The `Files` port: what a home server may write, and through what it must not. */
export function filesSuite({ platform, test }: Subject): void {
  const { files } = platform;
  const check = (name: string, work: (directory: string) => void | Promise<void>): void =>
    test(`files: ${name}`, () => inScratch(work));

  check("text is read up to its bound, and absence is undefined", async (dir) => {
    writeFileSync(`${dir}/a`, "grüß 🙂\n");
    assert.equal(await files.readText(`${dir}/a`, 13), "grüß 🙂\n".slice(0));
    await assert.rejects(
      files.readText(`${dir}/a`, 11),
      /^Error: Cannot read file ".*a": it is larger than 11 bytes$/,
    );
    assert.equal(await files.readText(`${dir}/none`, 100), undefined);
    writeFileSync(`${dir}/large`, "x".repeat(200_000));
    assert.equal((await files.readText(`${dir}/large`, 200_000))?.length, 200_000);
    await assert.rejects(files.readText(`${dir}/large`, 199_999), /larger than 199999 bytes/);
    writeFileSync(`${dir}/empty`, "");
    assert.equal(await files.readText(`${dir}/empty`, 0), "");
  });

  check("a byte order mark is a part of the text, and written as it was read", async (dir) => {
    writeFileSync(`${dir}/marked`, "\uFEFF{}");
    assert.equal(await files.readText(`${dir}/marked`, 100), "\uFEFF{}");
    await files.replace(`${dir}/again`, "\uFEFF{}");
    assert.deepEqual([...readFileSync(`${dir}/again`)], [0xef, 0xbb, 0xbf, 0x7b, 0x7d]);
  });

  check("what is no text file is no text", async (dir) => {
    writeFileSync(`${dir}/bytes`, new Uint8Array([0x61, 0xff, 0xfe]));
    await assert.rejects(files.readText(`${dir}/bytes`, 100), /it is not UTF-8 text$/);
    await assert.rejects(files.readText(dir, 100), /it is not a regular file$/);
    execFileSync("mkfifo", [`${dir}/pipe`]);
    await assert.rejects(files.readText(`${dir}/pipe`, 100), /it is not a regular file$/);
    symlinkSync("nowhere", `${dir}/dangling`);
    assert.equal(await files.readText(`${dir}/dangling`, 100), undefined);
    writeFileSync(`${dir}/real`, "real");
    symlinkSync("real", `${dir}/link`);
    assert.equal(await files.readText(`${dir}/link`, 100), "real");
    await assert.rejects(files.readText(`${dir}/real/below`, 100));
  });

  check("a file of ours is taken away from others, and neither a link nor somebody else's", async (dir) => {
    writeFileSync(`${dir}/token`, "secret");
    chmodSync(`${dir}/token`, 0o664);
    assert.equal(await files.readPrivate(`${dir}/token`, 6), "secret");
    assert.equal(modeOf(`${dir}/token`), "600");
    await assert.rejects(files.readPrivate(`${dir}/token`, 5), /it is larger than 5 bytes$/);
    assert.equal(await files.readPrivate(`${dir}/none`, 100), undefined);
    symlinkSync("token", `${dir}/link`);
    symlinkSync("nowhere", `${dir}/dangling`);
    for (const name of ["link", "dangling"]) {
      await assert.rejects(
        files.readPrivate(`${dir}/${name}`, 100),
        /^Error: Cannot read file ".*": it is a symbolic link$/,
      );
    }
    await assert.rejects(files.readPrivate(dir, 100), /it is not a regular file$/);
    await assert.rejects(files.readPrivate(foreignDirectory(dir), 100), /it belongs to user \d+$/);
  });

  check("a new file is private and made once", async (dir) => {
    const before = process.umask(0);
    try {
      assert.equal(await files.writeNew(`${dir}/token`, "secret 🙂"), true);
    } finally {
      process.umask(before);
    }
    assert.equal(modeOf(`${dir}/token`), "600");
    assert.equal(await files.writeNew(`${dir}/token`, "other"), false);
    assert.equal(readFileSync(`${dir}/token`, "utf8"), "secret 🙂");
    await assert.rejects(files.writeNew(`${dir}/none/token`, "x"));
  });

  check("a new file is not written through a link", async (dir) => {
    symlinkSync(`${dir}/target`, `${dir}/link`);
    assert.equal(await files.writeNew(`${dir}/link`, "x"), false);
    assert.equal(existsSync(`${dir}/target`), false);
    mkdirSync(`${dir}/directory`);
    assert.equal(await files.writeNew(`${dir}/directory`, "x"), false);
  });

  check("a file is replaced whole and private, and nothing is left beside it", async (dir) => {
    writeFileSync(`${dir}/config`, "a much longer old text", { mode: 0o644 });
    await files.replace(`${dir}/config`, "new");
    assert.equal(readFileSync(`${dir}/config`, "utf8"), "new");
    assert.equal(modeOf(`${dir}/config`), "600");
    await files.replace(`${dir}/other`, "made");
    assert.equal(readFileSync(`${dir}/other`, "utf8"), "made");
    assert.deepEqual(readdirSync(dir).toSorted(), ["config", "other"]);
  });

  check("a file is not replaced when at the last moment somebody is against it", async (dir) => {
    writeFileSync(`${dir}/config`, "old");
    const reason = new Error("not now");
    const refuse = async (): Promise<void> => {
      assert.equal(readFileSync(`${dir}/config`, "utf8"), "old");
      throw reason;
    };
    await assert.rejects(files.replace(`${dir}/config`, "new", refuse), (error) => error === reason);
    assert.equal(readFileSync(`${dir}/config`, "utf8"), "old");
    assert.deepEqual(readdirSync(dir), ["config"]);
    await files.replace(`${dir}/config`, "new", async () => {});
    assert.equal(readFileSync(`${dir}/config`, "utf8"), "new");
  });

  check("what is no file is not replaced", async (dir) => {
    writeFileSync(`${dir}/target`, "precious");
    symlinkSync("target", `${dir}/link`);
    await assert.rejects(
      files.replace(`${dir}/link`, "x"),
      /^Error: Cannot replace file ".*link": it is a symbolic link$/,
    );
    assert.equal(readFileSync(`${dir}/target`, "utf8"), "precious");
    symlinkSync("nowhere", `${dir}/dangling`);
    await assert.rejects(files.replace(`${dir}/dangling`, "x"), /it is a symbolic link$/);
    mkdirSync(`${dir}/directory`);
    await assert.rejects(files.replace(`${dir}/directory`, "x"), /it is not a regular file$/);
    assert.deepEqual(readdirSync(dir).toSorted(), ["dangling", "directory", "link", "target"]);
  });

  check("a directory is made with its parents, for nobody else", async (dir) => {
    await files.ensurePrivateDir(`${dir}/a/b/c`);
    assert.deepEqual(
      ["a", "a/b", "a/b/c"].map((path) => modeOf(`${dir}/${path}`)),
      ["700", "700", "700"],
    );
    mkdirSync(`${dir}/open`);
    chmodSync(`${dir}/open`, 0o755);
    await files.ensurePrivateDir(`${dir}/open/`);
    assert.equal(modeOf(`${dir}/open`), "700");
    await files.ensurePrivateDir(`${dir}/open`);
  });

  check("a directory that is a link, a file or somebody else's is refused", async (dir) => {
    mkdirSync(`${dir}/real`);
    chmodSync(`${dir}/real`, 0o755);
    symlinkSync("real", `${dir}/link`);
    for (const path of [`${dir}/link`, `${dir}/link/`, `${dir}/link//.`]) {
      await assert.rejects(
        files.ensurePrivateDir(path),
        /^Error: Cannot use directory ".*link": it is a symbolic link$/,
      );
    }
    assert.equal(modeOf(`${dir}/real`), "755");
    symlinkSync("nowhere", `${dir}/dangling`);
    await assert.rejects(files.ensurePrivateDir(`${dir}/dangling`), /it is a symbolic link/);
    assert.equal(existsSync(`${dir}/nowhere`), false);
    writeFileSync(`${dir}/file`, "");
    await assert.rejects(
      files.ensurePrivateDir(`${dir}/file`),
      /^Error: Cannot make directory "[^"]+\/file": file already exists$/,
    );
    await assert.rejects(
      files.ensurePrivateDir(`${dir}/file/below`),
      /^Error: Cannot use directory "[^"]+\/file\/below": not a directory$/,
    );
    await assert.rejects(files.ensurePrivateDir(foreignDirectory(dir)), /it belongs to user \d+$/);
  });

  check("removing is the same for what is not there", async (dir) => {
    writeFileSync(`${dir}/a`, "");
    writeFileSync(`${dir}/target`, "kept");
    symlinkSync("target", `${dir}/link`);
    for (const name of ["a", "a", "link"]) {
      await files.remove(`${dir}/${name}`);
    }
    assert.deepEqual(readdirSync(dir), ["target"]);
    mkdirSync(`${dir}/directory`);
    await assert.rejects(files.remove(`${dir}/directory`));
  });
}

function modeOf(path: string): string {
  return (lstatSync(path).mode & 0o777).toString(8);
}

function foreignDirectory(dir: string): string {
  // Only root can give one away; everybody else has root's.
  if (statSync("/usr").uid !== process.getuid?.()) return "/usr";
  mkdirSync(`${dir}/foreign`);
  chownSync(`${dir}/foreign`, 12_345, 12_345);
  return `${dir}/foreign`;
}
