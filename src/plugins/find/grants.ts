import { isBelow } from "../../config/tree/file-names.ts";
import { expandHome } from "../../config/values.ts";
import type { Capabilities } from "../api.ts";

/** As an owner writes it. */
export type Given = { readonly [K in keyof Capabilities]?: Capabilities[K] | undefined };

/** What a plugin may do, and what of the owner's grants is of no use. */
export interface Granted {
  readonly grants: Capabilities;
  /** Granted and not declared, in words. */
  readonly ignored: readonly string[];
}

/**
 * What a manifest declares and an owner grants: both, or it is not there. Of two paths, one inside the other,
 * the inner one counts. Paths are absolute afterwards.
 */
export function grantedOf(declared: Capabilities, given: Given, home: string): Granted {
  const ignored: string[] = [];
  const ignore = (what: string): void =>
    void ignored.push(`grants.${what} is of no use: its manifest does not declare it`);
  const flag = (name: "network" | "exec" | "sessions"): boolean => {
    if (given[name] === true && declared[name] !== true) ignore(name);
    return given[name] === true && declared[name] === true;
  };
  const env = (given.env ?? []).filter((name) => {
    const isDeclared = declared.env?.includes(name) === true;
    if (!isDeclared) ignore(`env "${name}"`);
    return isDeclared;
  });
  const wanted = (declared.files ?? []).map((path) => plain(path, home));
  const files = new Set<string>();
  for (const path of given.files ?? []) {
    const allowed = plain(path, home);
    const both = wanted.flatMap((one) =>
      isWithin(allowed, one) ? [allowed] : isWithin(one, allowed) ? [one] : [],
    );
    if (both.length === 0) ignore(`files "${path}"`);
    for (const one of both) files.add(one);
  }
  const [network, exec, sessions] = [flag("network"), flag("exec"), flag("sessions")];
  const grants: Capabilities = {
    ...(network && { network }),
    ...(files.size > 0 && { files: [...files] }),
    ...(env.length > 0 && { env }),
    ...(exec && { exec }),
    ...(sessions && { sessions }),
  };
  return { grants, ignored };
}

/** What is declared, its paths as those of {@link grantedOf}: what is granted can be found in it. */
export function absolute(declared: Capabilities, home: string): Capabilities {
  const { files } = declared;
  return files ? { ...declared, files: files.map((path) => plain(path, home)) } : declared;
}

/** A path that says where it leads: one from nowhere, or with `..`, stays as it is and is inside nothing. */
function plain(path: string, home: string): string {
  const expanded = expandHome(path, home);
  const names = expanded.split("/");
  if (!expanded.startsWith("/") || names.includes("..")) return path;
  return `/${names.filter((name) => name !== "" && name !== ".").join("/")}`;
}

function isWithin(path: string, outer: string): boolean {
  return path.startsWith("/") && !path.split("/").includes("..") && isBelow(path, outer);
}
