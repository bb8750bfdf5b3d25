import { expect, test } from "bun:test";
import { answerTokens, familyWindow, knownWindow } from "../../../src/agents/windows.ts";

test.each([
  ["gpt-5-mini", 400_000],
  ["gpt-5-chat-latest", 128_000],
  ["openai/gpt-4.1-nano", 1_047_576],
  ["gpt-4o-mini", 128_000],
  ["gpt-4-0613", 8_192],
  ["o3-pro", 200_000],
  ["o4-mini", 200_000],
  ["gpt-oss:20b", 131_072],
  ["anthropic/claude-sonnet-4-5", 200_000],
  ["google/gemini-2.5-flash", 1_048_576],
  ["gemma3:4b", 131_072],
  ["gemma2:9b", 8_192],
  ["qwen3:8b", 40_960],
  ["Qwen/Qwen3-Coder-30B", 262_144],
  ["meta-llama/Llama-3.3-70B-Instruct", 131_072],
  ["llama3.2", 131_072],
  ["llama3:8b", 8_192],
  ["mistral-large-latest", 131_072],
  ["deepseek-chat", 131_072],
  ["phi4", 16_384],
  ["something-new", undefined],
] as const)("%s reads %p tokens", (model, tokens) => {
  expect(familyWindow(model)).toBe(tokens);
});

test("what is configured counts, then the family, then the default; Ollama runs them with less", () => {
  expect(knownWindow("openai", "gpt-5", 9)).toBe(9);
  expect(knownWindow("openai", "gpt-5", undefined)).toBe(400_000);
  expect(knownWindow("home", "something-new", undefined)).toBeUndefined();
  expect(knownWindow("ollama", "llama3.2", undefined)).toBe(32_768);
  expect(knownWindow("ollama", "gemma2:9b", undefined)).toBe(8_192);
  expect(knownWindow("ollama", "llama3.2", 131_072)).toBe(131_072);
});

test.each([
  ["claude-3-haiku-20240307", 4_096],
  ["claude-3-5-haiku-latest", 8_192],
  ["claude-opus-4-1", 32_000],
  ["glm-4.6", 8_192],
])("an answer of %s takes %p tokens", (model, tokens) => {
  expect(answerTokens(model)).toBe(tokens);
});
