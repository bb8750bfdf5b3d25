import type { Config } from "../config/schema.ts";

type Section = Config["plugins"];

/** A plugin that is being written. */
export interface Development {
  readonly id: string;
  /** Its folder, absolute and without links. */
  readonly directory: string;
  /** What it may do beyond its own, besides what the configuration grants it. */
  readonly grants?: Section["entries"][string]["grants"];
}

/** The section as if its owner had switched the plugin on, before every other of its id; no file says so. */
export function withDevelopment(section: Section, development: Development | undefined): Section {
  if (!development) return section;
  const { id, directory, grants } = development;
  const entry = section.entries[id] ?? {};
  const granted = grants && { grants: { ...entry.grants, ...grants } };
  return {
    ...section,
    enabled: true,
    paths: [directory, ...section.paths],
    ...(section.allow && { allow: [...section.allow, id] }),
    deny: section.deny.filter((denied) => denied !== id),
    entries: { ...section.entries, [id]: { ...entry, enabled: true, ...granted } },
  };
}
