import { describe, expect, test } from "bun:test";
import { createWatched, settled } from "../../support/watched.ts";

const FILE = "/etc/gateway/config";
const DIR = "/etc/gateway";

/** A file that has been followed for so long that nothing is doubtful any more. */
async function settledFile(options: Parameters<typeof createWatched>[0] = {}) {
  const machine = createWatched(options);
  machine.directory(DIR);
  machine.write(FILE);
  await machine.watch.follow([FILE]);
  await machine.pass(2_000);
  // It may have been written after it was read and before it was followed.
  expect(machine.takeTold()).toEqual([2_000]);
  return machine;
}

describe("what is told, and when", () => {
  test("a change: after the debounce, and once more when no other can look the same", async () => {
    const { write, tell, pass, takeTold } = await settledFile();
    write(FILE);
    tell(DIR);
    tell(DIR);
    await pass(99);
    expect(takeTold()).toEqual([]);
    await pass(1);
    expect(takeTold()).toEqual([2_100]);
    await pass(10_000);
    expect(takeTold()).toEqual([4_100]);
  });

  test("each event begins the quiet anew", async () => {
    const { write, tell, pass, takeTold } = await settledFile();
    for (let count = 0; count < 4; count += 1) {
      write(FILE);
      tell(DIR);
      await pass(90);
    }
    expect(takeTold()).toEqual([]);
    await pass(10);
    expect(takeTold()).toEqual([2_370]);
  });

  test("a program that never pauses is told of five debounces after it began", async () => {
    const { write, tell, pass, takeTold } = await settledFile();
    for (let count = 0; count < 60; count += 1) {
      write(FILE);
      tell(DIR);
      await pass(20);
    }
    expect(takeTold()).toEqual([2_500, 3_000]);
  });

  test("the debounce is asked for at each event", async () => {
    const { options, write, tell, pass, takeTold } = await settledFile();
    options.debounceMs = 10;
    write(FILE);
    tell(DIR);
    await pass(10);
    expect(takeTold()).toEqual([2_010]);
  });

  test("what happens to other files of the directory is not told, and costs few looks", async () => {
    const { write, tell, pass, takeTold, counts } = await settledFile();
    const before = counts.stats;
    for (let count = 0; count < 500; count += 1) {
      write(`${DIR}/gateway.db-wal`);
      tell(DIR);
      await pass(20);
    }
    expect(takeTold()).toEqual([]);
    // 10 s: a look each 500 ms, at the file and the directory.
    expect(counts.stats - before).toBeWithin(2, 50);
  });

  test("a write of the same size in the same grain of time is told at its event", async () => {
    const { write, tell, pass, takeTold } = await settledFile();
    const same = { bytes: 7, modifiedMs: 5 };
    write(FILE, same);
    tell(DIR);
    await pass(100);
    expect(takeTold()).toEqual([2_100]);
    write(FILE, same);
    tell(DIR);
    await pass(100);
    expect(takeTold()).toEqual([2_200]);
    // Without an event, at the end of the grain, which the second one did not make longer.
    write(FILE, same);
    await pass(10_000);
    expect(takeTold()).toEqual([4_100]);
  });

  test("an event in the grain is told although the grain ends before the debounce", async () => {
    const { write, tell, pass, takeTold } = await settledFile();
    write(FILE, { bytes: 7, modifiedMs: 5 });
    tell(DIR);
    await pass(100);
    await pass(1_950);
    expect(takeTold()).toEqual([2_100]);
    tell(DIR);
    // The grain ends at 4,100, in the middle of the burst: a file may be half written.
    await pass(90);
    expect(takeTold()).toEqual([]);
    await pass(10_000);
    expect(takeTold()).toEqual([4_150]);
  });

  test("a write while the reader reads is told after it", async () => {
    const machine = await settledFile();
    const { write, tell, pass, takeTold, watch } = machine;
    let reads = 0;
    machine.onTold = () => {
      reads += 1;
      if (reads === 1) write(FILE);
      // The reader says what matters now, after the write that it may not have seen.
      void watch.follow([FILE]);
    };
    write(FILE);
    tell(DIR);
    await pass(100);
    expect(takeTold()).toEqual([2_100]);
    tell(DIR);
    await pass(100);
    expect(takeTold()).toEqual([2_200]);
  });

  test("an event in the middle of a look is another round", async () => {
    const { write, tell, pass, takeTold, stall } = await settledFile();
    write(FILE);
    tell(DIR);
    const answer = stall(FILE);
    await pass(200);
    write(FILE);
    tell(DIR);
    await pass(50);
    answer();
    await settled();
    expect(takeTold()).toEqual([2_250]);
    await pass(50);
    expect(takeTold()).toEqual([2_300]);
  });

  test("a reader that throws is logged and called again", async () => {
    const machine = await settledFile();
    const { write, tell, pass, takeTold, log } = machine;
    machine.onTold = () => {
      throw new Error("cannot read");
    };
    for (const atMs of [2_100, 2_200]) {
      write(FILE);
      tell(DIR);
      await pass(100);
      expect(takeTold()).toEqual([atMs]);
    }
    expect(log.lines.map(({ level }) => level)).toEqual(["error", "error"]);
  });
});

describe("the net below", () => {
  test("a change without an event is found by the poll and told when it is quiet", async () => {
    const { write, pass, takeTold, log } = await settledFile({ pollMs: 700, canWatch: false });
    expect(log.lines).toEqual([
      {
        level: "warn",
        message: "cannot watch directory, changes in it are noticed later",
        fields: { directory: DIR },
      },
    ]);
    write(FILE);
    await pass(190);
    expect(takeTold()).toEqual([]);
    await pass(10);
    expect(takeTold()).toEqual([2_200]);
    await pass(10_000);
    expect(takeTold()).toEqual([4_200]);
    expect(log.lines).toHaveLength(1);
  });

  test("polls that find the same change do not put it off", async () => {
    const { write, pass, takeTold } = await settledFile({ pollMs: 30, canWatch: false });
    write(FILE);
    await pass(200);
    // Found at 2,010, and at most one poll later where a look and a poll meet.
    expect(takeTold()).toEqual([2_110]);
  });

  test("a directory that was replaced is watched anew, and one that is away is waited for", async () => {
    const { directory, remove, write, tell, pass, takeTold, watched, earsOf } = await settledFile({
      pollMs: 700,
    });
    const old = earsOf(DIR);
    directory(DIR);
    await pass(700);
    expect([watched(), takeTold()]).toEqual([[DIR], []]);
    expect(earsOf(DIR)).not.toEqual(old);

    remove(DIR);
    remove(FILE);
    tell(DIR);
    await pass(100);
    expect(watched()).toEqual([]);
    expect(takeTold()).toHaveLength(1);

    directory(DIR);
    write(FILE);
    await pass(800);
    expect(watched()).toEqual([DIR]);
    expect(takeTold()).toHaveLength(1);
    write(FILE);
    tell(DIR);
    await pass(100);
    expect(takeTold()).toHaveLength(1);
  });

  test("a directory that is not there yet is found", async () => {
    const { watch, directory, write, pass, takeTold, watched, log } = createWatched({ pollMs: 700 });
    await watch.follow([FILE]);
    await pass(3_000);
    expect(takeTold()).toEqual([2_000]);
    expect(watched()).toEqual([]);
    directory(DIR);
    await pass(700);
    expect([watched(), takeTold()]).toEqual([[DIR], []]);
    write(FILE);
    await pass(800);
    expect(takeTold()).toHaveLength(1);
    expect(log.lines).toEqual([]);
  });

  test("while the disk does not answer nothing piles up", async () => {
    const { write, tell, pass, takeTold, stall, counts } = await settledFile({ pollMs: 700 });
    const answer = stall();
    const before = counts.stats;
    for (let count = 0; count < 100; count += 1) {
      write(FILE);
      tell(DIR);
      await pass(200);
    }
    expect(counts.stats - before).toBe(1);
    answer();
    await settled();
    expect(takeTold()).toHaveLength(1);
    // The look that waited, a poll and one round behind it, at a file and a directory each.
    expect(counts.stats - before).toBeWithin(2, 10);
  });
});

describe("what is watched", () => {
  test("the directory of each path and of what it leads to, each once", async () => {
    const { watch, directory, write, links, watched, tell, pass, takeTold } = createWatched();
    for (const path of [DIR, "/data/v1", "/data/v2", "/", "."]) directory(path);
    write("/data/v1/config");
    write("/data/v2/config");
    links.set(FILE, "/data/v1/config");
    await watch.follow([FILE, `${DIR}/secret`, "/data/v1/other", "/top", "relative", FILE]);
    expect(watched()).toEqual([".", "/", "/data/v1", DIR]);
    await pass(2_000);
    takeTold();

    links.set(FILE, "/data/v2/config");
    tell(DIR);
    await pass(100);
    expect(takeTold()).toHaveLength(1);
    expect(watched()).toEqual([".", "/", "/data/v1", "/data/v2", DIR]);
    await watch.follow([FILE]);
    expect(watched()).toEqual(["/data/v2", DIR]);
    await pass(2_000);
    takeTold();
    write("/data/v2/config");
    tell("/data/v2");
    await pass(100);
    expect(takeTold()).toHaveLength(1);
  });

  test("what is followed no longer is not told, what is new is read once more", async () => {
    const { watch, write, tell, pass, takeTold } = await settledFile();
    write("/etc/gateway/more");
    await watch.follow([FILE, "/etc/gateway/more"]);
    await pass(5_000);
    expect(takeTold()).toEqual([4_000]);
    await watch.follow([FILE]);
    write("/etc/gateway/more");
    tell(DIR);
    await pass(5_000);
    expect(takeTold()).toEqual([]);
    await watch.follow([]);
    write(FILE);
    tell(DIR);
    await pass(5_000);
    expect(takeTold()).toEqual([]);
  });
});

describe("the end", () => {
  test("nothing is left, and nothing is called any more", async () => {
    const { watch, write, tell, pass, takeTold, watched, earsOf, time } = await settledFile({ pollMs: 700 });
    const late = earsOf(DIR);
    write(FILE);
    tell(DIR);
    watch.stop();
    watch.stop();
    expect([watched(), time.pending()]).toEqual([[], 0]);
    for (const heard of late) heard();
    await watch.follow([FILE]);
    await pass(10_000);
    expect([watched(), time.pending(), takeTold()]).toEqual([[], 0, []]);
  });

  for (const what of ["a look", "a poll", "a follow"] as const) {
    test(`in the middle of ${what}`, async () => {
      const machine = await settledFile(what === "a poll" ? { pollMs: 700 } : {});
      const { watch, directory, write, tell, pass, takeTold, watched, stall, time } = machine;
      const answer = stall();
      write(FILE);
      directory("/new");
      if (what === "a look") tell(DIR);
      const followed = what === "a follow" ? watch.follow(["/new/file"]) : undefined;
      await pass(what === "a poll" ? 100 : 150);
      watch.stop();
      answer();
      await followed;
      await settled();
      expect(time.pending()).toBe(0);
      await pass(10_000);
      expect([watched(), time.pending(), takeTold()]).toEqual([[], 0, []]);
    });
  }
});
