import type { z } from "zod";
import { agentsContract } from "./agents/contract.ts";
import { approvalsContract } from "./approvals/contract.ts";
import { channelsContract } from "./channels/contract.ts";
import { configContract } from "./config/contract.ts";
import { eventsContract } from "./events/contract.ts";
import { pluginsContract } from "./plugins/contract.ts";
import { runsContract } from "./runs/contract.ts";
import { sessionsContract } from "./sessions/contract.ts";
import { systemContract } from "./system/contract.ts";
import { usageContract } from "./usage/contract.ts";
import { voicewakeContract } from "./voicewake/contract.ts";

/**
 * What the gateway itself says, without anyone to answer it: read by the generator, `gateway schema` and
 * the tests.
 */
export const contracts = [
  systemContract,
  configContract,
  sessionsContract,
  runsContract,
  eventsContract,
  agentsContract,
  approvalsContract,
  usageContract,
  voicewakeContract,
  pluginsContract,
  channelsContract,
] as const;

/** The sections that features add to the configuration. */
export function configSections(): Record<string, z.ZodObject> {
  const all: readonly { readonly name: string; readonly config?: () => z.ZodObject }[] = contracts;
  return Object.fromEntries(all.flatMap(({ name, config }) => (config ? [[name, config()]] : [])));
}
