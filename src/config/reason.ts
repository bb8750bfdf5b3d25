import { messageOf } from "../contract/errors.ts";
/** What went wrong, without the sentence that names the file: that is said around it. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return message.replace(/^Cannot \w+ file "[^"]*": /, "");
}
