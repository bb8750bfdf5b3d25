import { keyOf } from "../../config/leaves.ts";
import { LIMITS } from "../../contract/limits.ts";
import { EXIT } from "../../gateway/errors.ts";
import type { CommandInput, RunCommand } from "../command.ts";
import { CliError } from "../errors.ts";
import { type Desk, type ResultOf, withDesk } from "./desk.ts";
import { asksAgain, type Copy, makeCopy, runEditor } from "./editor.ts";
import { formatProblem, isInvalid, problemsOf, toConfigError } from "./failures.ts";
import { tellOutcome } from "./outcome.ts";
import { mistakesIn, rowsBetween } from "./texts.ts";

/** Edits the file in the person's own editor. */
export const edit: RunCommand = (input) => withDesk(input, (desk) => editAt(input, desk));

interface Editing {
  readonly input: CommandInput;
  readonly desk: Desk;
  /** What the configuration was when the editing began. */
  readonly before: ResultOf<"config.get">;
  /** The text that was given to the editor. */
  readonly text: string;
  readonly copy: Copy;
}

async function editAt(input: CommandInput, desk: Desk): Promise<number> {
  const before = await desk.call("config.get", {});
  const text = before.raw ?? (await textOnDisk(input, desk, before));
  const copy = await makeCopy(input.platform, before.path, text);
  try {
    return await editCopy({ input, desk, before, text, copy });
  } catch (error) {
    if ((await copy.read()) === text) await copy.remove();
    else throw withPlace(toConfigError(error, desk.target), copy.path);
    throw error;
  }
}

/** Until what the editor left is written, or the person gives up. */
async function editCopy(editing: Editing): Promise<number> {
  const { input, text, copy } = editing;
  for (;;) {
    await runEditor(input.platform, copy.path);
    const edited = await copy.read();
    if (edited === text) return unchanged(editing);
    const mistakes = [...(await mistakesIn(edited, copy.path))];
    const outcome = mistakes.length > 0 ? undefined : await write(editing, edited, mistakes);
    if (outcome) {
      const rows = await rowsBetween(text, edited);
      await copy.remove();
      return tellOutcome(input, editing.desk, { outcome, rows, inForce: editing.before.config });
    }
    if (!input.platform.process.stdinIsTerminal) throw new CliError(EXIT.config, mistakes.join("\n"));
    for (const mistake of mistakes) input.screen.problem(mistake);
    if (!(await asksAgain(input.platform))) throw new CliError(EXIT.config, "Nothing has been written");
  }
}

async function unchanged({ input: { screen, args }, before, copy }: Editing): Promise<number> {
  await copy.remove();
  const { path, hash } = before;
  const outcome = { ok: true, path, hash, changed: [], restartOwed: before.restartOwed, notes: [] };
  screen.line(args.has("json") ? JSON.stringify(outcome) : "nothing has changed");
  return EXIT.ok;
}

/** @returns undefined when it is refused for what is in it; `mistakes` has the reasons then */
async function write(
  { desk, before, copy }: Editing,
  raw: string,
  mistakes: string[],
): Promise<ResultOf<"config.apply"> | undefined> {
  // The person has seen the whole: what is not there any more is meant to be gone.
  const drop = Object.keys(Object(before.parsed ?? {})).map((name) => keyOf([name]));
  try {
    return await desk.call("config.apply", { raw, baseHash: before.hash, drop });
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
