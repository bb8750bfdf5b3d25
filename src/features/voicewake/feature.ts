import { z } from "zod";
import type { Feature } from "../../feature.ts";
import type { Database } from "../../ports.ts";
import { voicewakeContract } from "./contract.ts";

/** What devices listen for until somebody says otherwise; the original's own words. */
const DEFAULT_TRIGGERS: readonly string[] = ["clawd", "claude", "computer"];

const STATE_KEY = "voicewake.triggers";

export function createVoicewakeFeature(db: Database): Feature {
  const read = db.prepare("SELECT value FROM state WHERE key = ?");
  const write = db.prepare(
    "INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
  );
  const stored = read.get(STATE_KEY);
  let triggers = stored ? z.array(z.string()).parse(JSON.parse(String(stored["value"]))) : DEFAULT_TRIGGERS;

  return voicewakeContract.implement((ctx) => ({
    handlers: {
      "voicewake.get": () => ({ triggers: [...triggers] }),
      "voicewake.set": ({ triggers: given }) => {
        const next = given.length > 0 ? given : DEFAULT_TRIGGERS;
        write.run(STATE_KEY, JSON.stringify(next));
        triggers = next;
        ctx.publish("voicewake.changed", { triggers: [...triggers] });
        return { triggers: [...triggers] };
      },
    },
  }));
}
