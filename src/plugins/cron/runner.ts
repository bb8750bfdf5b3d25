import { type PluginContext, RpcError } from "../api.ts";
import { type Job, type Outcome, TEXT_CHARS_KEPT, type Turn } from "./job.ts";

const RUN_SECONDS = 600;
/** What a run may wait for others of its session before it begins. */
const LANE_MS = 600_000;
const WAIT_MS = 60_000;
/** So long a channel may not be there: with a start of the gateway jobs may be earlier than its plugin. */
const CHANNEL_MS = 60_000;
const CHANNEL_PAUSE_MS = 2_000;

const cut = (text: string): string =>
  text.replace(/\s+/g, " ").trim().slice(0, TEXT_CHARS_KEPT).toWellFormed();
const wordsOf = (error: unknown): string => cut(error instanceof RpcError ? error.message : String(error));

/** The session a job talks in. @source the original's names: PEER F16 */
function sessionKeyOf({ id, agentId, sessionTarget }: Job): string {
  const own = sessionTarget === "main" ? "main" : `cron:${id}`;
  return agentId ? `agent:${agentId.toLowerCase()}:${own}` : own;
}

/** Keeps a part of the job's state. */
type Note = (marks: Partial<Job["state"]>) => Promise<unknown>;
type Ctx = Pick<PluginContext, "sessions" | "send" | "clock" | "timers" | "signal">;

/**
 * Has the agent do a job, waits for the end and delivers the answer; `note` is told how far it is. For
 * the same time of the job it is the same run, and the same delivery, however often it is asked for.
 * Undefined when the plugin stops meanwhile.
 */
export async function perform(
  ctx: Ctx,
  job: Job,
  { dueMs, note }: { readonly dueMs: number; readonly note: Note },
): Promise<Outcome | undefined> {
  const { sessions, signal } = ctx;
  const { payload, state, name, wakeMode } = job;
  const sessionKey = sessionKeyOf(job);
  const turn = payload.kind === "agentTurn" ? payload : undefined;
  const message = `[cron:${job.id} ${name}] ${payload.kind === "agentTurn" ? payload.message : payload.text}`;
  const timeoutMs = (turn?.timeoutSeconds ?? RUN_SECONDS) * 1_000;
  const key = `${job.id}:${dueMs}`;
  try {
    if (!turn && wakeMode === "next-heartbeat") {
      await sessions.inject(sessionKey, message);
      return { status: "ok", sessionKey };
    }
    const model = turn?.model === undefined ? {} : { model: turn.model };
    const run =
      state.runId === undefined
        ? await sessions.send({ sessionKey, message, timeoutMs, idempotencyKey: key, ...model })
        : { runId: state.runId, sessionKey };
    // Where it could not be noted it is asked for again, with the same key.
    if (state.runId === undefined) await note({ runId: run.runId }).catch(() => {});
    const end = await endOf(ctx, run, timeoutMs + LANE_MS);
    if (signal.aborted) return undefined;
    if (end.status === "timeout") await sessions.abort(run.sessionKey, run.runId);
    const outcome = { ...run, ...outcomeOf(end) };
    if (!turn || outcome.status !== "ok") return outcome;
    const tries = state.deliveryTries ?? 0;
    return await deliver(ctx, turn, { outcome, text: end.text, key, tries, note });
  } catch (error) {
    return signal.aborted ? undefined : { status: "error", error: wordsOf(error), sessionKey };
  }
}

type End = Awaited<ReturnType<PluginContext["sessions"]["wait"]>>;

async function endOf(
  { sessions, clock, signal }: Ctx,
  run: Parameters<PluginContext["sessions"]["wait"]>[0],
  forMs: number,
): Promise<End> {
  const begunMs = clock.elapsed();
  let end = await sessions.wait(run, WAIT_MS);
  while (end.status === "timeout" && !signal.aborted && clock.elapsed() - begunMs < forMs)
    end = await sessions.wait(run, WAIT_MS);
  return end;
}

function outcomeOf({ status, text = "", error }: End): Outcome {
  const summary = text === "" ? {} : { summary: cut(text) };
  if (status === "ok") return { status, ...summary };
  if (status === "aborted" && error === undefined) return { status: "skipped", error: "stopped", ...summary };
  const state = {
    interrupted: "cut off by a restart",
    timeout: "it did not end",
    aborted: "stopped",
    error: "failed",
  };
  return { status: "error", error: cut(error ?? state[status]), ...summary };
}

interface Answered {
  readonly outcome: Outcome;
  readonly text: string | undefined;
  readonly key: string;
  readonly tries: number;
  readonly note: Note;
}

/** What the gateway has taken it sends by itself, also when that takes a day: `waiting` is no failure. */
async function deliver(
  { send, clock, timers, signal }: Ctx,
  { deliver: isWanted, to, channel, bestEffortDeliver }: Turn,
  { outcome, text = "", key, tries, note }: Answered,
): Promise<Outcome | undefined> {
  if (to === undefined || isWanted === false || text.trim() === "") return outcome;
  const over = channel === undefined || channel === "last" ? {} : { channel };
  const untilMs = clock.elapsed() + CHANNEL_MS;
  for (let count = tries; !signal.aborted; count++) {
    try {
      // A refusal is the answer to its key for a while; what has been taken was under the key that is noted.
      const { status } = await send({ ...over, to, text, idempotencyKey: `${key}:${count}` });
      return { ...outcome, delivered: status };
    } catch (error) {
      const mayCome = error instanceof RpcError && error.code === "not_found" && clock.elapsed() < untilMs;
      const failed = { ...outcome, delivered: "failed", error: wordsOf(error) } as const;
      if (!mayCome && !signal.aborted)
        return bestEffortDeliver === true ? failed : { ...failed, status: "error" };
      await new Promise<void>((resolve) => void timers.after(CHANNEL_PAUSE_MS, resolve));
      await note({ deliveryTries: count + 1 });
    }
  }
  return undefined;
}
