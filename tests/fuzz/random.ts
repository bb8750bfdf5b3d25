/** Chance that can be repeated: the same seeds give the same numbers on every machine. */
export interface Random {
  /** A whole number from 0 to `end`, `end` left out. */
  below(end: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly [T, ...T[]]): T;
  /** One of a list whose emptiness only the run knows. */
  oneOf<T>(list: readonly T[]): T | undefined;
}

/** @source sfc32 of PractRand; the seeds are spread by the finalizer of MurmurHash3 */
export function createRandom(...seeds: readonly number[]): Random {
  let [a, b, c, counter] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 1];
  for (const seed of seeds) {
    a = spread(a ^ seed);
    b = spread(b + a);
    c = spread(c ^ b);
  }
  const next = (): number => {
    const sum = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let warm = 0; warm < 8; warm++) next();
  const below = (end: number): number => Math.floor((next() / 0x1_0000_0000) * end);
  return {
    below,
    chance: (probability) => next() < probability * 0x1_0000_0000,
    pick: (list) => list[below(list.length)] ?? list[0],
    oneOf: (list) => list[below(list.length)],
  };
}

function spread(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
