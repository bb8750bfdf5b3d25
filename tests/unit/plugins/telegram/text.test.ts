import { expect, test } from "bun:test";
import fc from "fast-check";
import { split, toHtml } from "../../../../src/plugins/telegram/text.ts";
import { flawOfHtml, textOfHtml } from "../../../support/telegram-html.ts";

test.each([
  ['plain & <simple> "text"', "plain &amp; &lt;simple&gt; &quot;text&quot;"],
  ["**bold** and __bold__", "<b>bold</b> and <b>bold</b>"],
  ["*slanted* and _slanted_", "<i>slanted</i> and <i>slanted</i>"],
  ["***both***", "<b><i>both</i></b>"],
  ["**bold *and slanted* `code`**", "<b>bold <i>and slanted</i> <code>code</code></b>"],
  ["~~gone~~", "<s>gone</s>"],
  ["`a < b **not bold**`", "<code>a &lt; b **not bold**</code>"],
  ["2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"],
  ["**never closed", "**never closed"],
  ["\\*not slanted\\*", "*not slanted*"],
  ['[a **b**](https://x.org/?q=1&r="2)', '<a href="https://x.org/?q=1&amp;r=&quot;2">a <b>b</b></a>'],
  ["[wiki](https://x.org/a_(b))!", '<a href="https://x.org/a_(b)">wiki</a>!'],
  ["[no](javascript:alert)", "[no](javascript:alert)"],
  ["# Title\n\ntext", "<b>Title</b>\n\ntext"],
  ["- one\n  * two\n1. three", "• one\n  • two\n1. three"],
  ["> quoted\n> **more**\n\nnot", "<blockquote>quoted\n<b>more</b></blockquote>\n\nnot"],
  ["| a | b |\n|---|---|\n| 1 | <2> |\n\nend", "<pre>| a | b |\n|---|---|\n| 1 | &lt;2&gt; |</pre>\n\nend"],
  [
    "so:\n```ts\nconst a = 1 < 2; // **x**\n\n> y\n```\nand",
    'so:\n<pre><code class="language-ts">const a = 1 &lt; 2; // **x**\n\n&gt; y</code></pre>\nand',
  ],
  ["```\nnever closed", "<pre>never closed</pre>"],
  ["a\n```\n```\nb", "a\n<pre></pre>\nb"],
])("%j is told to Telegram as %j", (markdown, html) => {
  expect(toHtml(markdown)).toBe(html);
  expect(flawOfHtml(html)).toBeUndefined();
});

/** Text made of what means something. */
const markdown = fc
  .array(
    fc.constantFrom(
      "**",
      "*",
      "_",
      "__",
      "~~",
      "`",
      "```",
      "```js",
      "\n",
      "\n\n",
      "> ",
      "| ",
      "|",
      "# ",
      "- ",
      "[",
      "](https://x.org)",
      "<b>",
      "&",
      " ",
      "word",
      "ä",
      "😀",
      "\\",
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""));

test("whatever an agent writes is markup that Telegram takes, and no word of it is lost", () => {
  fc.assert(
    fc.property(markdown, (text) => {
      const html = toHtml(text);
      expect(flawOfHtml(html)).toBeUndefined();
      const words = (of: string): number => of.split("word").length;
      // The first word of a fence is the language of its code, and not shown.
      if (!text.includes("```")) expect(words(textOfHtml(html))).toBe(words(text));
      expect(textOfHtml(html).length).toBeLessThanOrEqual(text.length);
    }),
    { seed: 5, numRuns: 2_000 },
  );
});

test("a long text is cut between paragraphs, else lines, else words, else anywhere but in a character", () => {
  const paragraph = "word ".repeat(150).trim();
  const parts = split([paragraph, paragraph, paragraph].join("\n\n"), 1_600);
  expect(parts).toEqual([`${paragraph}\n\n${paragraph}`, paragraph]);
  expect(split("a ".repeat(400), 500).map((part) => part.length)).toEqual([495, 303]);
  const faces = "😀".repeat(400);
  expect(split(faces, 501).every((part) => part.isWellFormed())).toBe(true);
  expect(split(faces, 501).join("")).toBe(faces);
  expect(split("  short \n", 500)).toEqual(["short"]);
  expect(split(" \n ", 500)).toEqual([]);
});

test("code that is cut is code in both parts", () => {
  const code = Array.from({ length: 60 }, (_, at) => `line ${at};`).join("\n");
  const parts = split(`Look:\n\`\`\`js\n${code}\n\`\`\`\nDone`, 500);
  expect(parts.length).toBeGreaterThan(1);
  for (const part of parts.slice(0, -1)) expect(part).toEndWith("\n```");
  for (const part of parts.slice(1)) expect(part).toStartWith("```js\nline ");
  const shown = parts.map((part) => textOfHtml(toHtml(part))).join("\n");
  expect(shown).toBe(`Look:\n${code}\nDone`);
});

test("no part is longer than its bound, and cutting ends", () => {
  fc.assert(
    fc.property(fc.array(markdown, { maxLength: 30 }), (texts) => {
      const text = texts.join("");
      const parts = split(text, 500);
      for (const part of parts) expect(part.length).toBeLessThanOrEqual(500);
      const words = (of: string): number => of.split("word").length - 1;
      if (!text.includes("```")) expect(words(parts.join("\n"))).toBe(words(text));
    }),
    { seed: 6, numRuns: 500 },
  );
});
