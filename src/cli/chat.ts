import { type GatewayClient, GatewayError, type ReconnectOptions } from "../client/mod.ts";
import { EXIT } from "../gateway/errors.ts";
import { followApprovals } from "./approvals.ts";
import { usage } from "./args.ts";
import type { CommandInput, RunCommand } from "./command.ts";
import { connect, toCliError } from "./connect.ts";
import { converse } from "./converse.ts";
import { CliError } from "./errors.ts";
import { programName } from "./program.ts";
import { sending, startTurn, textOf, type TurnEnd } from "./turn.ts";

const SESSION_DEFAULT = "main";

/** A gateway that restarts is back within this; one that is not is gone. */
const RECONNECT: ReconnectOptions = { giveUpMs: 30_000 };

/** The shell's own numbers for a program that ended by a signal. @source POSIX: 128 plus the number */
const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143 } as const;

/** Talks to an agent: one message, or a conversation. */
export const chat: RunCommand = async (input) => {
  const { platform, args } = input;
  const typed = args.positional.join(" ");
  const isConversation = typed === "" && platform.process.stdinIsTerminal;
  if (isConversation && args.has("json")) throw usage("Cannot use --json in a conversation: give a message");
  const message =
    isConversation || (typed !== "" && typed !== "-") ? typed : await readAll(platform.process.lines());
  if (!isConversation && message.trim() === "")
    throw usage("Cannot send a message: there is none on standard input");
  const sessionKey = args.text("session") ?? SESSION_DEFAULT;
  const { client, target, timeoutMs } = await connect(input, "chat", RECONNECT);
  try {
    await chooseModel(client, sessionKey, args.text("model"));
    // Whoever began a run it may join: what is said in this session is shown here.
    const { sessions } = await client.call("events.subscribe", { sessions: [sessionKey] });
    const keptKey = Array.isArray(sessions) ? (sessions[0] ?? sessionKey) : sessionKey;
    const parts = {
      ...input,
      client,
      sessionKey: keptKey,
      timeoutMs: args.has("timeout-ms") ? timeoutMs : undefined,
    };
    return await (isConversation ? converse(parts) : answerOnce(parts, message));
  } catch (error) {
    throw toCliError(error, target);
  } finally {
    await client.close();
  }
};

/** A session's model is chosen when it is made. */
async function chooseModel(client: GatewayClient, key: string, model: string | undefined): Promise<void> {
  if (model === undefined) return;
  try {
    await client.call("sessions.create", { key, model });
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== "conflict") throw error;
    const hint =
      "A session keeps the model it was made with: leave --model out, or name a new one with --session";
    throw new CliError(EXIT.failed, error.message, { hint, code: error.code });
  }
}

/** What a message needs to be sent and answered. */
export type ChatParts = CommandInput & {
  readonly client: GatewayClient;
  readonly sessionKey: string;
  /** Longest time one answer may take. */
  readonly timeoutMs: number | undefined;
};

async function answerOnce(parts: ChatParts, message: string): Promise<number> {
  const { platform, screen, args, client, sessionKey, timeoutMs } = parts;
  const isJson = args.has("json");
  let lastChar = "\n";
  let signalled: keyof typeof SIGNAL_EXIT | undefined;
  const program = programName(platform);
  // Before the message is handed over: what comes of that has to be waited for in the same turn of the loop.
  const stopApprovals = await followApprovals(client, sessionKey, {
    asked: ({ id, title }) =>
      screen.problem(`It asks for a yes: ${title}. ${program} approvals allow ${id} (or always, deny)`),
    settled: () => {},
  });
  const turn = startTurn({
    client,
    sessionKey,
    send: sending({ client, sessionKey, message, timeoutMs }),
    message,
    onText: (text) => {
      if (isJson) return;
      screen.write(screen.foreign(text));
      lastChar = text.at(-1) ?? lastChar;
    },
    onNote: (note) => {
      if (lastChar !== "\n") screen.line("");
      lastChar = "\n";
      screen.problem(note);
    },
  });
  const stopSignals = platform.process.onStopSignal((signal) => {
    // The second time: whoever presses it does not want to wait for the gateway either.
    if (signalled) platform.process.exit(SIGNAL_EXIT[signal]);
    signalled = signal;
    turn.abort();
  });
  try {
    const end = await turn.end;
    if (isJson) screen.line(screen.foreign(toJson(end, sessionKey)));
    else if (lastChar !== "\n") screen.line("");
    if (end.problem) screen.problem(end.problem);
    if (signalled) return SIGNAL_EXIT[signalled];
    return end.status === "ok" ? EXIT.ok : EXIT.failed;
  } finally {
    stopApprovals();
    stopSignals();
  }
}

function toJson({ message, ...end }: TurnEnd, sessionKey: string): string {
  return JSON.stringify({ sessionKey, ...end, text: message ? textOf(message) : "", message });
}

async function readAll(lines: AsyncIterable<string>): Promise<string> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all.join("\n");
}
