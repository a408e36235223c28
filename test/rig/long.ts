/** True where there is time for larger numbers: `npm run test:long`. */
export const LONG = process.env.SLIPWAY_TEST_LONG === '1';

/** How often a property is tried: `short` times in `npm test`, `long` times in the long run. */
export function runs(short: number, long: number): { readonly numRuns: number } {
  return { numRuns: LONG ? long : short };
}
