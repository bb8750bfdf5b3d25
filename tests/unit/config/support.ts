import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Document } from "../../../src/config/document.ts";
import { readDocument } from "../../../src/config/document.ts";
import type { Environment, Flag } from "../../../src/config/env.ts";
import { envNames } from "../../../src/config/env.ts";
import type { Layered } from "../../../src/config/layers.ts";
import { composeLayers } from "../../../src/config/layers.ts";
import { leavesOf } from "../../../src/config/leaves.ts";
import { rootSchema, type Sections } from "../../../src/config/schema.ts";
import type { Crypto, Files } from "../../../src/ports.ts";

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
  return composeLayers({
    schema: root,
    leaves: all,
    names: envNames(all),
    file: "moltbot.json",
    document,
    env,
    flags,
  });
}

/** Real files and digests, as the store needs them. */
export const machine: { readonly files: Pick<Files, "readText">; readonly crypto: Pick<Crypto, "sha256"> } = {
  files: {
    async readText(path, bytesMax) {
      const bytes = await readFile(path).catch((error: unknown) => {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
        throw error;
      });
      if (bytes && bytes.length > bytesMax) throw new Error(`it is larger than ${bytesMax} bytes`);
      return bytes?.toString("utf8");
    },
  },
  crypto: { sha256: (text) => createHash("sha256").update(text).digest() },
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
