import type { RequestPermissionRequest, RequestPermissionResponse } from "@agentclientprotocol/sdk";

import type { AgentEvent, AgentTurn } from "../../ports.ts";
import { record } from "../values.ts";
import type { Conversation } from "./conversation.ts";
import type { Mailbox } from "./mailbox.ts";
import { promptBlocks } from "./messages.ts";
import { CANCELLED, toApproval, toOutcome } from "./permission.ts";
import { Updates } from "./updates.ts";

/** Questions of one prompt that wait for a person; more are answered with no. */
const QUESTIONS_MAX = 16;

export type ExchangeOptions = {
  readonly conversation: Conversation;
  readonly turn: AgentTurn;
  readonly mailbox: Mailbox<AgentEvent>;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** The agent has begun to answer: it has the conversation. */
  onBegun(): void;
};

/** One prompt and all that belongs to it until the agent has answered. */
export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #updates = new Updates();
  #questions = 0;
  #hasBegun = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** Resolves when the agent is done, also when nobody waits any more. @throws as `Connection.request` */
  async run(): Promise<void> {
    const { conversation, turn, mailbox, signal } = this.#options;
    const { connection, id } = conversation;
    const prompt = promptBlocks(turn.messages, !conversation.isInformed);
    const cancel = (): void => connection.notify("session/cancel", { sessionId: id });
    signal.addEventListener("abort", cancel);
    try {
      const answer = await connection.request("session/prompt", { sessionId: id, prompt });
      this.#begin();
      void mailbox.put(this.#updates.end(answer));
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  /** An update of any session of the connection; what it returns holds the agent back. */
  update(params: unknown): Promise<void> | undefined {
    const { sessionId, update } = record(params);
    const { conversation, mailbox, signal } = this.#options;
    if (sessionId !== conversation.id || signal.aborted) return undefined;
    const events = this.#updates.take(record(update));
    if (events.length === 0) return undefined;
    this.#begin();
    return mailbox.put(events);
  }

  async ask(request: RequestPermissionRequest, cancelled: AbortSignal): Promise<RequestPermissionResponse> {
    const { conversation, turn, mailbox, signal } = this.#options;
    if (request.sessionId !== conversation.id || signal.aborted || cancelled.aborted) return CANCELLED;
    if (turn.isPlain === true || this.#questions >= QUESTIONS_MAX) return toOutcome(request, "deny");
    this.#questions += 1;
    try {
      void mailbox.put(this.#updates.asked(record(request.toolCall)));
      const approval = toApproval(request, this.#updates.nameOf(request.toolCall.toolCallId));
      const decision = await turn.approve(approval, AbortSignal.any([signal, cancelled]));
      return signal.aborted || cancelled.aborted ? CANCELLED : toOutcome(request, decision);
    } finally {
      this.#questions -= 1;
    }
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#options.conversation.isInformed = true;
    this.#options.onBegun();
  }
}
