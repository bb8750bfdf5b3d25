import { LIMITS } from "../../contract/limits.ts";

/** Where an entry of the original says it stands; `parent` null: at the root, absent: after the one before. */
export interface TreePlace {
  readonly id: string;
  readonly parent?: string | null;
}

/** Rows after the first number, up to the second. */
export interface RowRange {
  readonly after: number;
  readonly upTo: number;
}

/** Entries that follow one another, in the file and in the tree. */
interface Segment {
  /** The newest row when it began. */
  readonly after: number;
  readonly parent: Point | undefined;
}

/** An entry: its segment, and the newest row up to it. */
interface Point {
  readonly segment: Segment;
  readonly row: number;
}

/**
 * The tree that a transcript of the original is: what was said anew hangs on an earlier entry, and what came
 * after that one before stays in the file. A parent that is not known any more, or never was, is taken for
 * the entry before: nothing is left out for it. @source PEER F13
 */
export class Branches {
  readonly #start: number;
  readonly #known = new Map<string, Point>();
  #tip: Point;
  #segments = 1;

  /** @param row the newest one before the first entry */
  constructor(row: number) {
    this.#start = row;
    this.#tip = { segment: { after: row, parent: undefined }, row };
  }

  /** The next entry of the file. @param row the newest one with it */
  add(place: TreePlace | undefined, row: number): void {
    const segment = this.#segmentOf(place);
    this.#tip = { segment, row };
    if (!place) return;
    this.#known.delete(place.id);
    this.#known.set(place.id, this.#tip);
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size > LIMITS.importEntriesMax) this.#known.delete(oldest);
  }

  /** What is not on the way from the root to the last entry, in order. */
  leftOut(): RowRange[] {
    const ranges: RowRange[] = [];
    let upTo = this.#tip.segment.after;
    for (let parent = this.#tip.segment.parent; parent; parent = parent.segment.parent) {
      if (parent.row < upTo) ranges.push({ after: parent.row, upTo });
      upTo = Math.min(upTo, parent.segment.after);
    }
    if (this.#start < upTo) ranges.push({ after: this.#start, upTo });
    return ranges.reverse();
  }

  #segmentOf(place: TreePlace | undefined): Segment {
    const tip = this.#tip;
    if (place?.parent === undefined || this.#segments >= LIMITS.importEntriesMax) return tip.segment;
    const parent = place.parent === null ? undefined : this.#known.get(place.parent);
    const isUnknown = place.parent !== null && !parent;
    if (isUnknown || parent === tip) return tip.segment;
    this.#segments++;
    return { after: tip.row, parent };
  }
}
