import type { Process } from "../ports.ts";

/** What the person sees. Text goes to standard output, problems to standard error. */
export type Screen = {
  /** Standard output is a terminal. */
  readonly isTerminal: boolean;
  /** A line for standard output. */
  line(text: string): void;
  /** The same without an end of line. */
  write(text: string): void;
  /** A line for standard error. */
  problem(text: string): void;
  bold(text: string): string;
  dim(text: string): string;
  /** Text from elsewhere, made harmless for a terminal: it could move the cursor or rename the window. */
  foreign(text: string): string;
};

/** @source https://no-color.org */
export function createScreen({ stdout, stderr, env }: Process): Screen {
  const { isTerminal } = stdout;
  const isPlain = !isTerminal || Boolean(env["NO_COLOR"]) || env["TERM"] === "dumb";
  const style = (code: number, text: string): string => (isPlain ? text : `\u001b[${code}m${text}\u001b[0m`);
  return {
    isTerminal,
    line: (text) => stdout.write(`${text}\n`),
    write: (text) => stdout.write(text),
    problem: (text) => stderr.write(`${stderr.isTerminal ? withoutControls(text) : text}\n`),
    bold: (text) => style(1, text),
    dim: (text) => style(2, text),
    foreign: (text) => (isTerminal ? withoutControls(text) : text),
  };
}

/** Everything but text, tabs and ends of lines. */
export function withoutControls(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
}
