import type { SessionKind } from "../../features/sessions/keys.ts";
import type { Command } from "../command.ts";
import { CONNECTION, HELP, json } from "../options.ts";

/** Said again: every start would load what sessions are made of. */
const KINDS: readonly SessionKind[] = [
  "main",
  "direct",
  "group",
  "thread",
  "cron",
  "hook",
  "node",
  "subagent",
  "other",
];

const ONE_LINE = json("Print it on one line of JSON, problems too");
const DONE = json("Print what happened on one line of JSON, problems too");

/** What `gateway sessions` stands for, in the order help shows it. */
export const SESSION_COMMANDS: Readonly<Record<string, Command>> = {
  list: {
    summary: "List sessions, the last used first",
    options: {
      limit: { value: "COUNT", summary: "How many at most, default 20" },
      search: { value: "TEXT", summary: "Only those with this in their key, label, title or last message" },
      agent: { value: "ID", summary: "Only those of one agent" },
      kind: {
        value: "KIND",
        summary: `Only ${KINDS.slice(0, -1).join(", ")} or ${KINDS.at(-1)} ones`,
        choices: KINDS,
      },
      ...ONE_LINE,
      ...CONNECTION,
      ...HELP,
    },
    examples: ["gateway sessions list", "gateway sessions list --kind group --search garden"],
    load: async () => (await import("./list.ts")).list,
  },
  search: {
    summary: "Find messages by their words, the newest first",
    takes: "WORDS",
    wordsMax: Number.POSITIVE_INFINITY,
    about: ["All of the words are in what is found; the last may be the beginning of one."],
    options: {
      session: { value: "KEY", short: "s", summary: "Only in this session" },
      limit: { value: "COUNT", summary: "How many at most, default 20" },
      ...ONE_LINE,
      ...CONNECTION,
      ...HELP,
    },
    examples: ["gateway sessions search birthday cake", "gateway sessions search --session main tax"],
    load: async () => (await import("./search.ts")).search,
  },
  export: {
    summary: "Write a session as lines of JSON",
    takes: "KEY",
    wordsMax: 1,
    about: ["One line for the session, then one for each message; pictures are named, not brought along."],
    options: {
      out: { value: "FILE", short: "o", summary: "File to make, default standard output" },
      all: { summary: "With what was said before the last reset" },
      ...CONNECTION,
      ...HELP,
    },
    examples: ["gateway sessions export main --out main.jsonl"],
    load: async () => (await import("./export.ts")).exportSession,
  },
  import: {
    summary: "Make a session of exported lines, or of a transcript of the system this one replaces",
    takes: "FILE",
    wordsMax: 1,
    about: ["- reads standard input. A session that exists is not touched: give another key."],
    options: {
      key: { value: "KEY", short: "k", summary: "Its key, default the one in the file" },
      ...DONE,
      ...CONNECTION,
      ...HELP,
    },
    examples: ["gateway sessions import main.jsonl --key main-from-laptop"],
    load: async () => (await import("./import.ts")).importSession,
  },
  reset: {
    summary: "Begin a session anew; what was said can still be found",
    takes: "KEY",
    wordsMax: 1,
    options: { ...DONE, ...CONNECTION, ...HELP },
    examples: ["gateway sessions reset main"],
    load: async () => (await import("./end.ts")).reset,
  },
  delete: {
    summary: "Delete a session with its history",
    takes: "KEY",
    wordsMax: 1,
    options: { ...DONE, ...CONNECTION, ...HELP },
    examples: ["gateway sessions delete review"],
    load: async () => (await import("./end.ts")).remove,
  },
};
