/** Markup as the Bot API reads it. @source core.telegram.org/bots/api#html-style */

const TAGS = new Set(
  "b strong i em u ins s strike del span tg-spoiler a code pre blockquote tg-emoji".split(" "),
);
const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"' };

/** What the Bot API would say of it; undefined when it takes it. */
export function flawOfHtml(html: string): string | undefined {
  const open: string[] = [];
  for (const match of html.matchAll(/<([^>]*)(>?)/g)) {
    const offset = Buffer.byteLength(html.slice(0, match.index));
    const inside = match[1] ?? "";
    const name = /^\/?([\w-]*)/.exec(inside)?.[1]?.toLowerCase() ?? "";
    if (match[2] === "") return `Unclosed start tag at byte offset ${offset}`;
    if (!TAGS.has(name)) return `Unsupported start tag "${name}" at byte offset ${offset}`;
    if (!inside.startsWith("/")) {
      if (!/^[\w-]+(?:\s+[\w-]+="[^"<>]*")*$/.test(inside))
        return `Unexpected end of name token at byte offset ${offset}`;
      if (name === "blockquote" && open.includes(name)) return `Nested blockquote at byte offset ${offset}`;
      open.push(name);
      continue;
    }
    const last = open.pop();
    if (last === undefined) return `Unexpected end tag at byte offset ${offset}`;
    if (last !== name)
      return `Unmatched end tag at byte offset ${offset}, expected "</${last}>", found "</${name}>"`;
  }
  const last = open.at(-1);
  return last === undefined ? undefined : `Can't find end tag corresponding to start tag "${last}"`;
}

/** What people see of it. */
export function textOfHtml(html: string): string {
  return html
    .replace(/<[^>]*>/g, "")
    .replace(
      /&(?:(lt|gt|amp|quot)|#(\d+)|#x([0-9a-f]+));/gi,
      (whole, name?: string, decimal?: string, hex?: string) => {
        if (name !== undefined) return ENTITIES[name.toLowerCase()] ?? whole;
        return String.fromCodePoint(
          decimal === undefined ? Number.parseInt(hex ?? "0", 16) : Number(decimal),
        );
      },
    );
}
