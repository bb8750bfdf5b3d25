import { type Approval, type GatewayClient, GatewayError, type Stop } from "../client/mod.ts";
import { EXIT } from "../gateway/errors.ts";
import { usage } from "./args.ts";
import type { CommandInput, RunCommand } from "./command.ts";
import { connect, toCliError } from "./connect.ts";
import type { Screen } from "./screen.ts";
import { formatDuration } from "./status.ts";

/** Words for a decision, on the command line and in a conversation. */
export const DECISIONS = {
  allow: "allow_once",
  always: "allow_always",
  deny: "deny",
} as const;

/** Lines of what a tool would do that are shown before a person is asked. */
const DETAIL_LINES_MAX = 20;

/** Lists what waits for a person's yes, and decides. */
export const approvals: RunCommand = async (input) => {
  const { args } = input;
  const [word = "list", id, ...more] = args.positional;
  if (more.length > 0 || (word === "list") !== (id === undefined)) throw misuse();
  const decision = word === "list" ? undefined : decisionOf(word);
  const { client, target } = await connect(input, "approvals");
  try {
    if (decision && id !== undefined) return await decide(input, client, { id, decision });
    return await list(input, client);
  } catch (error) {
    throw toCliError(error, target);
  } finally {
    await client.close();
  }
};

function misuse() {
  return usage("Cannot do that with approvals: there are list, and allow, always or deny with an ID");
}

function decisionOf(word: string): (typeof DECISIONS)[keyof typeof DECISIONS] {
  if (word === "allow" || word === "always" || word === "deny") return DECISIONS[word];
  throw misuse();
}

async function list({ screen, args, platform }: CommandInput, client: GatewayClient): Promise<number> {
  const result = await client.call("approvals.list", args.has("all") ? { status: "all" } : {});
  if (args.has("json")) screen.line(screen.foreign(JSON.stringify(result)));
  else if (result.approvals.length === 0) screen.line("Nothing waits for a yes");
  else for (const approval of result.approvals) tell(screen, approval, platform.clock.now());
  return EXIT.ok;
}

function tell(screen: Screen, approval: Approval, now: number): void {
  const { id, sessionKey, decision, resolvedBy = "", expiresAtMs } = approval;
  const state = decision
    ? `${decision} by ${resolvedBy}`
    : `denied in ${formatDuration(Math.max(expiresAtMs - now, 0))} unless somebody allows it`;
  screen.line(`${screen.bold(id)}  ${screen.foreign(sessionKey)}  ${screen.foreign(state)}`);
  for (const line of describeApproval(approval)) screen.line(`  ${screen.foreign(line)}`);
}

async function decide(
  { screen, args }: CommandInput,
  client: GatewayClient,
  asked: { readonly id: string; readonly decision: (typeof DECISIONS)[keyof typeof DECISIONS] },
): Promise<number> {
  const { approval } = await client.call("approvals.resolve", asked);
  if (args.has("json")) screen.line(screen.foreign(JSON.stringify(approval)));
  else screen.line(screen.foreign(`${approval.decision}: ${approval.title}`));
  return EXIT.ok;
}

/** What an agent wants, as a person reads it. */
export function describeApproval({ title, details = "", isCut }: Approval): string[] {
  const lines = details === "" ? [] : details.split("\n");
  const shown = lines.slice(0, DETAIL_LINES_MAX).map((line) => `  ${line}`);
  const isMore = isCut === true || lines.length > DETAIL_LINES_MAX;
  return [title, ...shown, ...(isMore ? ["  … and more"] : [])];
}

interface Listener {
  asked(approval: Approval): void;
  settled(approval: Approval): void;
}

/** What agents of one session ask a person, those that wait already included; after a lost connection too. */
export async function followApprovals(
  client: GatewayClient,
  sessionKey: string,
  listener: Listener,
): Promise<Stop> {
  const known = new Set<string>();
  const ask = (approval: Approval): void => {
    if (approval.sessionKey !== sessionKey || approval.decision || known.has(approval.id)) return;
    known.add(approval.id);
    listener.asked(approval);
  };
  const look = async (): Promise<void> => {
    try {
      const { approvals: open } = await client.call("approvals.list", {});
      for (const approval of open.toReversed()) ask(approval);
    } catch (error) {
      // The connection was lost meanwhile: the next one looks again.
      if (!(error instanceof GatewayError && error.code === "unavailable" && error.from === "client"))
        throw error;
    }
  };
  const stops = [
    client.on("approval.requested", ({ approval }) => ask(approval)),
    client.on("approval.resolved", ({ approval }) => {
      if (known.delete(approval.id)) listener.settled(approval);
    }),
    client.onState(({ name }) => {
      // What is refused now was not at first: questions that come are told all the same.
      if (name === "ready") look().catch(() => {});
    }),
  ];
  await look();
  return () => {
    for (const stop of stops) stop();
  };
}
