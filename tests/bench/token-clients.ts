/**
 * Clients in a process of their own, a few for each session, which look when each token of an answer has come
 * to them. First line of output: a word; `run` starts one answer in each session and is answered with what
 * was seen until all have ended.
 */
import { openSocket } from "./harness.ts";

/** What one run of all sessions came to, latencies in ms from a token's leaving to its coming. */
export interface Seen {
  readonly tokens: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Tokens that came without the ones before them. */
  readonly gaps: number;
}

const URL_OF = process.env["BENCH_URL"] ?? "";
const HEADERS = { authorization: `Bearer ${process.env["BENCH_TOKEN"] ?? ""}` };
const SESSIONS = Number(process.env["BENCH_SESSIONS"] ?? 50);
const CLIENTS = Number(process.env["BENCH_CLIENTS"] ?? 5);

type Frame = Readonly<Record<string, unknown>>;

let latencies: number[] = [];
let gaps = 0;
let ended = 0;
let onEnded = (): void => {};

const now = (): number => performance.timeOrigin + performance.now();

async function follow(sessionKey: string): Promise<void> {
  const socket = await openSocket(URL_OF, HEADERS);
  const subscribe = { sessions: [sessionKey], events: ["chat"] };
  const ready = Promise.withResolvers<void>();
  const lengths = new Map<string, number>();
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(String(data)) as Frame;
    if (frame["id"] === "h") ready.resolve();
    if (frame["event"] === "chat") chat(frame, lengths);
  };
  socket.send(JSON.stringify({ id: "h", method: "connect", params: { subscribe } }));
  await ready.promise;
}

function chat({ runId, state, offset, delta, message }: Frame, lengths: Map<string, number>): void {
  const run = String(runId);
  const known = lengths.get(run) ?? 0;
  if (state === "delta") {
    if (Number(offset) !== known) gaps++;
    lengths.set(run, Number(offset) + String(delta).length);
    return look(String(delta));
  }
  // What no piece has told comes with the whole message.
  const { content = [] } = (message ?? {}) as { content?: { text?: string }[] };
  look(
    content
      .map(({ text = "" }) => text)
      .join("")
      .slice(known),
  );
  lengths.delete(run);
  ended++;
  onEnded();
}

function look(text: string): void {
  const come = now();
  for (const stamp of text.split(" ")) if (stamp !== "") latencies.push(come - Number(stamp));
}

async function startAnswers(): Promise<WebSocket> {
  const socket = await openSocket(URL_OF, HEADERS);
  const subscribe = { sessions: [], events: [] };
  socket.send(JSON.stringify({ id: "h", method: "connect", params: { subscribe } }));
  socket.onmessage = ({ data }) => {
    const { error } = JSON.parse(String(data)) as Frame;
    if (error !== undefined) throw new Error(`a run was refused: ${String(data)}`);
  };
  return socket;
}

async function run(sender: WebSocket, number: number): Promise<Seen> {
  latencies = [];
  gaps = 0;
  ended = 0;
  const done = new Promise<void>((resolve) => {
    onEnded = () => ended === SESSIONS * CLIENTS && resolve();
  });
  for (let session = 0; session < SESSIONS; session++) {
    const params = { sessionKey: keyOf(session), message: "Go on", idempotencyKey: `${number}-${session}` };
    sender.send(JSON.stringify({ id: `s${session}`, method: "chat.send", params }));
  }
  await done;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  return { tokens: latencies.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: latencies.at(-1) ?? 0, gaps };
}

const keyOf = (session: number): string => `agent:main:bench-${session}`;

for (let session = 0; session < SESSIONS; session++) {
  await Promise.all(Array.from({ length: CLIENTS }, () => follow(keyOf(session))));
}
const sender = await startAnswers();
console.log("ready");
let runs = 0;
for await (const _line of console) console.log(JSON.stringify(await run(sender, ++runs)));
