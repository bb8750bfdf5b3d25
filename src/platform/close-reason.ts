/**
 * Bytes of a close reason: a control frame has 125 in all, two are the code (RFC 6455 §5.5); PROTOCOL §6
 * says 120.
 */
const reasonBytesMax = 120;

const encoder = new TextEncoder();

/** The reason, cut between two characters to what a close frame may carry. */
export function cutReason(reason: string): string {
  if (reason.length * 3 <= reasonBytesMax) return reason;
  const { read } = encoder.encodeInto(reason, new Uint8Array(reasonBytesMax));
  return reason.slice(0, read);
}
