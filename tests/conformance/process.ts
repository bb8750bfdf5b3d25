import assert from "node:assert/strict";

import { startChild } from "./child-process.ts";
import { type Subject, within } from "./suite.ts";

/** The `Process` port, seen from outside in a child of its own, and the small ports around it. */
export function processSuite({ platform, test, child }: Subject): void {
  test("process: it knows its arguments, environment and home", async () => {
    const env = { CONFORMANCE: "grüß", HOME: "/home/somebody" };
    const { lines, errors, exit, process } = startChild(child, ["args", "a b", "--flag", ""], { env });
    const facts: unknown = JSON.parse(await lines.next("the facts"));
    const { pid } = process;
    assert.deepEqual(facts, { args: ["a b", "--flag", ""], variable: "grüß", home: "/home/somebody", pid });
    assert.equal(await errors.next("what it says of its terminals"), "terminal: false,false");
    assert.equal(await exit, 0);
    // Without a home Bun would put its cache into the working directory.
    const homeless = { HOME: "", BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" };
    const noHome = startChild(child, ["args"], { env: homeless });
    const { home } = JSON.parse(await noHome.lines.next("the facts")) as { home: string };
    assert.match(home, /^\/./);
  });

  test("process: it reads lines of any shape", async () => {
    const { lines, exit, process } = startChild(child, ["lines"]);
    process.stdin.write("one\r\n\ngr");
    assert.equal(await lines.next("a line"), '"one"');
    assert.equal(await lines.next("a line"), '""');
    // Half a character, then the rest of it.
    process.stdin.write(new Uint8Array([0xc3]));
    process.stdin.end(new Uint8Array([0xbc, 0x0a, 0x65, 0x6e, 0x64]));
    assert.equal(await lines.next("a line"), '"grü"');
    assert.equal(await lines.next("a line"), '"end"');
    assert.equal(await lines.next("the end"), "end");
    assert.equal(await exit, 0);
  });

  test("process: a program it runs has its streams, its code and its signal", async () => {
    const reader = startChild(child, ["run", "sh", "-c", 'read line; echo "read $line"; exit 3']);
    reader.process.stdin.end("grüß\n");
    assert.equal(await reader.lines.next("what the program says"), "read grüß");
    assert.equal(await reader.lines.next("its code"), "3");
    const killed = startChild(child, ["run", "sh", "-c", "kill -TERM $$"]);
    assert.equal(await killed.lines.next("its end"), "143");
    for (const { exit } of [reader, killed]) assert.equal(await exit, 0);
  });

  test("process: while a program runs, the keys that stop are meant for it alone", async () => {
    const script = "kill -INT $PPID; kill -QUIT $PPID; echo sent; read line; exit 4";
    const { lines, exit, process } = startChild(child, ["run", "sh", "-c", script]);
    assert.equal(await lines.next("the keys"), "sent");
    process.stdin.end("\n");
    assert.equal(await lines.next("its code"), "4");
    assert.equal(await exit, 0);
  });

  for (const [program, state] of [
    ["no-such-program", "there is no such program"],
    ["./no/such/program", "there is no such program"],
    ["/etc/passwd", "it may not be run"],
  ] as const) {
    test(`process: "${program}" cannot be run, and it says why`, async () => {
      const { lines, exit } = startChild(child, ["run", program]);
      assert.equal(await lines.next("the reason"), `Cannot run "${program}": ${state}`);
      assert.equal(await exit, 0);
    });
  }

  test("process: signals to stop are told and do not end it", async () => {
    const { lines, exit, signal } = startChild(child, ["signals"]);
    assert.equal(await lines.next("readiness"), "ready");
    signal("SIGINT");
    assert.equal(await lines.next("the signal"), "SIGINT");
    signal("SIGTERM");
    assert.equal(await lines.next("the signal"), "SIGTERM");
    assert.equal(await exit, 3);
  });

  test("process: a hangup is told and does not end it", async () => {
    const { lines, exit, process, signal } = startChild(child, ["hangup"]);
    assert.equal(await lines.next("readiness"), "ready");
    for (const time of ["first", "second"]) {
      signal("SIGHUP");
      assert.equal(await lines.next(`the ${time} hangup`), "hangup");
    }
    process.stdin.end();
    assert.equal(await exit, 0);
  });

  test("process: what nobody caught is told, and timers go on", async () => {
    const { lines, exit, process } = startChild(child, ["uncaught"]);
    const expected = ["a timer", "run 1", "run 2", "run 3", "a promise", "a microtask"];
    const seen: string[] = [];
    for (const _ of expected) {
      seen.push(await lines.next("an error"));
    }
    assert.deepEqual(seen.toSorted(), expected.map((where) => `caught Error: in ${where}`).toSorted());
    process.stdin.end();
    assert.equal(await lines.next("a sign of life"), "alive");
    assert.equal(await exit, 0);
  });

  test("process: a reader that stalls stops nothing, and costs a bounded part of memory", async () => {
    const { lines, errors, exit, process } = startChild(child, ["flood"], { isRead: false });
    const [, dropped] = /^alive, dropped (\d+)$/.exec(await errors.next("a sign of life")) ?? [];
    assert.ok(Number(dropped) > 50 && Number(dropped) < 200, `dropped ${dropped}`);
    let written = 0;
    process.stdout.on("data", (chunk: Uint8Array) => (written += chunk.length));
    assert.equal(await errors.next("the flush"), "flushed");
    assert.equal(await exit, 0);
    assert.ok(written > 64 * 1024);
    assert.deepEqual(lines.seen, []);
  });

  test("process: a reader that goes away ends nothing", async () => {
    const { lines, errors, exit, process } = startChild(child, ["broken"]);
    assert.equal(await lines.next("a line"), "first");
    const closed = new Promise<void>((resolve) => process.stdout.once("close", resolve));
    process.stdout.destroy();
    await within(closed, "the end of the pipe");
    process.stdin.end();
    assert.equal(await errors.next("a sign of life"), "alive");
    assert.equal(await exit, 0);
  });

  test("crypto: ids, secrets and digests", () => {
    const { id, secret, sha256, equal } = platform.crypto;
    assert.match(id(), /^[\w-]{22}$/);
    assert.match(secret(), /^[\w-]{43}$/);
    assert.equal(new Set(Array.from({ length: 1_000 }, id)).size, 1_000);
    // FIPS 180-4, and a text that is not ASCII.
    assert.equal(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert.equal(hex(sha256("ü")), "607474ca475a9724d7360aba71a56d5df77e61350e3f724cfa1f46e857e2d85f");
    assert.equal(equal(sha256("a"), sha256("a")), true);
    assert.equal(equal(sha256("a"), sha256("b")), false);
    assert.throws(() => equal(sha256("a"), new Uint8Array(3)));
  });

  test("clock and timers: time passes, and a stopped timer does not run", async () => {
    const { clock, timers } = platform;
    const before = clock.elapsed();
    const seen: string[] = [];
    const stop = timers.after(0, () => seen.push("stopped"));
    stop();
    stop();
    timers.after(2 ** 40, () => seen.push("in 34 years"))();
    const far = timers.after(2 ** 40, () => seen.push("far too early"));
    await new Promise<void>((resolve) => {
      const stopEvery = timers.every(1, () => {
        if (seen.push("tick") < 3) return;
        stopEvery();
        timers.after(5, resolve);
      });
    });
    far();
    assert.deepEqual(seen, ["tick", "tick", "tick"]);
    assert.ok(clock.elapsed() > before);
    assert.ok(Math.abs(clock.now() - Date.now()) < 60_000);
  });

  test("platform: it names its runtime and its machine", () => {
    const { runtime, process } = platform;
    assert.match(runtime, /^(bun|deno) \d+\.\d+\.\d+/);
    assert.ok(process.hostname.length > 0 && process.cpuCount >= 1 && process.rssBytes() > 1_000_000);
    assert.ok(process.addresses().includes("127.0.0.1"));
  });
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
