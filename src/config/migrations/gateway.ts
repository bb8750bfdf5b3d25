import { isObject } from "../leaves.ts";
import { defineMigration, isFree, moveWhole, name } from "./migration.ts";

const OLD = ["gateway", "token"];
const TOKEN = ["gateway", "auth", "token"];
const MODE = ["gateway", "auth", "mode"];

export const gatewayToken = defineMigration({
  id: "gateway.token->gateway.auth.token",
  describe: "The token is set with how clients prove who they are",
  old: [OLD],
  run(draft, changes) {
    const token = draft.get(OLD);
    if (typeof token !== "string" && !isObject(token)) return;
    const isMove = isFree(draft, TOKEN);
    moveWhole(draft, changes, { from: OLD, to: TOKEN, otherwise: "goes" });
    if (!isMove || !isFree(draft, MODE)) return;
    draft.set(MODE, "token");
    changes.did(`set ${name(MODE)} to "token"`);
  },
});
