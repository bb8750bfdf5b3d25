import type { Option, Options } from "./args.ts";

/** Options that several commands take. */
export const HELP: Options = { help: { short: "h", summary: "Show this" } };

export const STATE_DIR: Option = { value: "DIR", summary: "State directory, default ~/.clawdbot" };
export const CONFIG: Option = {
  value: "FILE",
  summary: "Configuration file, default ~/.clawdbot/moltbot.json",
};

/** How every client finds its gateway and proves itself. */
export const CONNECTION: Options = {
  url: { value: "URL", summary: "Gateway to connect to, default the one that runs here" },
  token: {
    value: "TOKEN",
    summary: "Token, default CLAWDBOT_GATEWAY_TOKEN or the one of this machine's gateway",
  },
  password: { value: "TEXT", summary: "Password, default CLAWDBOT_GATEWAY_PASSWORD" },
  "timeout-ms": { value: "MS", summary: "Longest wait for an answer, default 30000" },
  "state-dir": STATE_DIR,
  config: CONFIG,
};

export const json = (summary: string): Options => ({ json: { summary } });
