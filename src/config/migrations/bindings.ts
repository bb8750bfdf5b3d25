import { defineMigration, elementsAt, type Migration, moveWhole } from "./migration.ts";
import type { Path } from "../leaves.ts";

interface Rename {
  readonly id: string;
  readonly describe: string;
  readonly list: Path;
  /** Inside each element's `match`. */
  readonly from: string;
  readonly to: string;
}

/** What picks a message was once called otherwise in every element of a list. */
function renameInMatches({ id, describe, list, from, to }: Rename): Migration {
  return defineMigration({
    id,
    describe,
    old: [list],
    run(draft, changes) {
      for (const element of elementsAt(draft, list)) {
        const match = [...element, "match"];
        if (typeof draft.get([...match, from]) !== "string") continue;
        moveWhole(draft, changes, { from: [...match, from], to: [...match, to] });
      }
    },
  });
}

export const bindingChannel = renameInMatches({
  id: "bindings.match.provider->bindings.match.channel",
  describe: "A binding picks messages by channel",
  list: ["bindings"],
  from: "provider",
  to: "channel",
});

export const bindingAccount = renameInMatches({
  id: "bindings.match.accountID->bindings.match.accountId",
  describe: "A binding picks messages by accountId",
  list: ["bindings"],
  from: "accountID",
  to: "accountId",
});

export const sendPolicyChannel = renameInMatches({
  id: "session.sendPolicy.rules.match.provider->match.channel",
  describe: "A rule of the send policy picks messages by channel",
  list: ["session", "sendPolicy", "rules"],
  from: "provider",
  to: "channel",
});

const BY_PROVIDER = ["messages", "queue", "byProvider"];

export const queueByChannel = defineMigration({
  id: "messages.queue.byProvider->byChannel",
  describe: "The queue is set by channel",
  old: [BY_PROVIDER],
  run(draft, changes) {
    const to = ["messages", "queue", "byChannel"];
    moveWhole(draft, changes, { from: BY_PROVIDER, to, otherwise: "goes" });
  },
});
