import { matchEnds, type PatternStep } from '../../bytes/text-pattern.ts';

const ANYTHING = () => true;

/** `*` and `?` of a shell pattern; everything else stands for itself. */
function stepsOf(pattern: string, escapeWith: string): readonly PatternStep[] {
  const steps: PatternStep[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] ?? '';
    if (character === '*') {
      if (steps.at(-1)?.repeats !== true) steps.push({ takes: ANYTHING, repeats: true });
    } else if (character === '?') steps.push({ takes: ANYTHING });
    else {
      if (character === escapeWith && at + 1 < pattern.length) at++;
      const expected = pattern[at] ?? '';
      steps.push({ takes: (found) => found === expected });
    }
  }
  return steps;
}

/** How much of the start is matched: the most, or the least. */
function reach(text: ArrayLike<string>, steps: readonly PatternStep[], isGreedy: boolean): number {
  let found = 0;
  for (const end of matchEnds(steps, text)) {
    found = end;
    if (!isGreedy) break;
  }
  return found;
}

/** How much of the start a pattern matches: the most, or the least. */
export function prefixLength(
  text: string,
  pattern: string,
  escapeWith: string,
  isGreedy: boolean,
): number {
  return reach(text, stepsOf(pattern, escapeWith), isGreedy);
}

/** How much of the end a pattern matches: the most, or the least. */
export function suffixLength(
  text: string,
  pattern: string,
  escapeWith: string,
  isGreedy: boolean,
): number {
  // Backwards it is a prefix.
  return reach(text.split('').reverse(), [...stepsOf(pattern, escapeWith)].reverse(), isGreedy);
}

/** The first match at or after `from`, the longest there. */
export function findPattern(
  text: string,
  from: number,
  pattern: string,
  escapeWith: string,
): { readonly start: number; readonly end: number } | undefined {
  const steps = stepsOf(pattern, escapeWith);
  for (let start = from; start <= text.length; start++) {
    let end = -1;
    for (const found of matchEnds(steps, text, start)) end = found;
    if (end >= 0) return { start, end };
  }
  return undefined;
}
