import { messageOf, RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Feature, Handlers } from "../../feature.ts";
import type { Clock, Crypto, Timers } from "../../ports.ts";
import type { Journal } from "../runs/journal.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { Writer } from "../storage/writer.ts";
import { type Accounts, defaultAccount } from "./accounts.ts";
import { type Channel, isPassing } from "./channel.ts";
import { channelsContract } from "./contract.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Pairing } from "./pairing.ts";
import { createSend } from "./send.ts";
import type { Senders } from "./senders.ts";
import type { Upkeep } from "./upkeep.ts";

export interface FeatureParts {
  readonly accounts: Accounts;
  readonly deliveries: Deliveries;
  readonly senders: Senders;
  readonly pairing: Pairing;
  readonly outgoing: Outgoing;
  readonly journal: Pick<Journal, "addNote">;
  readonly sessions: Pick<Sessions, "admit" | "announce">;
  readonly writer: Pick<Writer, "write">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly crypto: Crypto;
  readonly upkeep: Pick<Upkeep, "begin">;
}

type Answers = Handlers<(typeof channelsContract)["methods"]>;

export function createChannelsFeature(parts: FeatureParts): Feature {
  return channelsContract.implement(() => {
    parts.upkeep.begin();
    return {
      handlers: {
        "channels.status": () => statusOf(parts),
        "channels.logout": async ({ channel, accountId }) => {
          const found = parts.accounts.find(`log out of channel "${channel}"`, channel, accountId);
          const cleared = await logout(parts, found);
          return { channel, accountId: found.accountId, cleared };
        },
        send: createSend(parts),
        ...pairingAnswers(parts),
      },
    };
  });
}

function pairingAnswers({
  pairing,
  senders,
  accounts,
  writer,
  clock,
}: FeatureParts): Pick<
  Answers,
  "channels.pairing.list" | "channels.pairing.approve" | "channels.pairing.remove"
> {
  return {
    "channels.pairing.list": ({ channel }) => ({ senders: senders.list(clock.now(), channel) }),
    "channels.pairing.approve": ({ code, channel }) => pairing.approve(code, channel),
    "channels.pairing.remove": async ({ channel, accountId = accounts.defaultOf(channel), senderId }) => ({
      removed: await writer.write(() => senders.removeIn({ channel, accountId, senderId })),
    }),
  };
}

/** How accounts are is what their channels told last: nobody is asked now, `probe` or not. */
function statusOf({ accounts, deliveries, clock }: FeatureParts) {
  const all = accounts.all();
  const byId = <T>(make: (channel: Channel) => T): Record<string, T> =>
    Object.fromEntries(all.map((channel) => [channel.id, make(channel)]));
  const accountsOf = ({ id: channel, accounts: own }: Channel) =>
    own.map(({ id, name }) => {
      const known = accounts.known(channel, id);
      const state = known?.state ?? "connecting";
      const { lastError, lastInboundAt, lastOutboundAt } = known ?? {};
      return {
        accountId: id,
        ...(name !== undefined && { name }),
        ...{
          enabled: true,
          configured: true,
          running: isRunning(state),
          connected: state === "connected",
          state,
        },
        ...(lastError !== undefined && { lastError }),
        ...(lastInboundAt !== undefined && { lastInboundAt }),
        ...(lastOutboundAt !== undefined && { lastOutboundAt }),
        waiting: deliveries.waiting(channel, id),
      };
    });
  const channelAccounts = byId(accountsOf);
  return {
    ts: clock.now(),
    channelOrder: all.map(({ id }) => id),
    channelLabels: byId(({ label }) => label),
    channels: byId(({ id }) => ({
      configured: true,
      running: channelAccounts[id]?.some(({ running }) => running) ?? false,
    })),
    channelAccounts,
    channelDefaultAccountId: byId((channel) => defaultAccount(channel) ?? "default"),
  };
}

function isRunning(state: "connecting" | "connected" | "ended" | "failed"): boolean {
  return state === "connecting" || state === "connected";
}

/** @throws RpcError `unavailable` */
async function logout(
  { timers }: Pick<FeatureParts, "timers">,
  { channel, accountId }: { readonly channel: Channel; readonly accountId: string },
): Promise<boolean> {
  const fail = (state: string): RpcError =>
    new RpcError("unavailable", `Cannot log out of channel "${channel.id}": ${state}`);
  const { promise: late, reject } = Promise.withResolvers<never>();
  const cancel = timers.after(LIMITS.pluginCallMs, () =>
    reject(fail(`it has not answered within ${LIMITS.pluginCallMs} ms`)),
  );
  try {
    return await Promise.race([channel.logout(accountId), late]);
  } catch (error) {
    // Of what is no error of ours, the words may be anything.
    if (error instanceof RpcError && isPassing(error)) throw fail(messageOf(error));
    throw error instanceof RpcError ? fail(messageOf(error)) : fail("it failed");
  } finally {
    cancel();
  }
}
