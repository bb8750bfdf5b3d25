import { LIMITS } from "../../contract/limits.ts";
import type { Files } from "../../ports.ts";
import { readDocument, readJsonc } from "../text/document.ts";
import { directoryOf, normalize } from "./file-names.ts";
import { assemble, secretFileNames } from "./include.ts";
import type { ConfigIssue } from "../issues.ts";
import { migrateDraft } from "../migrations/migrate.ts";
import { reasonOf } from "../reason.ts";
import type { SecretFile } from "../references.ts";
import { isObjectTree, type ObjectTree, type SourceFile, valueOf } from "./tree.ts";
import { treeDraft } from "./tree-draft.ts";
import { expandHome } from "../values.ts";

/** The configuration's files at one moment, put together. */
export interface Source {
  /** The main file, as shown. */
  readonly path: string;
  /** The main file and all that it includes, as far as they can be read. */
  readonly files: readonly SourceFile[];
  /** What is on disk, readable or not, by path; the main file first. */
  readonly texts: ReadonlyMap<string, string>;
  /** What they say together, old keys moved to where they belong now; undefined when they cannot be read. */
  readonly tree: ObjectTree | undefined;
  readonly errors: readonly ConfigIssue[];
  /** What was moved or converted, in words. */
  readonly changes: readonly string[];
  readonly secretFiles: ReadonlyMap<string, SecretFile>;
  /** Every file that has a say, whether it is there or not. */
  readonly watched: readonly string[];
}

export interface SourceParts {
  readonly files: Pick<Files, "readText" | "realPath">;
  readonly home: string;
  /** Texts that are about to be written, by path; they count as read. */
  readonly texts?: ReadonlyMap<string, string>;
}

type Read =
  SourceFile | { readonly error: string; readonly text?: string; readonly issues?: readonly ConfigIssue[] };

/** Reads the main file and all it names. Never rejects: what cannot be read is an error in the source. */
export async function readSource(path: string, text: string, parts: SourceParts): Promise<Source> {
  const main = await parse(path, text, readDocument);
  if (!("document" in main)) {
    const nothing = { files: [], tree: undefined, changes: [], secretFiles: new Map() };
    return { ...nothing, path, texts: new Map([[path, text]]), errors: main.issues ?? [], watched: [path] };
  }
  const read = new Map<string, Read>();
  let assembly = assemble(main, (name) => read.get(name));
  while (assembly.missing.length > 0) {
    for (const name of assembly.missing) read.set(name, await readIncluded(name, main, parts));
    assembly = assemble(main, (name) => read.get(name));
  }
  const included = assembly.named.flatMap((name) => read.get(name) ?? []);
  const broken = included.flatMap((file) => ("issues" in file ? (file.issues ?? []) : []));
  const files = [main, ...included.filter((file) => "document" in file)];
  const tree = isObjectTree(assembly.tree) ? assembly.tree : undefined;
  const converted = files.filter(({ text: written, document }) => document.text !== written);
  const changes = [
    ...converted.map((file) => `read "${file.path}" as JSON5`),
    ...(tree ? migrateDraft(treeDraft(tree)) : []),
  ];
  const secrets = await readSecrets(tree && valueOf(tree), directoryOf(path), parts);
  const texts = new Map([[path, text]]);
  for (const name of assembly.named) {
    const written = read.get(name)?.text;
    if (written !== undefined) texts.set(name, written);
  }
  return {
    path,
    files,
    texts,
    tree,
    errors: broken.length > 0 ? broken : tree ? assembly.errors : [...assembly.errors, notAnObject(path)],
    changes,
    secretFiles: secrets.read,
    watched: [path, ...assembly.named, ...secrets.paths],
  };
}

function notAnObject(path: string): ConfigIssue {
  return { layer: "file", file: path, key: "", message: "Cannot read configuration: it must be an object" };
}

async function readIncluded(path: string, main: SourceFile, parts: SourceParts): Promise<Read> {
  const { files, texts } = parts;
  const given = texts?.get(path);
  if (given !== undefined) return await parse(path, given, readJsonc);
  try {
    const real = await files.realPath(path);
    if (real !== undefined && !(await isInside(real, main, files))) {
      return { error: "it leads out of the directory of the configuration" };
    }
    const text = await files.readText(path, LIMITS.configBytesMax);
    return text === undefined ? { error: "there is no such file" } : await parse(path, text, readJsonc);
  } catch (error) {
    return { error: reasonOf(error) };
  }
}

/** Beside the main file, or beside what that file is a link to. */
async function isInside(real: string, main: SourceFile, files: SourceParts["files"]): Promise<boolean> {
  const directory = await files.realPath(directoryOf(main.path));
  const target = await files.realPath(main.path);
  const roots = [directory, target && directoryOf(target)];
  return roots.some((root) => root !== undefined && real.startsWith(root === "/" ? root : `${root}/`));
}

/** JSON with comments, or else JSON5, which old files are written in. */
async function parse(path: string, text: string, read: typeof readJsonc): Promise<Read> {
  const reading = read(text);
  if (reading.ok) return { path, text, document: reading.document };
  const { convertJson5 } = await import("../text/json5.ts");
  const converted = await convertJson5(text);
  const again = converted.ok ? read(converted.text) : undefined;
  if (again?.ok) return { path, text, document: again.document };
  const [first] = reading.errors;
  // Of an old file the first thing that is no JSON is no mistake; what even JSON5 cannot be is.
  const isOld = !converted.ok && first !== undefined && converted.line > first.line;
  const errors = isOld ? [{ ...converted, key: "" }] : reading.errors;
  const issues = errors.map(({ line, column, key, reason }) => ({
    layer: "file" as const,
    file: path,
    line,
    column,
    key,
    message: `Cannot read configuration: ${reason}`,
  }));
  return { error: "it is no JSON", text, issues };
}

const SECRET_FILES_MAX = 64;

async function readSecrets(value: unknown, directory: string, { files, home }: SourceParts) {
  const read = new Map<string, SecretFile>();
  const paths: string[] = [];
  for (const name of secretFileNames(value).slice(0, SECRET_FILES_MAX)) {
    const expanded = expandHome(name, home);
    const path = normalize(expanded.startsWith("/") ? expanded : `${directory}/${expanded}`);
    paths.push(path);
    read.set(name, await readSecret(path, files));
  }
  return { read, paths };
}

async function readSecret(path: string, files: SourceParts["files"]): Promise<SecretFile> {
  try {
    const text = await files.readText(path, LIMITS.secretCharsMax);
    return text === undefined ? { error: `there is no "${path}"` } : { text: text.replace(/^\uFEFF/, "") };
  } catch (error) {
    return { error: reasonOf(error) };
  }
}
