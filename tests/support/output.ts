/** What does not come within this does not come. */
const WAIT_MS = 15_000;

/** One entry of the log, in text or JSON. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** What a program has printed so far. */
export interface Output {
  stdout(): string;
  stderr(): string;
  /** Both. */
  printed(): string;
  /** Entries of the log, in order. */
  readonly log: readonly LogLine[];
  /** The first entry with this message, come or coming. Rejects when the program ends without it. */
  logged(message: string): Promise<LogLine>;
  /** The first match in what is printed to standard output, now or later. */
  shown(what: RegExp): Promise<RegExpExecArray>;
}

type Stream = "stdout" | "stderr";

export function createOutput(): { output: Output; take(stream: Stream, piece: string): void; end(): void } {
  const text = { stdout: "", stderr: "" };
  const log: LogLine[] = [];
  const waiting = new Set<() => void>();
  let rest = "";
  let isEnded = false;
  const printed = (): string => text.stdout + text.stderr;

  /** Looks now, and again with everything that is printed. */
  function until<T>(what: string, find: () => T | undefined | null): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const look = (): void => {
      const found = find();
      if (found) resolve(found);
      else if (isEnded) reject(new Error(`ended without the ${what}: ${printed()}`));
    };
    waiting.add(look);
    look();
    return within(promise, what, printed).finally(() => void waiting.delete(look));
  }

  function takeLine(line: string): void {
    const entry = line.startsWith("{") ? (JSON.parse(line) as LogLine) : fromText(line);
    if (entry) log.push(entry);
  }

  return {
    output: {
      stdout: () => text.stdout,
      stderr: () => text.stderr,
      printed,
      log,
      logged: (message) => until(`log line "${message}"`, () => log.find(({ msg }) => msg === message)),
      shown: (what) => until(`${what} on standard output`, () => what.exec(text.stdout)),
    },
    take(stream, piece) {
      text[stream] += piece;
      if (stream === "stderr") {
        const lines = (rest + piece).split("\n");
        rest = lines.pop() ?? "";
        lines.forEach(takeLine);
      }
      for (const look of waiting) look();
    },
    end() {
      isEnded = true;
      for (const look of waiting) look();
    },
  };
}

/** `TIME LEVEL MESSAGE NAME=VALUE…` */
function fromText(line: string): LogLine | undefined {
  const [, level, msg, rest = ""] =
    /^[\d:]+Z (debug|info|warn|error) +(.*?)((?: \w+=(?:"(?:\\.|[^"\\])*"|[^\s"]+))*)$/.exec(line) ?? [];
  if (level === undefined || msg === undefined) return undefined;
  const fields = [...rest.matchAll(/ (\w+)=("(?:\\.|[^"\\])*"|\S+)/g)].map(([, name = "", value = ""]) => [
    name,
    value.startsWith('"') ? (JSON.parse(value) as string) : value,
  ]);
  return { level, msg, ...Object.fromEntries(fields) };
}

/** The promise's outcome, or a rejection with what was printed so far. */
export async function within<T>(promise: Promise<T>, what: string, printed: () => string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const say = (): void => reject(new Error(`no ${what} within ${WAIT_MS} ms: ${printed()}`));
  const timer = setTimeout(say, WAIT_MS);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
