import type { SessionSettings } from "./environment.ts";

/** What `sessions.patch` may say; null takes one back, what it does not name stays. */
export type Patch = SettingsPatch & {
  readonly label?: string | null | undefined;
  readonly model?: string | null | undefined;
  readonly agentId?: string | undefined;
};

type SettingsPatch = { readonly [K in keyof SessionSettings]?: SessionSettings[K] | null | undefined };

export function mergeSettings(settings: SessionSettings, patch: SettingsPatch): SessionSettings {
  const given = Object.entries(patch).filter(([, value]) => value !== undefined);
  const merged = { ...settings, ...Object.fromEntries(given) };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
}
