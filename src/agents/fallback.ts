import { RpcError } from "../contract/errors.ts";
import type { AgentEvent, AgentRuntime, AgentTurn, Log } from "../ports.ts";
import type { CoolDowns } from "./cooldowns.ts";
import type { ChatModel, ModelEvent, ModelRequest } from "./model.ts";

/** A model that is asked call by call, its tools run here. Opening it may fail like answering. */
export type ChatCandidate = { readonly kind: "chat"; readonly ref: string; open(): ChatModel };

/** An agent that does a whole turn by itself. */
export type WholeCandidate = {
  readonly kind: "whole";
  readonly ref: string;
  open(): AgentRuntime | Promise<AgentRuntime>;
};

export type Candidate = ChatCandidate | WholeCandidate;

/** Who answers is said before the answer. */
export type AnsweredEvent = ModelEvent | Extract<AgentEvent, { type: "model" }>;

/** Several models as one: each call is answered by the first that can. */
export type LoopModel = {
  complete(request: ModelRequest, signal: AbortSignal): AsyncIterable<AnsweredEvent>;
};

export type FallbackPorts = { readonly coolDowns: CoolDowns; readonly log: Log };

type Deps = FallbackPorts & { readonly runId: string };

/** Failures that another model may not have. The others come from what was asked. */
const PASSED_ON = new Set<string>(["unavailable", "busy", "not_found", "forbidden"]);

/**
 * Asks the next model when one fails before it has said anything; the last one's failure is the answer.
 *
 * @param others asked as well once one of `candidates` has begun the turn, which then only they can end
 */
export function createFallbackModel(
  candidates: readonly ChatCandidate[],
  deps: Deps,
  others: readonly ChatCandidate[] = [],
): LoopModel {
  let asked: readonly ChatCandidate[] = candidates;
  return {
    complete(request, signal) {
      const now = asked;
      asked = [...new Set([...candidates, ...others])];
      const attempts = deps.coolDowns.sort(now).map((candidate) => ({
        names: [candidate.ref],
        begin: () => answerOf(candidate, { request, signal, deps }),
      }));
      return firstThatAnswers<AnsweredEvent>(attempts, deps, signal);
    },
  };
}

export type FallbackOptions = FallbackPorts & {
  readonly candidates: readonly Candidate[];
  readonly contextWindow: number;
  readonly keepsHistory: boolean;
  /** The agent of models that are asked call by call. */
  loop(model: LoopModel): AgentRuntime;
};

/** The agent of a list of models: neighbours that are asked call by call share their tools and their turn. */
export function createFallbackRuntime(options: FallbackOptions): AgentRuntime {
  const { candidates, contextWindow, keepsHistory, coolDowns, log, loop } = options;
  return {
    contextWindow,
    keepsHistory,
    prompt(turn, signal) {
      const deps: Deps = { coolDowns, log, runId: turn.runId };
      const chats = candidates.filter((one) => one.kind === "chat");
      const attempts = groups(coolDowns.sort(candidates)).map((group) => ({
        names: group.map(({ ref }) => ref),
        begin: () => {
          if (!isWhole(group)) return loop(createFallbackModel(group, deps, chats)).prompt(turn, signal);
          return turnOf(group[0], { turn, signal, deps });
        },
      }));
      return firstThatAnswers<AgentEvent>(attempts, deps, signal);
    },
  };
}

type Group = readonly [WholeCandidate] | readonly ChatCandidate[];

function isWhole(group: Group): group is readonly [WholeCandidate] {
  return group[0]?.kind === "whole";
}

function groups(candidates: readonly Candidate[]): Group[] {
  const found: (readonly [WholeCandidate] | ChatCandidate[])[] = [];
  for (const candidate of candidates) {
    if (candidate.kind === "whole") {
      found.push([candidate]);
      continue;
    }
    const last = found.at(-1);
    if (last !== undefined && !isWhole(last)) last.push(candidate);
    else found.push([candidate]);
  }
  return found;
}

// --- one model ---

type Ask = { readonly request: ModelRequest; readonly signal: AbortSignal; readonly deps: Deps };

async function* answerOf(candidate: ChatCandidate, ask: Ask): AsyncGenerator<AnsweredEvent> {
  const { request, signal, deps } = ask;
  const words = async (): Promise<AsyncIterable<ModelEvent>> => candidate.open().complete(request, signal);
  yield* named(candidate.ref, words, { signal, deps });
}

type AskWhole = { readonly turn: AgentTurn; readonly signal: AbortSignal; readonly deps: Deps };

async function* turnOf(candidate: WholeCandidate, ask: AskWhole): AsyncGenerator<AgentEvent> {
  const { turn, signal, deps } = ask;
  const words = async (): Promise<AsyncIterable<AgentEvent>> => (await candidate.open()).prompt(turn, signal);
  yield* named(candidate.ref, words, { signal, deps });
}

type Named = { readonly signal: AbortSignal; readonly deps: Deps };
type ModelNamed = Extract<AgentEvent, { type: "model" }>;

/** Says who answers before the first word, and remembers how it went. */
async function* named<E extends { readonly type: string }>(
  ref: string,
  begin: () => Promise<AsyncIterable<E>>,
  { signal, deps }: Named,
): AsyncGenerator<E | ModelNamed> {
  let isSilent = true;
  try {
    for await (const event of await begin()) {
      if (isSilent && event.type !== "model") yield { type: "model", model: ref };
      isSilent = false;
      yield event;
    }
    if (!signal.aborted) deps.coolDowns.succeeded(ref);
  } catch (error) {
    if (error instanceof RpcError && !signal.aborted) deps.coolDowns.failed(ref, error);
    throw error;
  }
}

// --- one after the other ---

type Attempt<E> = { readonly names: readonly string[]; begin(): AsyncIterable<E> };

async function* firstThatAnswers<E>(
  attempts: readonly Attempt<E>[],
  deps: Deps,
  signal: AbortSignal,
): AsyncGenerator<E> {
  for (const [place, { names, begin }] of attempts.entries()) {
    let isSilent = true;
    try {
      for await (const event of begin()) {
        isSilent = false;
        yield event;
      }
      return;
    } catch (error) {
      const next = attempts[place + 1]?.names[0];
      const isPassedOn = isSilent && error instanceof RpcError && PASSED_ON.has(error.code);
      if (!isPassedOn || next === undefined || signal.aborted) throw error;
      deps.log.warn("model failed, trying the next", {
        run: deps.runId,
        model: names.at(-1),
        next,
        code: error.code,
        reason: error.message,
      });
    }
  }
}
