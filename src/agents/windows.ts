/** What a model is taken to read when nobody says: Ollama's models are often run with no more. */
export const WINDOW_TOKENS_DEFAULT = 32_768;

/**
 * Tokens that well-known families read, by the model's own name. The first that fits counts. Small: what a
 * provider's list or the configuration says comes first.
 */
const FAMILIES: readonly (readonly [RegExp, number])[] = [
  [/\bgpt-5(?!.*chat)/, 400_000],
  [/\bgpt-5|\bgpt-4o|\bchatgpt-4o|\bgpt-4-turbo|\bo1\b/, 128_000],
  [/\bgpt-4\.1/, 1_047_576],
  [/\bo[34]\b/, 200_000],
  [/\bgpt-oss/, 131_072],
  [/\bgpt-4/, 8_192],
  [/\bgpt-3\.5/, 16_385],
  [/\bclaude/, 200_000],
  [/\bgemini/, 1_048_576],
  [/\bgemma-?[34]/, 131_072],
  [/\bgemma/, 8_192],
  [/\bgrok/, 131_072],
  [/\bqwen-?3-?(coder|next)/, 262_144],
  [/\bqwen-?3/, 40_960],
  [/\bqwen-?2\.5/, 32_768],
  [/\bqwq/, 131_072],
  [/\bllama-?4/, 1_048_576],
  [/\bllama-?3\.[1-9]/, 131_072],
  [/\bllama-?3/, 8_192],
  [/\b(mistral|ministral|magistral|devstral|codestral|pixtral)/, 131_072],
  [/\bmixtral/, 32_768],
  [/\bdeepseek/, 131_072],
  [/\bkimi-k2/, 262_144],
  [/\bglm-4\.[56]/, 131_072],
  [/\bphi-?4/, 16_384],
  [/\bphi-?3/, 131_072],
  [/\bcommand-(r|a)/, 131_072],
];

/** Tokens that a model of this name reads, if its family is known. */
export function familyWindow(model: string): number | undefined {
  const name = model.toLowerCase();
  return FAMILIES.find(([pattern]) => pattern.test(name))?.[1];
}

/**
 * Tokens that a model reads at most, if it is known: as configured, else by its family. Ollama cuts what is
 * over its own setting without a word, whatever the model could read.
 */
export function knownWindow(
  provider: string,
  model: string,
  configured: number | undefined,
): number | undefined {
  if (configured !== undefined) return configured;
  const known = familyWindow(model);
  return provider === "ollama" ? Math.min(known ?? Infinity, WINDOW_TOKENS_DEFAULT) : known;
}

/** Tokens of one answer, for an interface that wants to be told: by the model's own name. */
export function answerTokens(model: string): number {
  const name = model.toLowerCase();
  if (/\bclaude-(?:instant|2|3-(?:opus|sonnet|haiku))/.test(name)) return 4_096;
  if (!name.includes("claude") || /\bclaude-3-5/.test(name)) return 8_192;
  return 32_000;
}
