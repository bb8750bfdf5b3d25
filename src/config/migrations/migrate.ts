import { type Draft, valueDraft } from "../tree/draft.ts";
import { agentIntoDefaults, identityIntoAgent } from "./agents.ts";
import { bindingAccount, bindingChannel, queueByChannel, sendPolicyChannel } from "./bindings.ts";
import { allowFromIntoWhatsapp, channelsIntoOne, mentionIntoGroups, telegramMention } from "./channels.ts";
import { gatewayToken } from "./gateway.ts";
import type { Migration } from "./migration.ts";
import { modelChoice } from "./models.ts";
import { routingAgents, routingRest } from "./routing.ts";
import { anthropicApi, serverDirectory, serverDisabled, serverTexts } from "./servers.ts";
import { claudeCliMode, toolsBash, ttsAuto } from "./tools.ts";
import { plainValues } from "./values.ts";

/**
 * In the order in which running each once suffices: what moves a part comes before what changes it there,
 * and the narrower of two old keys with one new place comes first.
 */
export const MIGRATIONS: readonly Migration[] = [
  routingAgents,
  routingRest,
  bindingChannel,
  bindingAccount,
  sendPolicyChannel,
  queueByChannel,
  channelsIntoOne,
  allowFromIntoWhatsapp,
  telegramMention,
  mentionIntoGroups,
  gatewayToken,
  claudeCliMode,
  toolsBash,
  ttsAuto,
  agentIntoDefaults,
  modelChoice,
  identityIntoAgent,
  serverDirectory,
  serverDisabled,
  serverTexts,
  anthropicApi,
  ...plainValues,
];

/** A configuration as it is said today, and each change in words. What was given is left as it is. */
export function migrateLegacyConfig(parsed: Record<string, unknown>): {
  config: Record<string, unknown>;
  changes: readonly string[];
} {
  const draft = valueDraft(parsed);
  const changes = migrateDraft(draft);
  return { config: draft.value, changes };
}

/** Runs all migrations. @returns each change in words; none where nothing was old */
export function migrateDraft(draft: Draft): readonly string[] {
  return MIGRATIONS.flatMap((migration) => (migration.detect(draft) ? migration.apply(draft) : []));
}
