import { type Approval, type GatewayClient, GatewayError, type Stop } from "../client/mod.ts";
import { DECISIONS, describeApproval, followApprovals } from "./approvals.ts";

/** Where questions are shown. */
export interface QuestionDesk {
  /** Shows a question, whatever is on the screen. */
  ask(lines: readonly string[], hint: string): void;
  /** Nothing is asked any more. @param why it was not answered here, if it was not, as a sentence */
  settled(why: string | undefined): void;
  problem(text: string): void;
}

const HINT = "Allow it? y: once, a: always in this session, n: no";

type Decision = (typeof DECISIONS)[keyof typeof DECISIONS];

const ANSWERS: Readonly<Record<string, Decision>> = {
  y: DECISIONS.allow,
  yes: DECISIONS.allow,
  a: DECISIONS.always,
  always: DECISIONS.always,
  n: DECISIONS.deny,
  no: DECISIONS.deny,
};

/** What agents of a session ask while a conversation goes on: one at a time, the next line is the answer. */
export class Questions {
  readonly #client: GatewayClient;
  readonly #desk: QuestionDesk;
  readonly #open: Approval[] = [];
  /** The one that was answered here last. */
  #answered: string | undefined;

  constructor(client: GatewayClient, desk: QuestionDesk) {
    this.#client = client;
    this.#desk = desk;
  }

  get isAsking(): boolean {
    return this.#open.length > 0;
  }

  follow(sessionKey: string): Promise<Stop> {
    return followApprovals(this.#client, sessionKey, {
      asked: (approval) => {
        if (this.#open.push(approval) === 1) this.#ask(approval);
      },
      settled: (approval) => this.#settled(approval),
    });
  }

  /** Takes a line for the answer to the question that is shown. */
  async answer(line: string): Promise<void> {
    const [asked] = this.#open;
    if (!asked) return;
    const word = line.trim().toLowerCase();
    const decision = Object.hasOwn(ANSWERS, word) ? ANSWERS[word] : undefined;
    if (!decision) return this.#desk.problem(HINT);
    this.#answered = asked.id;
    try {
      await this.#client.call("approvals.resolve", { id: asked.id, decision });
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      // Somebody else was quicker, the time is up, or it could not be written down: then it is still open.
      this.#answered = undefined;
      this.#desk.problem(error.message);
    }
  }

  #ask(approval: Approval): void {
    this.#desk.ask(describeApproval(approval), HINT);
  }

  #settled(approval: Approval): void {
    const place = this.#open.findIndex(({ id }) => id === approval.id);
    if (place < 0) return;
    this.#open.splice(place, 1);
    if (place > 0) return;
    // Said before anything else is asked: a late "y" would be a message, or the answer to another question.
    this.#desk.settled(approval.id === this.#answered ? undefined : whyOf(approval));
    const [next] = this.#open;
    if (next) this.#ask(next);
  }
}

/** Its run's own end says why it was cancelled. */
function whyOf({ decision, resolvedBy }: Approval): string | undefined {
  if (resolvedBy === "cancelled" || resolvedBy === "restart") return undefined;
  if (resolvedBy === "timeout") return "Nobody answered in time, which is a no";
  return decision === DECISIONS.deny ? "It was denied elsewhere" : "It was allowed elsewhere";
}
