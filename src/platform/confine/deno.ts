import type { Confinement, Held } from "../../ports.ts";
import { WRITABLE, readableByAll } from "./every-program.ts";

/**
 * The permissions that Deno is started with for such a process. It asks nobody for more, and imports nothing
 * from other machines.
 */
export function denoFlags(confinement: Confinement): readonly string[] {
  const { network, exec, readable, writable } = confinement;
  return [
    "--no-prompt",
    "--no-remote",
    "--allow-env",
    "--allow-sys",
    `--allow-read=${listed([...readableByAll(confinement), ...readable, ...writable])}`,
    `--allow-write=${listed([...WRITABLE, ...writable])}`,
    ...(network ? ["--allow-net"] : []),
    ...(exec ? ["--allow-run"] : []),
  ];
}

/** What Deno says of the flags this process was started with; they do not hold programs that it starts. */
export function denoHeld({ network, exec }: Confinement): Held[] {
  const kept = [
    { capability: "files", names: ["read", "write", "run", "ffi"] },
    ...(network ? [] : [{ capability: "network", names: ["net", "run", "ffi"] } as const]),
    ...(exec ? [] : [{ capability: "exec", names: ["run", "ffi"] } as const]),
  ] as const;
  return kept.map(({ capability, names }) => {
    const granted = names.find((name) => Deno.permissions.querySync({ name }).state === "granted");
    if (granted === undefined) return { capability, by: "by the permissions of Deno", isHeld: true };
    return { capability, by: `by nothing: Deno was started with --allow-${granted}`, isHeld: false };
  });
}

/** A comma in a path is written twice. */
function listed(paths: readonly string[]): string {
  return [...new Set(paths)].map((path) => path.replaceAll(",", ",,")).join(",");
}
