import { toRecord } from "./errors.ts";
import type { Frame } from "./link.ts";
import type { Cursor, Hello } from "./protocol.ts";
import type { Resync } from "./types.ts";

/** How far in the gateway's events this client has come, over all its connections. */
export type Tracker = {
  /** What to present to resume, once there was a connection. */
  cursor(): Cursor | undefined;
  /** Takes note of a new connection. @returns what was missed, if anything was */
  greet(resume: Hello["resume"]): Resync | undefined;
  /** Takes note of an event. @returns its place in the order */
  see(frame: Frame): number | undefined;
};

/** Starts at no event. */
export function createTracker(): Tracker {
  let cursor: Cursor | undefined;
  // While a replay goes on the greeting's `seq` is not ours yet: a connection that breaks in the
  // middle of it must resume from the last event that came.
  let replaying: { left: number; readonly seq: number } | undefined;

  const advance = (seq: number): void => {
    if (cursor && seq > cursor.seq) cursor = { epoch: cursor.epoch, seq };
  };
  return {
    cursor: () => cursor,
    greet: ({ epoch, seq, replayed, resync }) => {
      const before = cursor;
      const isSameLine = before !== undefined && before.epoch === epoch && !resync;
      cursor = isSameLine ? before : { epoch, seq };
      replaying = isSameLine && replayed > 0 ? { left: replayed, seq } : undefined;
      if (!replaying) advance(seq);
      return before === undefined || isSameLine ? undefined : { from: before.seq, to: seq };
    },
    see: (frame) => {
      const { seq } = frame;
      if (typeof seq !== "number") return undefined;
      advance(seq);
      if (replaying && --replaying.left <= 0) {
        advance(replaying.seq);
        replaying = undefined;
      }
      return seq;
    },
  };
}

/** The payload of a `resync` event. */
export function toResync(payload: Readonly<Record<string, unknown>>): Resync {
  const { from, to, dropped } = toRecord(payload);
  return {
    from: typeof from === "number" ? from : 0,
    to: typeof to === "number" ? to : 0,
    ...(typeof dropped === "number" ? { dropped } : {}),
  };
}
