import { channelsContract } from "../../features/channels/contract.ts";
import type { PluginContext } from "../api.ts";
import type { PluginGate } from "../running.ts";

const { send } = channelsContract.methods;

/** Messages over channels, in the gateway's own method; whether the plugin may is decided behind it. */
export function createPluginSend(
  gate: Pick<PluginGate, "request">,
  newKey: () => string,
): PluginContext["send"] {
  return async ({ channel, accountId, to, threadId, text, idempotencyKey = newKey() }) => {
    const sent = send.result.parse(
      await gate.request("send", {
        to,
        message: text,
        idempotencyKey,
        ...(channel !== undefined && { channel }),
        ...(accountId !== undefined && { accountId }),
        ...(threadId !== undefined && { threadId }),
      }),
    );
    const { status, messageId } = sent;
    return { status, channel: sent.channel, ...(messageId !== undefined && { messageId }) };
  };
}
