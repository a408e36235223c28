/** The middle of some measurements, and how far they are spread. */
export interface Spread {
  readonly median: number;
  /** a quarter of the values is below the first, a quarter above the third quartile */
  readonly quartiles: readonly [number, number];
}

/** Median and quartiles, between two values where there is none at the place. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number => {
    const place = part * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    return (low ?? Number.NaN) + ((high ?? Number.NaN) - (low ?? Number.NaN)) * (place % 1);
  };
  return { median: at(0.5), quartiles: [at(0.25), at(0.75)] };
}
