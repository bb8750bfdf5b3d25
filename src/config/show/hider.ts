/** Every longer secret is found by as many characters of its beginning. */
const HEAD_CHARS = 6;

/** The secrets that begin alike. */
interface Group {
  readonly texts: ReadonlySet<string>;
  /** How long they are, the longest first. */
  readonly lengths: readonly number[];
}

/**
 * Replaces every one of the secrets in a text, in one pass however many there are. Where some overlap, all
 * they cover goes.
 */
export function createHider(secrets: Iterable<string>, shown: string): (text: string) => string {
  const { byHead, headLengths, firsts } = index(secrets);

  /** The end of the longest secret that begins there. */
  function endAt(text: string, at: number): number | undefined {
    for (const chars of headLengths) {
      const group = byHead.get(text.slice(at, at + chars));
      const length = group?.lengths.find((chars) => group.texts.has(text.slice(at, at + chars)));
      if (length !== undefined) return at + length;
    }
    return undefined;
  }

  return (text) => {
    if (byHead.size === 0) return text;
    let hidden = "";
    let end = 0;
    for (let at = 0; at < text.length; at += 1) {
      const next = firsts.has(text.charCodeAt(at)) ? endAt(text, at) : undefined;
      if (next === undefined || next <= end) continue;
      if (at >= end) hidden += text.slice(end, at) + shown;
      end = next;
    }
    return hidden + text.slice(end);
  };
}

function index(secrets: Iterable<string>) {
  const byHead = new Map<string, Set<string>>();
  for (const secret of new Set(secrets)) {
    const head = secret.slice(0, HEAD_CHARS);
    const group = byHead.get(head) ?? new Set();
    byHead.set(head, group.add(secret));
  }
  byHead.delete("");
  const groups = new Map<string, Group>();
  for (const [head, texts] of byHead) {
    const lengths = [...new Set([...texts].map((text) => text.length))].sort((a, b) => b - a);
    groups.set(head, { texts, lengths });
  }
  const headLengths = [...new Set([...groups.keys()].map((head) => head.length))].sort((a, b) => b - a);
  const firsts = new Set([...groups.keys()].map((head) => head.charCodeAt(0)));
  return { byHead: groups, headLengths, firsts };
}
