import { readFileSync } from "node:fs";

/** One line of the table: a figure of ours, the same of the bare server, and their ratio, by round. */
export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly ours: readonly number[];
  readonly bare?: readonly number[];
  /** What the ratio (or, without `bare`, the figure) has to reach. */
  readonly target?: { readonly atLeast?: number; readonly atMost?: number };
  readonly note?: string;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}

export function ratios({ ours, bare = [] }: Row): number[] {
  return bare.map((value, round) => (ours[round] ?? Number.NaN) / value);
}

function show(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString("en");
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function spread(values: readonly number[]): string {
  return values.length === 0
    ? ""
    : `${show(median(values))} (${show(Math.min(...values))}–${show(Math.max(...values))})`;
}

function verdict(row: Row): string {
  if (!row.target) return "";
  const value = median(row.bare ? ratios(row) : row.ours);
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = row.target;
  const wanted = row.target.atLeast === undefined ? `≤ ${show(atMost)}` : `≥ ${show(atLeast)}`;
  return `${wanted} ${value >= atLeast && value <= atMost ? "yes" : "NO"}`;
}

/** Medians with their spread over the rounds; ratios are made round by round. */
export function table(rows: readonly Row[]): string {
  const head = ["what", "gateway", "bare Bun", "ratio", "target"];
  const lines = rows.map((row) => [
    `${row.name}, ${row.unit}`,
    spread(row.ours),
    spread(row.bare ?? []),
    spread(ratios(row)),
    verdict(row),
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => (line[column] ?? "").length)),
  );
  const format = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  const notes = rows.flatMap((row) => (row.note ? [`${row.name}: ${row.note}`] : []));
  return [
    format(head),
    format(widths.map((width) => "-".repeat(width))),
    ...lines.map(format),
    "",
    ...notes,
  ].join("\n");
}

/** A server in a process of its own. */
export interface BenchServer {
  readonly url: string;
  readonly pid: number;
  /** Sends it one line, answers with the line it answers. */
  ask(line: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts a program whose first line of output is its URL and that answers a line with a line. */
export async function startServer(
  command: readonly string[],
  env: Record<string, string> = {},
): Promise<BenchServer> {
  const child = Bun.spawn([...command], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
    env: { ...process.env, ...env },
  });
  const lines = readLines(child.stdout);
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command.join(" ")}: ended without an answer`);
    return value;
  };
  const url = await next();
  return {
    url,
    pid: child.pid,
    async ask(line) {
      await child.stdin.write(`${line}\n`);
      await child.stdin.flush();
      return next();
    },
    async stop() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  return undefined;
}

/** Processor time the process has used, µs. */
export function cpuMicros(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return ticks * 10_000;
}

/** Resident and, of that, anonymous memory, MiB. */
export function memoryMib(pid: number): { rss: number; anonymous: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const read = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1024;
  return { rss: read("VmRSS"), anonymous: read("RssAnon") };
}

/** A connected and, for the gateway, authenticated socket. */
export function openSocket(url: string, headers: Record<string, string> = {}): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/ws`, { headers } as never);
    socket.onopen = () => resolve(socket);
    socket.onerror = () => reject(new Error(`cannot connect to ${url}`));
  });
}
