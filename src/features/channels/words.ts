// What the gateway itself tells people over a channel. Nothing of its inside is told to whoever asks.

export function strangerText(code: string): string {
  return `I do not know you yet. The owner of this gateway can let you in with this code, within an hour: ${code}`;
}

export const LET_IN =
  "You are in: the owner of this gateway has approved you. Write to me whenever you like.";

export const FAILED = "Something went wrong, and this could not be answered. Please try again later.";

export const TOO_LONG = "This took too long, and was stopped.";

export const CUT_OFF = "The gateway was restarted before this was answered. Please send it again.";

export const TOO_MANY =
  "Too many messages are waiting here. Your last one was not taken: please send it later.";

export const STOPPED = "Stopped.";

export const BEGUN_ANEW = "A new conversation has begun.";
