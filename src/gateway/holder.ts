import { z } from "zod";
import { once, type Output } from "../contract/define.ts";
import type { Files } from "../ports.ts";
import { STATE_FILE } from "./names.ts";

const Holder = once(() =>
  z.object({
    pid: z.int(),
    url: z.string(),
    port: z.int(),
    version: z.string(),
    startedAtMs: z.int(),
    /** For clients of this machine; gone with the process. */
    localToken: z.string(),
  }),
);
export type Holder = Output<typeof Holder>;

const STATE_FILE_BYTES_MAX = 4_096;

export async function writeHolder(files: Files, stateDir: string, holder: Holder): Promise<void> {
  await files.replace(`${stateDir}/${STATE_FILE}`, `${JSON.stringify(holder)}\n`);
}

export async function readHolder(files: Files, stateDir: string): Promise<Holder | undefined> {
  try {
    const text = await files.readText(`${stateDir}/${STATE_FILE}`, STATE_FILE_BYTES_MAX);
    return text === undefined ? undefined : Holder().safeParse(JSON.parse(text)).data;
  } catch {
    // Only names the holder in a message: without it the message is shorter.
    return undefined;
  }
}
