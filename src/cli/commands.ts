import { CHANNEL_COMMANDS } from "./channels/commands.ts";
import type { Command } from "./command.ts";
import { CONFIG_COMMANDS } from "./config/commands.ts";
import { CONFIG, CONNECTION, HELP, json, STATE_DIR } from "./options.ts";
import { pluginCommands } from "./plugins/commands.ts";
import { SESSION_COMMANDS } from "./sessions/commands.ts";

/** What `plugins dev` takes as well. */
const RUN = {
  port: { value: "PORT", summary: "Port, default 18789; 0 lets the system choose" },
  bind: { value: "WHERE", summary: "loopback, lan, tailnet or an IP address; default loopback" },
  token: { value: "TOKEN", summary: "Token clients must present, default one made at the first start" },
  config: CONFIG,
  "state-dir": STATE_DIR,
  "log-format": { value: "FORMAT", summary: "text or json", choices: ["text", "json"] },
  ...HELP,
};

/** Every command, in the order help shows them. The first one is what no command means. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  run: {
    summary: "Start the gateway; `gateway` alone does the same",
    about: ["Runs until it is stopped with Ctrl-C or SIGTERM. Logs go to standard error."],
    options: RUN,
    examples: ["gateway", "gateway run --port 8080 --bind lan"],
    load: async () => (await import("./run.ts")).run,
  },
  chat: {
    summary: "Talk to an agent",
    takes: "[MESSAGE]",
    wordsMax: Number.POSITIVE_INFINITY,
    about: [
      "With a message, or with one on standard input, prints the answer as it comes and ends.",
      "On a terminal without a message, holds a conversation.",
    ],
    options: {
      session: { value: "KEY", short: "s", summary: "Session to talk in, default main" },
      model: { value: "MODEL", short: "m", summary: "Model of a new session, such as ollama/qwen3" },
      ...json("Print how it ended on one line of JSON instead of the text, problems too"),
      ...CONNECTION,
      "timeout-ms": { value: "MS", summary: "Longest time an answer may take" },
      ...HELP,
    },
    examples: ["gateway chat", `gateway chat "What is 2 + 2?"`, "git diff | gateway chat --session review"],
    load: async () => (await import("./chat.ts")).chat,
  },
  call: {
    summary: "Call a method of the gateway",
    takes: "METHOD [JSON]",
    wordsMax: 2,
    about: ["JSON is an object with the method's parameters; - reads it from standard input."],
    options: { ...json("Print the result on one line of JSON, problems too"), ...CONNECTION, ...HELP },
    examples: ["gateway call health", `gateway call sessions.list '{"limit":5}'`],
    load: async () => (await import("./call.ts")).call,
  },
  approvals: {
    summary: "Show what waits for your yes, and decide",
    takes: "[list | allow ID | always ID | deny ID]",
    wordsMax: 2,
    about: [
      "Agents ask before tools that `tools.approve` names. `always` holds for that tool in that session.",
      "What nobody answers in time is denied.",
    ],
    options: {
      all: { summary: "Also what was decided" },
      ...json("Print it on one line of JSON, problems too"),
      ...CONNECTION,
      ...HELP,
    },
    examples: ["gateway approvals", "gateway approvals allow 4mTtVfBqhVdcpJ7yJ1lkdQ"],
    load: async () => (await import("./approvals.ts")).approvals,
  },
  status: {
    summary: "Show how the gateway is doing",
    options: { ...json("Print it on one line of JSON, problems too"), ...CONNECTION, ...HELP },
    load: async () => (await import("./status.ts")).status,
  },
  config: {
    summary: "Show, explain and change the configuration",
    takes: "COMMAND",
    about: ["Goes through the gateway when it runs, and to the files when it does not. Secrets are hidden."],
    options: { ...HELP },
    commands: CONFIG_COMMANDS,
    examples: [
      "gateway config explain gateway.port",
      "gateway config set agents.defaults.model ollama/qwen3",
    ],
  },
  sessions: {
    summary: "List, search, export, import and end sessions",
    takes: "COMMAND",
    options: { ...HELP },
    commands: SESSION_COMMANDS,
    examples: ["gateway sessions list", "gateway sessions export main --out main.jsonl"],
  },
  plugins: {
    summary: "List, switch, install, remove and write plugins",
    takes: "COMMAND",
    options: { ...HELP },
    commands: pluginCommands(RUN),
    examples: ["gateway plugins list", "gateway plugins new hello"],
  },
  channels: {
    summary: "Show channels, and let people in who write to your agents",
    takes: "COMMAND",
    options: { ...HELP },
    commands: CHANNEL_COMMANDS,
    examples: ["gateway channels status", "gateway channels pairing"],
  },
  restart: {
    summary: "Restart the gateway when no run is active",
    about: ["What waits for a restart takes effect. Ends when the gateway answers again."],
    options: {
      now: { summary: "Do not wait for runs; they get a moment to end" },
      ...json("Print what happened on one line of JSON, problems too"),
      ...CONNECTION,
      "timeout-ms": { value: "MS", summary: "Longest wait for the restart, default none" },
      ...HELP,
    },
    load: async () => (await import("./restart.ts")).restart,
  },
  token: {
    summary: "Print the token of this machine's gateway",
    options: {
      ...json("Print it as JSON, with where it is from"),
      "state-dir": STATE_DIR,
      config: CONFIG,
      ...HELP,
    },
    load: async () => (await import("./token.ts")).token,
  },
  schema: {
    summary: "Print the description of every method and event (OpenRPC)",
    options: { ...HELP },
    load: async () => (await import("./schema.ts")).schema,
  },
  version: {
    summary: "Print the version",
    options: { ...json("Print it as JSON, with the runtime's"), ...HELP },
    load: async () => (await import("./version.ts")).version,
  },
  "plugin-host": {
    summary: "Run plugins for the gateway that starts this",
    takes: "CONFINEMENT",
    wordsMax: 1,
    isHidden: true,
    options: { ...HELP },
    load: async () => (await import("./plugin-host.ts")).pluginHost,
  },
  help: {
    summary: "Show what a command does and takes",
    takes: "[COMMAND]",
    wordsMax: 2,
    options: { ...HELP },
    load: async () => (await import("./help.ts")).help,
  },
};
