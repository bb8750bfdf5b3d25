import type { Platform } from "../../src/ports.ts";

/** The runtime a suite is run on. Suites use nothing but this, `node:` modules and each other. */
export interface Subject {
  readonly platform: Platform;
  readonly test: (name: string, run: () => void | Promise<void>) => void;
  /** Starts `child.ts` on the same runtime; its arguments follow. */
  readonly child: readonly [string, ...string[]];
  /** Bun ends an idle socket with our code, Deno with its own. */
  readonly idleCodeOnWire: number;
}

/** The value, or a failure that says what did not come. Generous: it only ends tests that would hang. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Cannot wait for ${what}: it did not come in 10 s`)), 10_000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What happened, in order, for whoever waits for the next of it. */
export class Events<T> {
  readonly seen: T[] = [];
  #read = 0;
  #waiting: (() => void) | undefined;

  push(event: T): void {
    this.seen.push(event);
    this.#waiting?.();
  }

  /** Events nobody has taken yet. */
  get unread(): number {
    return this.seen.length - this.#read;
  }

  async next(what: string): Promise<T> {
    while (this.#read >= this.seen.length) {
      await within(new Promise<void>((resolve) => (this.#waiting = resolve)), what);
    }
    const event = this.seen[this.#read] as T;
    this.#read += 1;
    return event;
  }
}
