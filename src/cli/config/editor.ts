import { messageOf } from "../../contract/errors.ts";
import { LIMITS } from "../../contract/limits.ts";
import { EXIT } from "../../gateway/errors.ts";
import type { Platform } from "../../ports.ts";
import { CliError } from "../errors.ts";

/** A text in a file of its own that nobody else can read. */
export interface Copy {
  readonly path: string;
  /** Undefined when the file is gone. */
  read(): Promise<string | undefined>;
  remove(): Promise<void>;
}

/** @param path of what it is a copy of */
export async function makeCopy(
  { files, process, crypto }: Platform,
  path: string,
  text: string,
): Promise<Copy> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const directory = `${process.env["TMPDIR"]?.replace(/\/+$/, "") || "/tmp"}/gateway-config-${crypto.id()}`;
  // Editors put copies of their own beside what they edit: the directory keeps those private too.
  await files.ensurePrivateDir(directory);
  // Comments are no mistake, which editors know by the name.
  const copy = `${directory}/${name.replace(/\.json$/, ".jsonc")}`;
  await files.writeNew(copy, text);
  return {
    path: copy,
    read: () => files.readText(copy, LIMITS.configBytesMax),
    remove: () => files.removeDir(directory),
  };
}

/** @throws CliError when there is none, or it says that it failed */
export async function runEditor({ process }: Platform, path: string): Promise<void> {
  const { env } = process;
  const named = env["VISUAL"]?.trim() || env["EDITOR"]?.trim();
  if (!named && !process.stdinIsTerminal) {
    throw new CliError(EXIT.failed, "Cannot edit configuration: there is no terminal", {
      hint: "A program named by VISUAL or EDITOR may do without one",
    });
  }
  const code = await process.runInTerminal(commandOf(named || "vi", path)).catch((error: unknown) => {
    throw new CliError(EXIT.failed, messageOf(error), {
      hint: "VISUAL or EDITOR names the editor",
    });
  });
  if (code !== 0) throw new CliError(EXIT.failed, `Cannot edit configuration: the editor ended with ${code}`);
}

/** An editor may be named with options; a shell reads what is more than words. */
function commandOf(editor: string, path: string): [string, ...string[]] {
  const [program = editor, ...options] = editor.split(/\s+/);
  const isPlain = /^[\w\s./+=:,@%-]+$/.test(editor);
  return isPlain ? [program, ...options, path] : ["sh", "-c", `${editor} "$@"`, "sh", path];
}

/**
 * Asks on the terminal. By a shell: who begins to read standard input here goes on reading while the editor
 * runs, and takes its keys.
 */
export async function asksAgain({ process }: Platform): Promise<boolean> {
  const answers = `case "$answer" in [nN]*) exit 1;; [yY]*|"") exit 0;; esac`;
  const script = `while printf 'Edit again? [Y/n] '; do read -r answer || exit 1; ${answers}; done`;
  return (await process.runInTerminal(["sh", "-c", script])) === 0;
}
