/** One step of a pattern. */
export interface PatternStep {
  takes(character: string): boolean;
  /** as often as it takes, also not at all */
  readonly repeats?: boolean;
}

/**
 * Where matches that begin at `start` can end, the nearest first. A set of places in the pattern
 * moves over the text once, so no pattern is slow.
 */
export function* matchEnds(
  steps: readonly PatternStep[],
  characters: ArrayLike<string>,
  start = 0,
): Generator<number> {
  const withSkipped = (places: Set<number>): Set<number> => {
    for (const place of places) if (steps[place]?.repeats === true) places.add(place + 1);
    return places;
  };
  let reached = withSkipped(new Set([0]));
  for (let at = start; ; at++) {
    if (reached.has(steps.length)) yield at;
    const character = characters[at];
    if (character === undefined || reached.size === 0) return;
    const next = new Set<number>();
    for (const place of reached) {
      const step = steps[place];
      if (step?.takes(character)) next.add(step.repeats === true ? place : place + 1);
    }
    reached = withSkipped(next);
  }
}

/** True if the pattern takes all of the text. */
export function matchesWhole(
  steps: readonly PatternStep[],
  characters: ArrayLike<string>,
): boolean {
  for (const end of matchEnds(steps, characters)) if (end === characters.length) return true;
  return false;
}
