import { defineMigration, isFree, moveWhole, name, objectAt } from "./migration.ts";

const CLAUDE_CLI_MODE = ["auth", "profiles", "anthropic:claude-cli", "mode"];

export const claudeCliMode = defineMigration({
  id: "auth.anthropic-claude-cli-mode-oauth",
  describe: "The profile of the Claude command line signs in with OAuth",
  old: [CLAUDE_CLI_MODE],
  run(draft, changes) {
    if (draft.get(CLAUDE_CLI_MODE) !== "token") return;
    draft.set(CLAUDE_CLI_MODE, "oauth");
    changes.did(`set ${name(CLAUDE_CLI_MODE)} to "oauth", it was "token"`);
  },
});

const BASH = ["tools", "bash"];

export const toolsBash = defineMigration({
  id: "tools.bash->tools.exec",
  describe: "The tool that runs commands is called exec",
  old: [BASH],
  run(draft, changes) {
    if (objectAt(draft, BASH)) moveWhole(draft, changes, { from: BASH, to: ["tools", "exec"] });
  },
});

const ENABLED = ["messages", "tts", "enabled"];
const AUTO = ["messages", "tts", "auto"];

export const ttsAuto = defineMigration({
  id: "messages.tts.enabled->auto",
  describe: "Speech has a mode instead of a switch",
  old: [ENABLED],
  run(draft, changes) {
    const enabled = draft.get(ENABLED);
    if (isFree(draft, AUTO)) {
      if (typeof enabled !== "boolean") return;
      const mode = enabled ? "always" : "off";
      draft.set(AUTO, mode);
      draft.remove(ENABLED);
      changes.did(`moved ${name(ENABLED)} to ${name(AUTO)}, as "${mode}"`);
    } else {
      draft.remove(ENABLED);
      changes.did(`removed ${name(ENABLED)}: ${name(AUTO)} is set, and is the one that counts`);
    }
  },
});
