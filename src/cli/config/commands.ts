import type { Command } from "../command.ts";
import { CONNECTION, HELP, json } from "../options.ts";

const NOW = { now: { summary: "Restart at once where the change waits for a restart" } };

/** What `gateway config` stands for, in the order help shows it. */
export const CONFIG_COMMANDS: Readonly<Record<string, Command>> = {
  get: {
    summary: "Print a value in force, or all of them",
    takes: "[KEY]",
    wordsMax: 1,
    about: ["Defaults, environment and options of the gateway are in it. Text is printed plain."],
    options: {
      file: { summary: "Print the text of the file instead, comments and all" },
      ...json("Print it on one line of JSON, problems too"),
      ...CONNECTION,
      ...HELP,
    },
    examples: [
      "gateway config get",
      "gateway config get gateway.port",
      "gateway config get agents.list[0].id",
    ],
    load: async () => (await import("./get.ts")).get,
  },
  explain: {
    summary: "Show where a value is from, and what a change of it does",
    takes: "[KEY]",
    wordsMax: 1,
    about: ["Of a section, each of its settings. Without KEY, every setting that is set."],
    options: { ...json("Print it on one line of JSON, problems too"), ...CONNECTION, ...HELP },
    examples: ["gateway config explain gateway.port", "gateway config explain gateway"],
    load: async () => (await import("./explain.ts")).explain,
  },
  set: {
    summary: "Write one value into the file",
    takes: "KEY VALUE",
    wordsMax: 2,
    about: [
      "VALUE is what the setting wants: text, a number, true or false, a list as a,b or JSON.",
      "- reads it from standard input, which keeps a secret out of the history of the shell.",
    ],
    options: {
      ...NOW,
      ...json("Print what happened on one line of JSON, problems too"),
      ...CONNECTION,
      ...HELP,
    },
    examples: [
      "gateway config set agents.defaults.model ollama/qwen3",
      "gateway config set gateway.port 19000 --now",
      "gateway config set gateway.auth.token - < token.txt",
    ],
    load: async () => (await import("./set.ts")).set,
  },
  unset: {
    summary: "Take a key out of the file, so that its default applies",
    takes: "KEY",
    wordsMax: 1,
    options: {
      ...NOW,
      ...json("Print what happened on one line of JSON, problems too"),
      ...CONNECTION,
      ...HELP,
    },
    load: async () => (await import("./set.ts")).unset,
  },
  edit: {
    summary: "Edit the file in $VISUAL, $EDITOR or vi",
    about: [
      "The editor has a copy; the file is written when it ends, if there is no mistake in it.",
      "Secrets are *** in the copy: what stays *** stays as it is.",
    ],
    options: {
      ...NOW,
      ...json("Print what happened on one line of JSON, problems too"),
      ...CONNECTION,
      ...HELP,
    },
    load: async () => (await import("./edit.ts")).edit,
  },
  validate: {
    summary: "Look for mistakes, and tell what a reload would do",
    takes: "[FILE]",
    wordsMax: 1,
    about: ["FILE as if it were the configuration. Without it, the configuration as it is written now."],
    options: { ...json("Print it on one line of JSON, problems too"), ...CONNECTION, ...HELP },
    load: async () => (await import("./validate.ts")).validate,
  },
  diff: {
    summary: "Show what has changed since a backup",
    takes: "[BACKUP]",
    wordsMax: 1,
    about: ["Compares the newest backup, or the one named, with what is written now."],
    options: {
      "in-force": { summary: "Compare what runs with what is written instead" },
      ...json("Print it on one line of JSON, problems too"),
      ...CONNECTION,
      ...HELP,
    },
    load: async () => (await import("./diff.ts")).diff,
  },
  rollback: {
    summary: "Put a backup back",
    takes: "[BACKUP]",
    wordsMax: 1,
    about: ["The newest backup, or the one named; what is there now becomes a backup itself."],
    options: {
      list: { summary: "List the backups instead, with what differs from what is written now" },
      ...NOW,
      ...json("Print what happened on one line of JSON, problems too"),
      ...CONNECTION,
      ...HELP,
    },
    load: async () => (await import("./rollback.ts")).rollback,
  },
  schema: {
    summary: "Print the JSON Schema of the file",
    options: { ...json("Print it on one line"), ...CONNECTION, ...HELP },
    load: async () => (await import("./schema.ts")).schema,
  },
};
