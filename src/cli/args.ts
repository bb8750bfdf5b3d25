import { nearest } from "../config/nearest.ts";
import { EXIT } from "../gateway/errors.ts";
import { CliError } from "./errors.ts";

/** One option of a command. Help and parser both read this and nothing else. */
export type Option = {
  readonly summary: string;
  /** Stands for the value in help; absent: a switch. */
  readonly value?: string;
  /** One letter. */
  readonly short?: string;
  /** The only values there are. */
  readonly choices?: readonly string[];
};

export type Options = Readonly<Record<string, Option>>;

/** What was typed after a command's name, sorted by the command's own table. */
export type Arguments = {
  readonly positional: readonly string[];
  has(option: string): boolean;
  /** The value of an option that takes one. */
  text(option: string): string | undefined;
  /** The same as a whole number. @throws CliError usage when it is none, or out of bounds */
  whole(option: string, min: number, max: number): number | undefined;
};

/** @throws CliError usage, naming the word and the nearest one there is */
export function parseArguments(words: readonly string[], options: Options): Arguments {
  const positional: string[] = [];
  const values = new Map<string, string>();
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "--") {
      positional.push(...words.slice(at + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      positional.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const typed = equals < 0 ? word : word.slice(0, equals);
    const name = findOption(typed, options);
    const takesValue = options[name]?.value !== undefined;
    if (!takesValue) {
      if (equals >= 0) throw usage(`Cannot give ${typed} a value: it takes none`);
      values.set(name, "");
      continue;
    }
    const value = equals < 0 ? nextValue(words[++at]) : word.slice(equals + 1);
    values.set(name, checkValue(name, value, options));
  }
  return {
    positional,
    has: (option) => values.has(option),
    text: (option) => values.get(option),
    whole: (option, min, max) => toWhole(`--${option}`, values.get(option), { min, max }),
  };
}

/** A mistake in how the program was called. */
export function usage(message: string, hint?: string): CliError {
  return new CliError(EXIT.usage, message, { hint });
}

function findOption(typed: string, options: Options): string {
  const name = typed.startsWith("--")
    ? typed.slice(2)
    : Object.keys(options).find((key) => options[key]?.short === typed.slice(1));
  if (name !== undefined && Object.hasOwn(options, name)) return name;
  const near = nearest(typed.replace(/^-+/, ""), Object.keys(options));
  throw usage(`Cannot use option "${typed}": no such option${near ? `, did you mean --${near}` : ""}`);
}

/** A word that looks like an option is more often a forgotten value; `--option=--value` says it is meant. */
function nextValue(word: string | undefined): string | undefined {
  return word?.startsWith("--") ? undefined : word;
}

function checkValue(name: string, value: string | undefined, options: Options): string {
  const { value: placeholder = "", choices } = options[name] ?? { summary: "" };
  if (value === undefined || value === "") {
    throw usage(`Cannot use --${name}: it needs a value, --${name} ${placeholder}`);
  }
  if (choices && !choices.includes(value)) {
    throw usage(`Cannot use --${name} "${value}": wanted ${choices.join(" or ")}`);
  }
  return value;
}

function toWhole(
  name: string,
  text: string | undefined,
  { min, max }: { min: number; max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw usage(`Cannot use ${name} "${text}": wanted a whole number from ${min} to ${max}`);
}
