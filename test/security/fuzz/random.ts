/** Numbers that look random and are the same for the same seed (mulberry32). */
export interface Random {
  /** a whole number from 0 to below `limit` */
  below(limit: number): number;
  /** one of several */
  of<T>(several: readonly T[]): T;
  /** true once in so many times */
  once(inTimes: number): boolean;
}

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (limit: number) => (limit <= 0 ? 0 : next() % limit);
  return {
    below,
    of: <T>(several: readonly T[]) => several[below(several.length)] as T,
    once: (inTimes) => below(inTimes) === 0,
  };
}
