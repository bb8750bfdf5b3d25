import { z } from "zod";
import { UNUSED_CHANNELS } from "../original.ts";

/** What is in it is for the plugin that it belongs to: a mistake there stops that plugin and nothing else. */
const settingsOf = (plugin: string) =>
  z
    .record(z.string(), z.unknown())
    .optional()
    .meta({ description: `Settings of the plugin ${plugin}`, reload: "feature" });

/** By the id of the plugin: others than ours may have channels as well. */
export const channelsSection = z
  .strictObject({ telegram: settingsOf("telegram") })
  .catchall(settingsOf("of that name"))
  .prefault({})
  .meta({ unused: UNUSED_CHANNELS, tolerant: true });

export const hooksSection = settingsOf("webhook");
export const cronSection = settingsOf("cron");
