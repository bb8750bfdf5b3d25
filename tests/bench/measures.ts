import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { type BenchServer, cpuMicros, openSocket } from "./harness.ts";

/** A server under measure and how to be let in. */
export interface Target {
  readonly server: BenchServer;
  readonly headers: Record<string, string>;
}

const REQUEST_SOCKETS = 8;
const REQUESTS_DEEP = 8;

/** Requests a second over eight sockets, eight deep each, and what one costs the server. */
export async function measureRequests(
  { server, headers }: Target,
  total: number,
): Promise<{ perSecond: number; cpuMicros: number }> {
  const sockets = await Promise.all(
    Array.from({ length: REQUEST_SOCKETS }, () => openSocket(server.url, headers)),
  );
  let sent = 0;
  let answered = 0;
  const cpuBefore = cpuMicros(server.pid);
  const startMs = performance.now();
  await new Promise<void>((resolve) => {
    const ask = (socket: WebSocket): void => {
      if (sent < total) socket.send(`{"id":${++sent},"method":"voicewake.get"}`);
    };
    for (const socket of sockets) {
      socket.onmessage = ({ data }) => {
        if (!String(data).startsWith('{"id"')) return;
        if (++answered === total) resolve();
        ask(socket);
      };
      for (let n = 0; n < REQUESTS_DEEP; n++) ask(socket);
    }
  });
  const seconds = (performance.now() - startMs) / 1_000;
  const cpu = cpuMicros(server.pid) - cpuBefore;
  for (const socket of sockets) socket.close();
  return { perSecond: total / seconds, cpuMicros: cpu / total };
}

/** Opens this many clients, `inFlight` at a time, each answered by a hello. */
export async function connectClients(
  { server, headers }: Target,
  count: number,
  inFlight = 8,
): Promise<{ sockets: WebSocket[]; perSecond: number }> {
  const sockets: WebSocket[] = [];
  let left = count;
  const startMs = performance.now();
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const socket = await openSocket(server.url, headers);
      await new Promise<void>((resolve) => {
        socket.onmessage = ({ data }) => {
          if (String(data).startsWith('{"id":"h"')) resolve();
        };
        socket.send('{"id":"h","method":"connect","params":{"client":{"id":"bench","version":"1"}}}');
      });
      socket.onmessage = null;
      sockets.push(socket);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { sockets, perSecond: count / ((performance.now() - startMs) / 1_000) };
}

/** Deliveries a second of `events` events to all of `sockets`. */
export async function measureBroadcast(
  { server }: Target,
  sockets: readonly WebSocket[],
  { verb, events }: { verb: "broadcast" | "publish"; events: number },
): Promise<{ perSecond: number; cpuMicros: number }> {
  const total = sockets.length * events;
  let received = 0;
  const done = new Promise<void>((resolve) => {
    for (const socket of sockets) {
      socket.onmessage = ({ data }) => {
        if (String(data).startsWith('{"event":"voicewake') && ++received === total) resolve();
      };
    }
  });
  const cpuBefore = cpuMicros(server.pid);
  const startMs = performance.now();
  await server.ask(`${verb} ${events}`);
  await done;
  const seconds = (performance.now() - startMs) / 1_000;
  const cpu = cpuMicros(server.pid) - cpuBefore;
  for (const socket of sockets) socket.onmessage = null;
  return { perSecond: total / seconds, cpuMicros: cpu / total };
}

/** Time from starting a program until it has answered `connect`, ms, then what it holds idle. */
export async function measureStart(
  command: readonly string[],
  { url, headers, env }: { url: string; headers: Record<string, string>; env: Record<string, string> },
): Promise<{ ms: number; pid: number; stop(): Promise<void> }> {
  const startMs = performance.now();
  const child = Bun.spawn([...command], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
    env: { ...process.env, ...env },
  });
  const deadlineMs = startMs + 20_000;
  let socket: WebSocket | undefined;
  while (!socket) {
    if (performance.now() > deadlineMs) throw new Error(`${command.join(" ")}: not up within 20 s`);
    socket = await openSocket(url, headers).catch(() => undefined);
  }
  const open = socket;
  await new Promise<void>((resolve) => {
    open.onmessage = ({ data }) => {
      if (String(data).startsWith('{"id":"h"')) resolve();
    };
    open.send('{"id":"h","method":"connect","params":{}}');
  });
  const ms = performance.now() - startMs;
  open.close();
  return {
    ms,
    pid: child.pid,
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
      await child.exited;
      clearTimeout(timer);
    },
  };
}

/** What tells of every configuration that has come into force, to whoever waits for the next one. */
export interface ReloadWatch {
  /** Writes the text in place. @returns the time until a client was told that it is in force, ms */
  save(text: string): Promise<number>;
  close(): void;
}

/** How long a save may take before it counts as missed. */
const SAVE_MS_MAX = 15_000;

/** A client of the gateway that uses the file `path`. */
export async function watchReloads(
  url: string,
  headers: Record<string, string>,
  path: string,
): Promise<ReloadWatch> {
  const socket = await openSocket(url, headers);
  let waiting: { readonly hash: string; resolve(): void } | undefined;
  socket.onmessage = ({ data }) => {
    if (!String(data).startsWith('{"event":"config.changed"')) return;
    const { hash } = JSON.parse(String(data)) as { readonly hash: string };
    if (waiting?.hash === hash) waiting.resolve();
  };
  return {
    async save(text) {
      const hash = createHash("sha256").update(text).digest("hex");
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      waiting = { hash, resolve };
      const timer = setTimeout(() => reject(new Error(`not told of ${hash}`)), SAVE_MS_MAX);
      const startMs = performance.now();
      writeFileSync(path, text);
      await promise;
      const ms = performance.now() - startMs;
      clearTimeout(timer);
      return ms;
    },
    close: () => socket.close(),
  };
}

/** Time from the word that the gateway restarts until a client is on the same port again, ms. */
export async function measureRestart({ server, headers }: Target): Promise<number> {
  const socket = await openSocket(server.url, headers);
  const told = new Promise<number>((resolve) => {
    socket.onmessage = ({ data }) => {
      if (String(data).startsWith('{"event":"shutdown"')) resolve(performance.now());
    };
  });
  socket.send('{"id":"r","method":"system.restart"}');
  const startMs = await told;
  for (;;) {
    const again = await openSocket(server.url, headers).catch(() => undefined);
    if (!again) continue;
    const ms = performance.now() - startMs;
    again.close();
    return ms;
  }
}
