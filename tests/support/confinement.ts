/** Programs that confine themselves, and what they are given to try. */
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Confinement } from "../../src/ports.ts";
import type { Report } from "./confined.ts";
import { tempDir } from "./temp.ts";

export const PROGRAM = join(import.meta.dir, "confined.ts");
const FROM_SOURCE = [process.execPath, "--no-install", PROGRAM];

export interface Place {
  readonly home: string;
  readonly secret: string;
  readonly readable: string;
  readonly writable: string;
}

/** A home with a secret, a plugin's folder with its own package, and a folder to write to. */
export function createPlace(): Place {
  const home = realpathSync(tempDir());
  const place = {
    home,
    secret: join(home, "secret"),
    readable: join(home, "plugin"),
    writable: join(home, "data"),
  };
  writeFileSync(place.secret, "the secret", { mode: 0o600 });
  mkdirSync(join(place.readable, "node_modules/dependency"), { recursive: true });
  mkdirSync(place.writable);
  writeFileSync(
    join(place.readable, "node_modules/dependency/package.json"),
    JSON.stringify({ name: "dependency", main: "main.js" }),
  );
  writeFileSync(join(place.readable, "node_modules/dependency/main.js"), 'exports.word = "loaded";');
  writeFileSync(
    join(place.readable, "helper.ts"),
    'export const end = "!" as const; export const answer = (): string => end;',
  );
  writeFileSync(
    join(place.readable, "index.ts"),
    `import { word } from "dependency"; import { end } from "./helper.ts";
     export const answer = (): string => word + end;`,
  );
  symlinkSync(place.secret, join(place.readable, "link"));
  symlinkSync(place.secret, join(place.writable, "link"));
  writeFileSync(join(place.writable, "own"), "own");
  return place;
}

interface Granted extends Partial<Confinement> {
  /** Calls that the kernel is to be without. */
  readonly missing?: readonly string[];
  /** What to start instead of the sources. */
  readonly program?: readonly string[];
}

export const textOf = (stream: ReadableStream<Uint8Array>): Promise<string> => new Response(stream).text();

export async function confined(place: Place, granted: Granted, attempts: readonly string[]): Promise<Report> {
  const { program = FROM_SOURCE, ...rest } = granted;
  const confinement = {
    network: false,
    exec: false,
    readable: [place.readable],
    writable: [place.writable],
    ...rest,
  };
  const child = Bun.spawn([...program, JSON.stringify(confinement), ...attempts], {
    env: { PATH: process.env["PATH"] ?? "", HOME: place.home, SOME: "value" },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  void child.stdin.write("what waits in the pipe");
  await child.stdin.end();
  const [text, errors] = await Promise.all([textOf(child.stdout), textOf(child.stderr), child.exited]);
  if (!text.startsWith("{")) throw new Error(`the program said nothing: ${errors}`);
  return JSON.parse(text) as Report;
}

/** What each attempt ended with, in order. */
export async function outcomes(
  place: Place,
  granted: Granted,
  attempts: readonly string[],
): Promise<string[]> {
  return Object.values((await confined(place, granted, attempts)).outcomes);
}
