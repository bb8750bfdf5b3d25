import type { Options } from "../args.ts";
import type { Command } from "../command.ts";
import { CONNECTION, HELP, json } from "../options.ts";

const ONE_LINE = json("Print it on one line of JSON, problems too");
const DONE = json("Print what happened on one line of JSON, problems too");

/** What a plugin may do beyond its own. */
const GRANT: Options = {
  grant: {
    value: "LIST",
    summary: "What it may do: network,exec,sessions,files=PATH,env=NAME",
  },
};

/**
 * What `gateway plugins` stands for, in the order help shows it.
 *
 * @param run the options of `gateway run`, which `dev` takes too
 */
export function pluginCommands(run: Options): Commands {
  return { ...LOOKS, ...SWITCHES, ...COPIES, ...writing(run) };
}

type Commands = Readonly<Record<string, Command>>;

const LOOKS: Commands = {
  list: {
    summary: "List plugins, with what they are doing and why not",
    options: { ...ONE_LINE, ...CONNECTION, ...HELP },
    load: async () => (await import("./list.ts")).list,
  },
  info: {
    summary: "Show what a plugin offers, may and was denied",
    takes: "ID",
    wordsMax: 1,
    options: { ...ONE_LINE, ...CONNECTION, ...HELP },
    examples: ["gateway plugins info telegram"],
    load: async () => (await import("./info.ts")).info,
  },
};

const SWITCHES: Commands = {
  enable: {
    summary: "Switch a plugin on, now and from now on",
    takes: "ID",
    wordsMax: 1,
    about: [
      "Shows what it wants to do beyond its own, and on a terminal asks before it may. Without an",
      "answer or --grant it may do nothing of that.",
    ],
    options: {
      ...GRANT,
      yes: { short: "y", summary: "Let it do all that it wants, without asking" },
      ...DONE,
      ...CONNECTION,
      ...HELP,
    },
    examples: [
      "gateway plugins enable hello",
      "gateway plugins enable hello --grant network,env=HELLO_TOKEN",
    ],
    load: async () => (await import("./enable.ts")).enable,
  },
  disable: {
    summary: "Switch a plugin off, now and from now on",
    takes: "ID",
    wordsMax: 1,
    options: { ...DONE, ...CONNECTION, ...HELP },
    load: async () => (await import("./change.ts")).disable,
  },
  reload: {
    summary: "Load a plugin anew; one that cannot start leaves the old one running",
    takes: "ID",
    wordsMax: 1,
    options: { ...DONE, ...CONNECTION, ...HELP },
    load: async () => (await import("./change.ts")).reload,
  },
};

const COPIES: Commands = {
  install: {
    summary: "Copy a plugin into the state directory, switched off",
    takes: "SOURCE",
    wordsMax: 1,
    about: ["SOURCE is a folder or a .tgz on the gateway's machine, or npm:NAME@VERSION."],
    options: {
      integrity: { value: "HASH", summary: "What a .tgz or package must have, as sha512-…" },
      replace: { summary: "Take the place of the one that is installed" },
      ...DONE,
      ...CONNECTION,
      ...HELP,
    },
    examples: ["gateway plugins install ./hello", "gateway plugins install npm:gateway-weather@1.2.0"],
    load: async () => (await import("./change.ts")).install,
  },
  remove: {
    summary: "Delete an installed plugin",
    takes: "ID",
    wordsMax: 1,
    options: {
      data: { summary: "Also what it has stored" },
      ...DONE,
      ...CONNECTION,
      ...HELP,
    },
    load: async () => (await import("./change.ts")).remove,
  },
};

function writing(run: Options): Commands {
  return {
    new: {
      summary: "Write a new plugin, with a test that passes",
      takes: "NAME [DIRECTORY]",
      wordsMax: 2,
      about: ["DIRECTORY is ./NAME unless it is said; it has to be empty or not there. Needs no gateway."],
      options: { ...DONE, ...HELP },
      examples: ["gateway plugins new hello"],
      load: async () => (await import("./new.ts")).create,
    },
    dev: {
      summary: "Run a gateway with a plugin, loaded anew at each save",
      takes: "[PATH]",
      wordsMax: 1,
      about: [
        "PATH is the plugin's folder, default this one. It is on for this run; the configuration's files",
        "are not touched. Otherwise as `gateway run`.",
      ],
      options: { ...GRANT, ...run },
      examples: ["gateway plugins dev hello --port 0"],
      load: async () => (await import("./dev.ts")).dev,
    },
  };
}
