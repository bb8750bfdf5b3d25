import { mkdirSync, readFileSync } from "node:fs";
import { connectCaller } from "../support/caller.ts";
import { type Row, startServer } from "./harness.ts";

const MESSAGES = 200;
const CONVERSATIONS = 50;
/** An SD card that lasts 30 TB of writes bears a thousand such messages a day for a lifetime. */
const target = { atMost: 128 };

/** What the disk is given for one message with its answer: alone, and among others in one commit. */
export async function storageRows(rounds: number, stateDir: string, token: string): Promise<Row[]> {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const env = { BENCH_STATE_DIR: stateDir, BENCH_TOKEN: token };
  const server = await startServer(["bun", "tests/bench/gateway-server.ts"], env);
  const caller = await connectCaller(server.url, token);
  let last = 0;
  const talk = async (sessionKey: string): Promise<void> => {
    const params = { sessionKey, message: "How is the weather in Tokyo?", idempotencyKey: `bench-${++last}` };
    const sent = await caller.call("chat.send", params);
    if (sent.kind !== "ok") throw new Error(JSON.stringify(sent));
    await caller.call("agent.wait", { runId: sent.result["runId"], timeoutMs: 30_000 });
  };
  const measured = async (conversations: number): Promise<number> => {
    const before = writtenBytes(server.pid);
    const each = MESSAGES / conversations;
    await Promise.all(
      Array.from({ length: conversations }, async (_, n) => {
        for (let message = 0; message < each; message++) await talk(`agent:main:bench-${n}`);
      }),
    );
    return (writtenBytes(server.pid) - before) / MESSAGES / 1_024;
  };
  try {
    // The tables of an empty gateway are shorter than they stay.
    await measured(CONVERSATIONS);
    const alone: number[] = [];
    const together: number[] = [];
    for (let round = 0; round < rounds; round++) {
      alone.push(await measured(1));
      together.push(await measured(CONVERSATIONS));
    }
    const note = "what the kernel was given for the disk; 0 where the folder is in memory";
    return [
      {
        name: "written for a message and its answer, one conversation",
        unit: "KiB",
        ours: alone,
        target,
        note,
      },
      { name: `the same, ${CONVERSATIONS} conversations at once`, unit: "KiB", ours: together, target },
    ];
  } finally {
    caller.close();
    await server.stop();
  }
}

/** Bytes this process has caused to be sent to the storage layer. */
function writtenBytes(pid: number): number {
  const found = /^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"));
  return Number(found?.[1]);
}
