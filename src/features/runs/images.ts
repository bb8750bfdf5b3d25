import { RpcError } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Crypto } from "../../ports.ts";
import type { Attachment } from "./contract.ts";
import type { Image } from "./entries.ts";

/** How each kind begins, in base64. @source PNG 3rd ed. §5.2, ITU T.81 B.1, GIF89a §17, RFC 9649 §2.4 */
const HEADS: Readonly<Record<Attachment["mimeType"], RegExp>> = {
  "image/png": /^iVBORw0KGgo/,
  "image/jpeg": /^\/9j\//,
  "image/gif": /^R0lGOD[dl]h/,
  // RIFF, four bytes of size, WEBP
  "image/webp": /^UklGR[A-Za-z0-9+/]{6}XRUJQ/,
};

/**
 * Pictures as they are kept. One that is none would stay in the history, and be refused by its model with
 * every turn from then on.
 *
 * @throws RpcError `invalid_params` for what is no picture of its kind, and for too much
 */
export function toImages(attachments: readonly Attachment[], crypto: Pick<Crypto, "id">): Image[] {
  let chars = 0;
  return attachments.map(({ mimeType, content }, place) => {
    const data = content.replace(/^data:[a-z0-9/+.-]{1,100};base64,/i, "").trimEnd();
    chars += data.length;
    const state = problemOf(data, mimeType) ?? (chars > LIMITS.imagesCharsMax ? "is too much" : undefined);
    if (state) throw new RpcError("invalid_params", `Cannot send attachment ${place + 1}: it ${state}`);
    return { id: crypto.id(), mimeType, data };
  });
}

function problemOf(data: string, mimeType: Attachment["mimeType"]): string | undefined {
  if (data === "" || data.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(data)) return "is not base64";
  return HEADS[mimeType].test(data) ? undefined : `is not of type ${mimeType}`;
}
