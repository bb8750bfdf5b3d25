import {
  type ClientEvents,
  createIdempotencyKey,
  type GatewayClient,
  GatewayError,
  type Message,
  type Usage,
} from "../client/mod.ts";

type ChatEvent = ClientEvents["chat"];

/** How a turn ended. */
export type TurnEnd = {
  readonly runId: string;
  readonly status: "ok" | "aborted" | "error" | "interrupted";
  readonly message?: Message | undefined;
  readonly usage?: Usage | undefined;
  /** Why it is not `ok`, as a sentence. */
  readonly problem?: string | undefined;
};

/** What became of a message. */
export type Handed = { readonly runId: string; readonly status: string };

export type TurnOptions = {
  readonly client: GatewayClient;
  readonly sessionKey: string;
  /** Hands the message over; asked once. */
  send(): Promise<Handed>;
  /** What is handed over, where it is a message. */
  readonly message?: string;
  /** Gets the answer's text piece by piece, each character once, in order. */
  onText(text: string): void;
  /** Gets told, as a sentence, that an answer of its own is not what comes next. */
  onNote(note: string): void;
};

/** One message and its answer. */
export type Turn = {
  /** @throws (rejects) GatewayError when the message was not handed over, or the gateway is gone for good */
  readonly end: Promise<TurnEnd>;
  /** Asks the gateway to stop answering. Safe to call at any time, and twice. */
  abort(): void;
};

/** What is said of a message that is not answered at once. A run waits for its session, or for all others. */
const NOTES: Readonly<Record<string, string>> = {
  queued: "This message waits: others are answered first",
  joined: "This message waits, and is answered together with others",
  steered: "This message joins the answer that is being given",
  stopped: "The answer is stopped",
  reset: "It begins anew",
};

/** Messages looked through for the answer of a run whose end was missed. */
const HISTORY_LIMIT = 50;

/** Sends a message and follows its run to the end, across lost connections and restarts of the gateway. */
export function startTurn(options: TurnOptions): Turn {
  const { client, sessionKey } = options;
  const ended = Promise.withResolvers<TurnEnd>();
  const early: ChatEvent[] = [];
  let runId: string | undefined;
  let isAborting = false;
  let isBehind = false;
  let show = shower(options);
  /** It may join the run that goes on; one that does not by its end is answered by the next. */
  let isSteered = false;

  const finish = (end: TurnEnd): void => {
    if (end.message) show(textOf(end.message), 0);
    const isOver = end.status === "ok" || end.status === "error";
    if (isSteered && isOver) followOwn(end).catch(ended.reject);
    else ended.resolve(end);
  };
  const followOwn = async (end: TurnEnd): Promise<void> => {
    isSteered = false;
    const own = await findRun(client, sessionKey, options.message);
    if (own === undefined || own === end.runId) return ended.resolve(end);
    options.onNote("It came too late to join: this is its own answer");
    runId = own;
    show = shower(options);
    // Its end may have come meanwhile.
    await recover();
  };
  const take = (event: ChatEvent): void => {
    if (event.runId !== runId) return;
    if (event.state === "delta") show(event.delta, event.offset);
    else finish(toEnd(event));
  };
  const abort = (): void => {
    isAborting = true;
    if (runId === undefined) return;
    client.call("chat.abort", { sessionKey, runId }).catch(ended.reject);
  };
  const recover = async (): Promise<void> => {
    isBehind = true;
    if (runId === undefined) return;
    const end = await findEnd(client, sessionKey, runId);
    if (end) finish(end);
  };
  const send = async (): Promise<void> => {
    const sent = await options.send();
    const note = NOTES[sent.status];
    if (note !== undefined) options.onNote(note);
    if (sent.status === "stopped" || sent.status === "reset")
      return ended.resolve({ runId: sent.runId, status: "ok" });
    runId = sent.runId;
    isSteered = sent.status === "steered" && options.message !== undefined;
    if (isAborting) abort();
    for (const event of early.splice(0)) take(event);
    if (isBehind) await recover();
  };

  const stops = [
    client.on("chat", (event) => void (runId === undefined ? early.push(event) : take(event))),
    // Events were missed for good: the end of the run may have been among them.
    client.on("resync", () => void recover().catch(ended.reject)),
    client.onState((state) => {
      if (state.name === "closed" && state.error) ended.reject(state.error);
    }),
  ];
  send().catch(ended.reject);
  return {
    end: ended.promise.finally(() => {
      for (const stop of stops) stop();
    }),
    abort,
  };
}

/** Shows the text of one run, each character once. */
function shower({ onText }: Pick<TurnOptions, "onText">): (text: string, offset: number) => void {
  let shownChars = 0;
  return (text, offset) => {
    // A piece beyond what was shown means that pieces were left out for a slow reader: the end has all.
    const fresh = offset <= shownChars ? text.slice(shownChars - offset) : "";
    if (fresh === "") return;
    shownChars += fresh.length;
    onText(fresh);
  };
}

/** Attempts to hand a message over when connections break; the key makes sure that it is taken once. */
const SEND_ATTEMPTS = 3;

interface Sending {
  readonly client: GatewayClient;
  readonly sessionKey: string;
  readonly message: string;
  /** Longest time the answer may take; the gateway's own default when absent. */
  readonly timeoutMs?: number | undefined;
}

/** Hands a message over, across broken connections, once. */
export function sending({ client, ...message }: Sending): () => Promise<Handed> {
  return async () => {
    const idempotencyKey = createIdempotencyKey();
    for (let attempt = 1; ; attempt++) {
      try {
        return await client.call("chat.send", { ...message, idempotencyKey });
      } catch (error) {
        const isLost =
          error instanceof GatewayError && error.code === "unavailable" && error.from === "client";
        if (!isLost || attempt >= SEND_ATTEMPTS || client.state.name === "closed") throw error;
      }
    }
  };
}

/** The run that answers the message, by now. */
async function findRun(
  client: GatewayClient,
  sessionKey: string,
  text: string | undefined,
): Promise<string | undefined> {
  const { messages } = await client.call("chat.history", { sessionKey, limit: HISTORY_LIMIT });
  return messages.findLast((one) => one.role === "user" && textOf(one) === text)?.runId;
}

/** @returns undefined while the run goes on */
async function findEnd(
  client: GatewayClient,
  sessionKey: string,
  runId: string,
): Promise<TurnEnd | undefined> {
  const { status, error } = await client.call("agent.wait", { runId, timeoutMs: 0 });
  if (status === "timeout") return undefined;
  const { messages } = await client.call("chat.history", { sessionKey, limit: HISTORY_LIMIT });
  const message = messages.findLast((one) => one.runId === runId && one.role === "assistant");
  const problem = status === "ok" ? undefined : (error?.message ?? INTERRUPTED[status]);
  return { runId, status, message, problem };
}

const INTERRUPTED = {
  aborted: "The answer was stopped",
  error: "The answer failed",
  interrupted: "The answer was cut off: the gateway was restarted",
} as const;

const ABORT_REASONS = {
  request: INTERRUPTED.aborted,
  timeout: "The answer was stopped: it took too long",
  shutdown: "The answer was cut off: the gateway is stopping",
  deleted: "The answer was stopped: the session was deleted",
  reset: "The answer was stopped: the session begins anew",
  interrupted: "The answer was stopped: another message took its place",
} as const;

function toEnd(event: Exclude<ChatEvent, { state: "delta" }>): TurnEnd {
  const { runId, message } = event;
  if (event.state === "final") return { runId, status: "ok", message, usage: event.usage };
  if (event.state === "error") return { runId, status: "error", message, problem: event.error.message };
  const status = event.reason === "shutdown" ? "interrupted" : "aborted";
  return { runId, status, message, problem: ABORT_REASONS[event.reason] };
}

/** The text of a message as its deltas counted it. */
export function textOf({ content }: Message): string {
  return content.map((part) => (part.type === "text" ? part.text : "")).join("");
}
