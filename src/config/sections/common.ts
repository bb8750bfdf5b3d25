import { z } from "zod";
import { LIMITS } from "../../contract/limits.ts";

export function isHttpUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return /^https?:$/.test(url?.protocol ?? "") && url?.username === "" && url.password === "";
}

export const Text = z.string().min(1);
/** One step instead of a copy of the schema for each bound: these modules run at every start with a file. */
export const whole = (min: number, max: number): z.ZodInt => z.int().check(z.gte(min), z.lte(max));
export const Flag = z.boolean();
export const Secret = z.string().max(LIMITS.secretCharsMax).optional();
export const Variable = z.string().meta({ secret: true, reload: "live" });
export const AgentId = z.string().refine((id) => /^[a-z0-9][a-z0-9_-]{0,63}$/i.test(id), {
  error: "wanted letters, digits, - and _, at most 64",
});
export const ModelRef = z.string().min(1).max(200);
