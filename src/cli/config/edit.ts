import { LIMITS } from "../../contract/limits.ts";
import { EXIT } from "../../gateway/errors.ts";
import type { CommandInput, RunCommand } from "../command.ts";
import { CliError } from "../errors.ts";
import { type Desk, type ResultOf, withDesk } from "./desk.ts";
import { asksAgain, type Copy, makeCopy, runEditor } from "./editor.ts";
import { formatProblem } from "../problem.ts";
import { isInvalid, problemsOf } from "./failures.ts";
import { tellOutcome } from "./outcome.ts";
import { everyKey, mistakesIn, rowsBetween } from "./texts.ts";

/** Edits the file in the person's own editor. Nothing is held open meanwhile: the gateway may come and go. */
export const edit: RunCommand = async (input) => {
  const begun = await withDesk(input, async (desk) => {
    const before = await desk.call("config.get", {});
    return { before, text: before.raw ?? (await textOnDisk(input, desk, before)) };
  });
  const copy = await makeCopy(input.platform, begun.before.path, begun.text);
  try {
    return await editCopy({ input, ...begun, copy });
  } catch (error) {
    const left = await copy.read();
    if (left !== undefined && left !== begun.text) throw withPlace(error, copy.path);
    await copy.remove();
    throw error;
  }
};

interface Editing {
  readonly input: CommandInput;
  /** What the configuration was when the editing began. */
  readonly before: ResultOf<"config.get">;
  /** The text that was given to the editor. */
  readonly text: string;
  readonly copy: Copy;
}

/** Until what the editor left is written, or the person gives up. */
async function editCopy(editing: Editing): Promise<number> {
  const { input, text, copy } = editing;
  for (;;) {
    await runEditor(input.platform, copy.path);
    const edited = await copy.read();
    if (edited === text) return unchanged(editing);
    if (edited === undefined) {
      throw new CliError(EXIT.failed, "Cannot edit configuration: the file is gone", {
        hint: "Nothing has been written",
      });
    }
    const mistakes = [...(await mistakesIn(edited, copy.path))];
    if (mistakes.length === 0) {
      const code = await withDesk(input, (desk) => write(editing, desk, { raw: edited, mistakes }));
      if (code !== undefined) return code;
    }
    if (!input.platform.process.stdinIsTerminal) throw new CliError(EXIT.config, mistakes.join("\n"));
    for (const mistake of mistakes) input.screen.problem(mistake);
    if (!(await asksAgain(input.platform))) throw new CliError(EXIT.config, "Nothing has been written");
  }
}

async function unchanged({ input: { screen, args }, before, copy }: Editing): Promise<number> {
  await copy.remove();
  const { path, hash, restartOwed } = before;
  const outcome = { ok: true, path, hash, changed: [], restartOwed, notes: [] };
  screen.line(args.has("json") ? JSON.stringify(outcome) : "nothing has changed");
  return EXIT.ok;
}

interface Edited {
  readonly raw: string;
  /** Gets the reasons when it is refused. */
  readonly mistakes: string[];
}

/** @returns the exit code; undefined when it is refused for what is in it */
async function write(editing: Editing, desk: Desk, edited: Edited): Promise<number | undefined> {
  const { input, text, before, copy } = editing;
  const outcome = await apply(editing, desk, edited);
  if (!outcome) return undefined;
  await copy.remove();
  return tellOutcome(input, desk, {
    outcome,
    rows: await rowsBetween(text, edited.raw),
    inForce: before.config,
  });
}

async function apply(
  { before, copy }: Editing,
  desk: Desk,
  { raw, mistakes }: Edited,
): Promise<ResultOf<"config.apply"> | undefined> {
  const drop = everyKey(before.parsed);
  try {
    return await desk.call("config.apply", { raw, baseHash: before.hash, drop, verbatim: true });
  } catch (error) {
    const problems = problemsOf(error);
    if (problems.length === 0 && !isInvalid(error)) throw error;
    const inCopy = problems.map((one) => (one.file === before.path ? { ...one, file: copy.path } : one));
    mistakes.push(...inCopy.map(formatProblem));
    if (problems.length === 0 && error instanceof Error) mistakes.push(error.message);
    return undefined;
  }
}

/** What cannot be read as it is has to be mended as it is, secrets and all. */
async function textOnDisk(
  { platform }: CommandInput,
  { place }: Desk,
  { path, exists }: ResultOf<"config.get">,
): Promise<string> {
  if (!exists) return "{\n}\n";
  const text = place && (await platform.files.readText(path, LIMITS.configBytesMax));
  if (text !== undefined) return text;
  throw new CliError(EXIT.failed, `Cannot edit "${path}": it cannot be read, and it is on another machine`);
}

function withPlace(error: unknown, path: string): unknown {
  if (!(error instanceof CliError)) return error;
  const { exitCode, message, hint, code } = error;
  const kept = `What you have written is kept in ${path}`;
  return new CliError(exitCode, message, {
    hint: hint === undefined ? kept : `${hint}\n${kept}`,
    ...(code !== undefined && { code }),
  });
}
