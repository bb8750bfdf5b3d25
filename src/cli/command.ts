import type { Platform } from "../ports.ts";
import type { Arguments, Options } from "./args.ts";
import type { Screen } from "./screen.ts";

/** What a command is given to work with. */
export type CommandInput = {
  readonly platform: Platform;
  readonly screen: Screen;
  readonly args: Arguments;
};

/** @returns the exit code. @throws CliError */
export type RunCommand = (input: CommandInput) => Promise<number>;

/** One command as the table has it: all that help and parser need, without the code that does it. */
export type Command = Described & (Single | Group);

type Described = {
  readonly summary: string;
  /** What comes after its name: `METHOD [JSON]`. */
  readonly takes?: string;
  /** Most words it takes after its name. Default 0. */
  readonly wordsMax?: number;
  /** Lines of help between the usage and the options. */
  readonly about?: readonly string[];
  readonly options: Options;
  readonly examples?: readonly string[];
  /** Not shown: nobody types it. */
  readonly isHidden?: boolean;
};

type Single = { load(): Promise<RunCommand>; readonly commands?: never };

/** Stands for the commands that the word after its name chooses; alone it shows its help. */
type Group = { readonly commands: Readonly<Record<string, Command>> };
