import type { Command } from "../command.ts";
import { CONNECTION, HELP, json } from "../options.ts";

const ONE_LINE = json("Print it on one line of JSON, problems too");

/** What `gateway channels` stands for, in the order help shows it. */
export const CHANNEL_COMMANDS: Readonly<Record<string, Command>> = {
  status: {
    summary: "Show every channel and how its accounts are",
    options: { ...ONE_LINE, ...CONNECTION, ...HELP },
    load: async () => (await import("./status.ts")).status,
  },
  pairing: {
    summary: "Show who wants to write to your agents",
    takes: "[approve CODE | remove CHANNEL SENDER]",
    wordsMax: 3,
    about: ["Strangers are given a code that they tell you. `remove` makes somebody a stranger again."],
    options: {
      channel: { value: "CHANNEL", summary: "Only of this channel" },
      account: { value: "ID", summary: "Account of the channel, default its only one" },
      ...ONE_LINE,
      ...CONNECTION,
      ...HELP,
    },
    examples: ["gateway channels pairing", "gateway channels pairing approve K7QF2M9X"],
    load: async () => (await import("./pairing.ts")).pairing,
  },
};
