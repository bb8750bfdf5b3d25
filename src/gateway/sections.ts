import type { z } from "zod";
import type { ConfigStore } from "../config/store.ts";

/** A feature's section: the root schema has it from that feature's own contract. */
export function sectionOf<C extends z.ZodObject>(
  store: ConfigStore,
  { name }: { readonly name: string; readonly config?: (() => C) | undefined },
): z.output<C> {
  return store.current()[name] as z.output<C>;
}

/** The one marked as default, else the first, else `main`: what the original does. */
export function defaultAgentOf(store: ConfigStore): string {
  const { list } = store.current().agents;
  return (list.find((agent) => agent.default) ?? list[0])?.id ?? "main";
}
