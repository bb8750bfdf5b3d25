/** Parts of at most `unitsMax` UTF-16 units, cut between paragraphs, lines or words; fences are kept whole. */
export function split(markdown: string, unitsMax: number): string[] {
  const parts: string[] = [];
  let rest = markdown.trim();
  while (rest.length > unitsMax) {
    // Room for a fence that has to be closed.
    const room = unitsMax - 4;
    const part = rest.slice(0, cutAt(rest, room));
    const fence = openFence(part);
    parts.push(fence === undefined ? part.trimEnd() : `${part.trimEnd()}\n\`\`\``);
    rest = rest.slice(part.length).replace(fence === undefined ? /^[ \t]*\n+|^ / : /^\n/, "");
    if (fence !== undefined) rest = `${fence}\n${rest}`;
  }
  return rest === "" ? parts : [...parts, rest];
}

function cutAt(text: string, unitsMax: number): number {
  const head = text.slice(0, unitsMax);
  // Not so early that a part is next to nothing: a word may be longer than what comes before it.
  const found = ["\n\n", "\n", " "].map((gap) => head.lastIndexOf(gap)).find((at) => at > unitsMax / 4);
  if (found !== undefined) return found;
  const isHalf = /[\uD800-\uDBFF]$/.test(head);
  return isHalf ? unitsMax - 1 : unitsMax;
}

/** The line that opened a block of code which goes on at the end. */
function openFence(text: string): string | undefined {
  const fences = text.match(/^ {0,3}```.*$/gm) ?? [];
  // A longer line of it would be said again with each part.
  return fences.length % 2 === 1 ? fences.at(-1)?.trim().slice(0, 30) : undefined;
}

/** Markdown as the HTML that Telegram takes. What it has no tags for stays as it was written. */
export function toHtml(markdown: string): string {
  const pieces = markdown.split(FENCED);
  // Text, then the language and the code of a block, then text again.
  return pieces
    .map((piece, at) => {
      if (at % 3 === 0) return blocks(at === 0 ? piece : piece.replace(/^\n/, ""));
      if (at % 3 === 1) return "";
      const language = /^[\w+#.-]+/.exec(pieces[at - 1]?.trim() ?? "")?.[0];
      const code = escape(piece.trimEnd());
      return language
        ? `<pre><code class="language-${language}">${code}</code></pre>\n`
        : `<pre>${code}</pre>\n`;
    })
    .join("")
    .trim();
}

const FENCED = /^ {0,3}```([^\n`]*)\n([^]*?)(?:^ {0,3}```[ \t]*$|$(?![^]))/m;

/** Lines of one kind that follow each other are one block. */
function blocks(text: string): string {
  return text.replace(/(?:^ {0,3}>.*(?:\n|$))+|(?:^ *\|.*\|[ \t]*(?:\n|$))+|^.+$/gm, (block) => {
    if (/^ {0,3}>/.test(block)) {
      const quoted = block.trimEnd().replace(/^ {0,3}> ?/gm, "");
      return `<blockquote>${quoted.split("\n").map(line).join("\n")}</blockquote>\n`;
    }
    return /^ *\|.*\|[ \t]*$/m.test(block) ? `<pre>${escape(block.trimEnd())}</pre>\n` : line(block);
  });
}

function line(text: string): string {
  const heading = /^ {0,3}#{1,6} +(.*?)(?: +#+)? *$/.exec(text)?.[1];
  if (heading !== undefined) return `<b>${inline(heading)}</b>`;
  return inline(text.replace(/^( *)[-*+] +/, "$1• "));
}

/** The first that fits counts. What stands between two marks is read again, and so closed before they are. */
const MARKS = new RegExp(
  [
    /`(?<code>[^`]+)`/,
    /\\(?<sign>[\\`*_{}[\]()#+\-.!>~|])/,
    /\[(?<label>[^\]]+)\]\((?<url>(?:https?|tg|mailto):[^\s()]+(?:\([^\s()]*\)[^\s()]*)*)\)/,
    /\*\*(?<strong>(?=\S).*?\S)\*\*(?!\*)/,
    /(?<!\w)__(?<heavy>(?=\S).*?\S)__(?!\w)/,
    /\*(?<em>[^\s*](?:.*?[^\s*])?)\*(?!\*)/,
    /(?<!\w)_(?<slanted>[^\s_](?:.*?[^\s_])?)_(?!\w)/,
    /~~(?<struck>(?=\S).*?\S)~~/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "g",
);

function inline(text: string): string {
  let html = "";
  let end = 0;
  for (const match of text.matchAll(MARKS)) {
    html += escape(text.slice(end, match.index)) + tagged(match.groups ?? {});
    end = match.index + match[0].length;
  }
  return html + escape(text.slice(end));
}

function tagged(marked: Readonly<Record<string, string | undefined>>): string {
  const { code, sign, label, url = "", strong, heavy, em, slanted, struck = "" } = marked;
  if (code !== undefined) return `<code>${escape(code)}</code>`;
  if (sign !== undefined) return escape(sign);
  if (label !== undefined) return `<a href="${escape(url)}">${inline(label)}</a>`;
  const [bold, italic] = [strong ?? heavy, em ?? slanted];
  if (bold !== undefined) return `<b>${inline(bold)}</b>`;
  return italic === undefined ? `<s>${inline(struck)}</s>` : `<i>${inline(italic)}</i>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => ESCAPES[sign] ?? sign);
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
