import { databaseFailuresSuite } from "./database-failures.ts";
import { databaseSuite } from "./database.ts";
import { entriesSuite } from "./entries.ts";
import { filesSuite } from "./files.ts";
import { lockSuite } from "./lock.ts";
import { processSuite } from "./process.ts";
import { programSuite } from "./program.ts";
import { serverSuite } from "./server.ts";
import { socketSuite } from "./socket.ts";
import type { Subject } from "./suite.ts";
import { treesSuite } from "./trees.ts";
import { watchSuite } from "./watch.ts";

/** Every suite that a runtime has to pass. */
export function allSuites(subject: Subject): void {
  for (const suite of [
    socketSuite,
    serverSuite,
    filesSuite,
    entriesSuite,
    treesSuite,
    watchSuite,
    databaseSuite,
    databaseFailuresSuite,
    lockSuite,
    processSuite,
    programSuite,
  ])
    suite(subject);
}
