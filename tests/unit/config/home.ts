import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Copies, createCopies } from "../../../src/config/write/copies.ts";
import { type ConfigStore, type ConfigStoreOptions, createConfigStore } from "../../../src/config/store.ts";
import { createConfigWriter, type QuietWriter, WriteRefused } from "../../../src/config/write/writer.ts";
import { configSections } from "../../../src/features/contracts.ts";
import { createBunPlatform } from "../../../src/platform/bun.ts";
import type { Files } from "../../../src/ports.ts";
import { tempDir } from "../../support/temp.ts";
import { machine } from "./support.ts";

/** A home with a configuration in it, on the real disk, and what reads and writes it. */
export interface Home {
  readonly dir: string;
  /** The main file. */
  readonly path: string;
  readonly store: ConfigStore;
  readonly copies: Copies;
  readonly writer: QuietWriter;
  /** Writes files below the state directory, by hand. */
  put(texts: Readonly<Record<string, string | Uint8Array>>): void;
  read(name: string): string | undefined;
}

interface HomeOptions extends Partial<ConfigStoreOptions> {
  readonly disk?: Partial<Files>;
  readonly now?: () => number;
}

const platform = createBunPlatform();

/** @param texts by name in the state directory */
export function homeWith(
  texts: Readonly<Record<string, string | Uint8Array>> = {},
  { disk = {}, now = Date.now, ...options }: HomeOptions = {},
): Home {
  const dir = tempDir();
  const stateDir = join(dir, ".clawdbot");
  const files = { ...platform.files, ...disk };
  const store = createConfigStore({
    ...machine,
    files,
    env: {},
    home: dir,
    sections: configSections,
    ...options,
  });
  const copies = createCopies({ files, clock: { now }, stateDir: store.paths.stateDir });
  const put: Home["put"] = (given) => {
    for (const [name, text] of Object.entries(given)) {
      mkdirSync(dirname(join(stateDir, name)), { recursive: true, mode: 0o700 });
      writeFileSync(join(stateDir, name), text);
    }
  };
  put(texts);
  return {
    dir: stateDir,
    path: join(stateDir, "moltbot.json"),
    store,
    copies,
    writer: createConfigWriter({ ...platform, files, store, copies }),
    put,
    read(name) {
      const path = join(stateDir, name);
      return existsSync(path) ? readFileSync(path, "utf8") : undefined;
    },
  };
}

/** Why a write was refused. */
export async function refusal(write: Promise<unknown>): Promise<string> {
  const error = await write.then(
    () => new Error("it was written"),
    (refused: unknown) => refused,
  );
  if (error instanceof WriteRefused) {
    const { file, line, column } = error.issues[0] ?? {};
    const place = line === undefined ? "" : ` (${file}:${line}:${column})`;
    return `${error.kind}: ${error.message}${place}`;
  }
  throw error;
}
