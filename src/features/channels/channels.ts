import { LIMITS } from "../../contract/limits.ts";
import type { Feature, Publish } from "../../feature.ts";
import type { Hooks } from "../../hooks.ts";
import type { Clock, Crypto, Database, Log, Stop, Timers } from "../../ports.ts";
import type { Journal } from "../runs/journal.ts";
import type { Runs } from "../runs/runs.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { Writer } from "../storage/writer.ts";
import { Accounts } from "./accounts.ts";
import { Answers } from "./answers.ts";
import type { AccountState, Channel, Inbound, Received } from "./channel.ts";
import type { channelsContract } from "./contract.ts";
import { Deliveries } from "./deliveries.ts";
import { Entrance } from "./entrance.ts";
import { createChannelsFeature } from "./feature.ts";
import { Insistence } from "./insist.ts";
import { Outgoing } from "./outgoing.ts";
import { Pairing } from "./pairing.ts";
import { Reception } from "./reception.ts";
import { Senders } from "./senders.ts";
import { Sending } from "./sending.ts";
import { Typing } from "./typing.ts";
import { Upkeep } from "./upkeep.ts";

export interface ChannelsParts {
  readonly db: Database;
  readonly writer: Pick<Writer, "write">;
  readonly journal: Pick<Journal, "find" | "answered" | "addNote">;
  readonly sessions: Pick<Sessions, "find" | "keyConfig" | "admit" | "announce">;
  readonly runs: Pick<Runs, "send" | "wait">;
  readonly hooks: Hooks;
  readonly publish: Publish<(typeof channelsContract)["events"]>;
  /** Words that begin a session anew. */
  readonly resetTriggers: () => readonly string[];
  /** Is there a provider of models by this name? */
  readonly isProvider: (name: string) => boolean;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly log: Log;
}

/** What every messaging channel plugs into. */
export interface Channels {
  readonly feature: Feature;
  /**
   * Puts a channel in the place of the one of its id, without a moment between.
   *
   * @returns takes it away, unless another has its place by then; what is to leave waits for the next one
   */
  add(channel: Channel): Stop;
  /**
   * A message has come: what it is answered with is on disk when this resolves.
   *
   * @throws RpcError `busy`, `unavailable`: the same is to be handed over again later
   */
  receive(channelId: string, accountId: string, message: Inbound): Promise<Received>;
  /** How an account is, as its channel says; of accounts that are not there, nothing is kept. */
  state(channelId: string, accountId: string, now: AccountState): void;
  /** Takes nothing more, and gives what is being sent a moment. The rest is sent after the next start. */
  stop(): Promise<void>;
}

export function createChannels(parts: ChannelsParts): Channels {
  const { db } = parts;
  const deliveries = new Deliveries(db);
  const senders = new Senders(db);
  const insistence = new Insistence(parts);
  const accounts: Accounts = new Accounts({
    ...parts,
    onReady: (channel, accountId) => outgoing.wake(channel, accountId),
  });
  const sending = new Sending({ ...parts, deliveries, insistence });
  const outgoing = new Outgoing({ ...parts, deliveries, sending, accounts });
  const typing = new Typing({ ...parts, sender: (channel, id) => accounts.sender(channel, id) });
  const answers = new Answers({ ...parts, deliveries, insistence, outgoing, typing });
  const pairing = new Pairing({ ...parts, senders, deliveries, outgoing });
  const reception = new Reception({ ...parts, deliveries, outgoing, answers });
  const upkeep = new Upkeep({ ...parts, deliveries, insistence, outgoing, answers });
  const entrance = new Entrance({ ...parts, accounts, pairing, reception });

  return {
    feature: createChannelsFeature({ ...parts, accounts, deliveries, senders, pairing, outgoing, upkeep }),
    add(channel) {
      // What was left open goes on without anybody having asked about channels.
      upkeep.begin();
      return accounts.add(channel);
    },
    receive: (channel, accountId, message) => entrance.receive(channel, accountId, message),
    state: (channel, accountId, now) => accounts.tell(channel, accountId, now),
    async stop() {
      entrance.stop();
      upkeep.stop();
      accounts.stop();
      typing.stop();
      answers.stop();
      insistence.stop();
      await outgoing.stop(LIMITS.pluginStopMs);
    },
  };
}
