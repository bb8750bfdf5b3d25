import type { Clock, Log } from "../../ports.ts";
import { MCP } from "./bounds.ts";
import type { Definition } from "./definition.ts";

/** Shorter values would take half of every ordinary line with them. */
const SECRET_CHARS_MIN = 6;

/** What a server says beside its answers, in our log: bounded, its secrets hidden. */
export interface News {
  /** A line of its own, at debug. */
  say(from: "stderr" | "log" | "protocol", text: string): void;
  /** The text without the values that were given to this server alone. */
  hide(text: string): string;
}

export function createNews(definition: Definition, { log, clock }: { log: Log; clock: Clock }): News {
  const { name: server } = definition;
  // A header is often a word and a key: a server that repeats it leaves the word out.
  const parts = definition.secrets.flatMap((secret) => [secret, ...secret.split(/\s+/)]);
  const secrets = parts.filter(({ length }) => length >= SECRET_CHARS_MIN);
  // The longest first: one may be a part of another.
  const hidden = secrets.sort((a, b) => b.length - a.length);
  const hide = (text: string): string =>
    hidden.reduce((rest, secret) => rest.replaceAll(secret, "***"), text);
  let sinceMs = -Infinity;
  let lines = 0;
  return {
    hide,
    say(from, text) {
      const nowMs = clock.elapsed();
      if (nowMs - sinceMs >= MCP.logLinesMs) {
        if (lines > MCP.logLinesMax) {
          log.debug("tools server said more", { server, lines: lines - MCP.logLinesMax });
        }
        sinceMs = nowMs;
        lines = 0;
      }
      lines += 1;
      if (lines > MCP.logLinesMax) return;
      // Cut before it is searched, as a line may be as long as a message; and after, so that no half is left.
      const start = hide(text.slice(0, 4 * MCP.wordsCharsMax)).slice(0, MCP.wordsCharsMax);
      log.debug("tools server said", { server, from, text: start });
    },
  };
}
