/** @source PEER F9 */
const STOP_WORDS = new Set(["/stop", "stop", "esc", "abort", "wait", "exit", "interrupt"]);

/** Is the message nothing but a word that stops the answer that is being given? */
export function isStopWord(message: string): boolean {
  return STOP_WORDS.has(message.trim().toLowerCase());
}
