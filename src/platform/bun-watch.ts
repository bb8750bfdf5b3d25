import { watch } from "node:fs";

import { createWatch } from "./watch-directory.ts";

/** Watches a directory with the runtime's own watcher. */
export const bunWatch = createWatch((directory, heard) => {
  const watcher = watch(directory, heard);
  // Without a listener it would end the process.
  watcher.on("error", heard);
  return () => watcher.close();
});
