import { STATE_FILE } from "../gateway/names.ts";
import type { Platform } from "../ports.ts";
import type { Arguments } from "./args.ts";
import { stateDirOf } from "./places.ts";

/** What the running gateway has written into its state directory, or one that runs no more. */
export type Note = {
  readonly path: string;
  /** Where it listens, as a URL; checked by nobody yet. */
  readonly url: string | undefined;
  readonly port: number;
  /** What it takes from clients of this machine as long as it runs. */
  readonly localToken: string | undefined;
};

const STATE_FILE_BYTES_MAX = 4_096;

/** Read by hand: checking it against its schema costs more than the whole rest of a call. */
export async function readNote(
  { files, process }: Platform,
  args: Pick<Arguments, "text">,
): Promise<Note | undefined> {
  const path = `${stateDirOf(process, args)}/${STATE_FILE}`;
  try {
    const note: unknown = JSON.parse((await files.readText(path, STATE_FILE_BYTES_MAX)) ?? "{}");
    const port = toPort(member(note, "port"));
    if (port === undefined) return undefined;
    return { path, port, url: text(member(note, "url")), localToken: text(member(note, "localToken")) };
  } catch {
    // Unreadable or half written: as good as absent, the usual port is tried.
    return undefined;
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

export function toPort(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value < 65_536
    ? value
    : undefined;
}
