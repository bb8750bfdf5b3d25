import { createWatch } from "./watch-directory.ts";

/** Watches that were closed and have not let go yet: one that begins meanwhile would join them. */
const closing = new Set<Promise<void>>();

/** Watches a directory with the runtime's own watcher. */
export const denoWatch = createWatch((directory, heard) => {
  let isOpen = true;
  let watcher: Deno.FsWatcher | undefined;
  let hearing: Promise<void> | undefined;
  const begin = (): void => {
    watcher = Deno.watchFs(directory, { recursive: false });
    hearing = hear(watcher, heard);
  };
  const beginLate = async (): Promise<void> => {
    while (closing.size > 0) await Promise.all(closing);
    if (!isOpen) return;
    begin();
    // For all that has come and gone while nobody listened.
    heard();
  };
  if (closing.size === 0) begin();
  else void beginLate().catch(heard);
  return () => {
    // It throws when it is closed twice.
    if (!isOpen) return;
    isOpen = false;
    watcher?.close();
    const ended = hearing;
    if (!ended) return;
    closing.add(ended);
    void ended.then(() => closing.delete(ended));
  };
});

async function hear(watcher: Deno.FsWatcher, heard: () => void): Promise<void> {
  try {
    for await (const _ of watcher) heard();
  } catch {
    // It says only that the watching has ended.
    heard();
  }
}
