import { createHash } from "node:crypto";
import type { Document } from "../../../src/config/text/document.ts";
import { readDocument } from "../../../src/config/text/document.ts";
import type { Environment, Flag } from "../../../src/config/env.ts";
import { envNames } from "../../../src/config/env.ts";
import { formatIssue } from "../../../src/config/issues.ts";
import type { Layered } from "../../../src/config/layers.ts";
import { composeLayers } from "../../../src/config/layers.ts";
import { leavesOf } from "../../../src/config/leaves.ts";
import { type Config, rootSchema, type Sections } from "../../../src/config/schema.ts";
import { treeOf } from "../../../src/config/tree/tree.ts";
import { parseEnv } from "../../../src/platform/env-file.ts";
import { createFiles } from "../../../src/platform/files.ts";

export const schema = rootSchema();
export const leaves = leavesOf(schema);
export const names = envNames(leaves);

export function documentOf(text: string): Document {
  const reading = readDocument(text);
  if (!reading.ok) throw new Error(`the text does not read: ${JSON.stringify(reading.errors)}`);
  return reading.document;
}

interface Outside {
  readonly env?: Environment;
  readonly flags?: readonly Flag[];
  readonly sections?: Sections;
}

/** Lays layers over each other as the store does; the file is called `moltbot.json`. */
export function layered(text: string | undefined, { env = {}, flags = [], sections }: Outside = {}): Layered {
  const root = sections ? rootSchema(sections) : schema;
  const all = sections ? leavesOf(root) : leaves;
  const document = text === undefined ? undefined : documentOf(text);
  const file = text === undefined || !document ? undefined : { path: "moltbot.json", text, document };
  return composeLayers({
    schema: root,
    leaves: all,
    names: envNames(all),
    file: "moltbot.json",
    tree: file && treeOf(file.document.value, { file, path: [] }),
    env,
    flags,
  });
}

/** What layers come to; throws with all that is wrong with them. */
export function configOf(text: string | undefined, outside: Parameters<typeof layered>[1] = {}): Config {
  const result = layered(text, outside);
  if (!result.valid) throw new Error(result.errors.map(formatIssue).join("\n"));
  return result.config;
}

/** Real files and digests, as the store needs them. */
export const machine = {
  files: createFiles(),
  crypto: { sha256: (text: string) => createHash("sha256").update(text).digest() },
  parseEnv,
};

/** The example of the protocol document, as people will copy it. */
export const EXAMPLE = `{
  "gateway": { "port": 18789, "bind": "loopback", "auth": { "mode": "token", "token": "…" }, "reload": { "mode": "hybrid", "debounceMs": 100 }, "trustedProxies": [] },
  "agents": { "defaults": { "model": { "primary": "ollama/qwen3", "fallbacks": [] }, "workspace": "~/clawd" }, "list": [] }, // "model" may be a plain string
  "models": { "providers": { "ollama": { "baseUrl": "http://127.0.0.1:11434/v1", "apiKey": "\${OLLAMA_KEY}", "api": "openai-completions" } } }, // or "openai-responses", "anthropic-messages", "acp"
  "session": { "dmScope": "main", "reset": { "mode": "daily", "atHour": 4 } },
  "plugins": { "paths": [], "entries": { "webhook": { "enabled": true, "config": {} } } },
  "discovery": { "mdns": { "mode": "minimal" } }
}
`;
