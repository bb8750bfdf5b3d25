import type { Platform } from "../../src/ports.ts";

/** Something to do in a process of its own; its name is the first argument. */
export async function runChild(platform: Platform): Promise<void> {
  const { args, stdout } = platform.process;
  const [name = "", ...rest] = args;
  const part = PARTS[name];
  if (!part) throw new Error(`Cannot run child "${name}": there is none of that name`);
  await part(platform, rest);
  await stdout.flush();
}

type Part = (platform: Platform, args: readonly string[]) => void | Promise<void>;

const PARTS: Readonly<Record<string, Part>> = {
  args({ process }, args) {
    const facts = { args, home: process.home, variable: process.env["CONFORMANCE"], pid: process.pid };
    process.stdout.write(`${JSON.stringify(facts)}\n`);
    process.stderr.write(
      `terminal: ${[process.stdout, process.stderr].map((sink) => sink.isTerminal).join()}\n`,
    );
  },

  async directory({ files, process }, [path = ""]) {
    await files.ensurePrivateDir(path);
    process.stdout.write("made\n");
    await process.stdout.flush();
    // What is still being fetched must not be waited for.
    process.exit(0);
  },

  async lines({ process }) {
    for await (const line of process.lines()) process.stdout.write(`${JSON.stringify(line)}\n`);
    process.stdout.write("end\n");
  },

  /** Says how a program ended, or why it could not begin. */
  async run({ process }, [program = "", ...args]) {
    const outcome = await process
      .runInTerminal([program, ...args])
      .catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    process.stdout.write(`${outcome}\n`);
  },

  async lock({ lock, process }, [path = ""]) {
    const stop = lock(path);
    process.stdout.write(stop ? "locked\n" : "held by another\n");
    if (!stop) return;
    for await (const _ of process.lines());
  },

  async "write-database"({ openDatabase, process, timers }, [path = ""]) {
    const db = openDatabase(path);
    db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT) STRICT");
    const insert = db.prepare("INSERT INTO t (text) VALUES (?)");
    for (;;) {
      const id = db.transaction(() => {
        insert.run("one");
        return insert.run("two").lastId;
      });
      process.stdout.write(`${id}\n`);
      await process.stdout.flush();
      await new Promise<void>((resolve) => void timers.after(0, resolve));
    }
  },

  signals({ process, timers }) {
    const seen: string[] = [];
    const stopSilent = process.onStopSignal(() => process.stdout.write("silent\n"));
    stopSilent();
    process.onStopSignal((signal) => {
      seen.push(signal);
      process.stdout.write(`${signal}\n`);
      if (seen.length === 2) timers.after(0, () => process.exit(3));
    });
    timers.every(1_000, () => {});
    process.stdout.write("ready\n");
  },

  async hangup({ process }) {
    process.onHangup(() => process.stdout.write("silent\n"))();
    process.onHangup(() => process.stdout.write("hangup\n"));
    process.stdout.write("ready\n");
    for await (const _ of process.lines());
  },

  async uncaught({ process, timers }) {
    const stopSilent = process.onUncaught(() => process.stdout.write("silent\n"));
    process.onUncaught((error) => process.stdout.write(`caught ${String(error)}\n`));
    stopSilent();
    timers.after(0, () => {
      throw new Error("in a timer");
    });
    let runs = 0;
    const stop = timers.every(1, () => {
      runs += 1;
      if (runs === 3) stop();
      throw new Error(`in run ${runs}`);
    });
    void Promise.reject(new Error("in a promise"));
    queueMicrotask(() => {
      throw new Error("in a microtask");
    });
    for await (const _ of process.lines());
    process.stdout.write("alive\n");
  },

  /** Writes far more than anybody reads, and shows on the other stream that it goes on living. */
  async flood({ process, timers }) {
    for (let count = 0; count < 200; count += 1) process.stdout.write(`${count} ${"x".repeat(64 * 1024)}\n`);
    await new Promise<void>((resolve) => void timers.after(10, resolve));
    const { dropped } = process.stdout as { dropped?: number };
    process.stderr.write(`alive, dropped ${dropped ?? 0}\n`);
    await process.stdout.flush();
    process.stderr.write("flushed\n");
    await process.stderr.flush();
  },

  /** Writes to a reader that goes away. */
  async broken({ process }) {
    process.stdout.write("first\n");
    for await (const _ of process.lines());
    for (let count = 0; count < 3; count += 1) {
      process.stdout.write("nobody reads this\n");
      await process.stdout.flush();
    }
    process.stderr.write("alive\n");
    await process.stderr.flush();
  },
};
