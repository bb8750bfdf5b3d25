import { z } from "zod";
import { UNUSED_PLUGIN_ENTRY, UNUSED_PLUGINS } from "../original.ts";
import { Flag, Text } from "./common.ts";

const Ids = z.array(z.string().max(200)).max(1_000);

const Granted = z.lazy(() =>
  z.strictObject({
    network: Flag.optional().meta({ description: "Connections to other machines" }),
    files: z
      .array(Text.max(4_096))
      .max(100)
      .optional()
      .meta({ description: "Files and folders it may read and write; absolute, or from ~/" }),
    env: z.array(Text.max(200)).max(100).optional().meta({ description: "Environment variables it may see" }),
    exec: Flag.optional().meta({ description: "Programs it may start" }),
    sessions: Flag.optional().meta({ description: "Sessions that are not its own" }),
  }),
);

const Entry = z.lazy(() =>
  z
    .strictObject({
      enabled: Flag.optional().meta({
        description: "Whether it runs; absent: what switches it on by itself",
      }),
      // What belongs there is the plugin's to say: a mistake stops that one and nothing else.
      config: z.record(z.string(), z.unknown()).optional().meta({ description: "Its own settings" }),
      grants: Granted.optional().meta({ description: "What it may do beyond its own" }),
      isolation: z
        .enum(["process", "own", "none"])
        .optional()
        .meta({ description: "In the process of plugins, in one of its own, or in the gateway's" }),
    })
    .meta({ unused: UNUSED_PLUGIN_ENTRY, tolerant: true }),
);

/** Which plugins run, and with what. */
export const pluginsSection = z
  .strictObject({
    enabled: Flag.default(true).meta({ description: "false: no plugin runs", reload: "feature" }),
    paths: z.array(Text.max(4_096)).max(100).default([]).meta({
      description: "Folders of plugins, or of several of them; absolute, or from ~/",
      reload: "feature",
    }),
    allow: Ids.optional().meta({ description: "Plugins that may run; absent: all", reload: "feature" }),
    deny: Ids.default([]).meta({ description: "Plugins that may not run, whatever else", reload: "feature" }),
    entries: z.record(Text.max(200), Entry).default({}).meta({
      description: "What each plugin is told, by its id",
      reload: "feature",
    }),
  })
  .prefault({})
  .meta({ unused: UNUSED_PLUGINS });
