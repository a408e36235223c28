import { matchesWhole, type PatternStep } from '../bytes/text-pattern.ts';
import { SlipwayError } from '../errors.ts';
import type { ImageConfig, ProjectConfig } from './config.ts';

/**
 * The dimgs that patterns (`*`, `?`, `[set]`, `\`) mean, in the order of the configuration; without
 * any all. A nameless dimg always matches.
 *
 * @throws SlipwayError `NOT_FOUND`
 */
export function selectDimgs(
  { images }: Pick<ProjectConfig, 'images'>,
  patterns: readonly string[],
): readonly ImageConfig[] {
  const dimgs = images.filter(({ kind }) => kind === 'dimg');
  const wanted = patterns.length === 0 ? ['*'] : patterns;
  const found = dimgs.filter(
    ({ name }) => name === undefined || wanted.some((pattern) => matchesPattern(pattern, name)),
  );
  if (found.length > 0) return found;
  const shown = wanted.map((pattern) => `\`${pattern.slice(0, 100)}\``).join(', ');
  throw new SlipwayError('NOT_FOUND', `No such dimg: ${shown}!`, {
    hint: 'slipway dimg list shows those there are',
  });
}

/** @throws SlipwayError `USAGE` if it isn't exactly one */
export function onlyDimg(dimgs: readonly ImageConfig[]): ImageConfig {
  const [only] = dimgs;
  if (dimgs.length === 1 && only !== undefined) return only;
  const names = dimgs.map(({ name }) => `\`${name}\``).join(', ');
  throw new SlipwayError(
    'USAGE',
    `Command can process only one dimg! Ambiguous dimg pattern: ${names}!`,
    { hint: 'name the one before REPO' },
  );
}

/** Matching as a shell does it. */
function matchesPattern(pattern: string, text: string): boolean {
  return matchesWhole(stepsOf(pattern), Array.from(text));
}

function stepsOf(pattern: string): readonly PatternStep[] {
  const steps: PatternStep[] = [];
  for (let rest = pattern; rest !== ''; ) {
    const set = /^\[([!^]?)(\]?[^\]]*)\]/.exec(rest);
    if (rest.startsWith('*')) {
      steps.push({ takes: () => true, repeats: true });
      rest = rest.slice(1);
    } else if (rest.startsWith('?')) {
      steps.push({ takes: () => true });
      rest = rest.slice(1);
    } else if (set !== null) {
      steps.push({ takes: setOf(set[2] ?? '', set[1] !== '') });
      rest = rest.slice(set[0].length);
    } else {
      const [, literal = ''] = /^\\?(.)/su.exec(rest) ?? [];
      steps.push({ takes: (character) => character === literal });
      rest = rest.slice(
        rest.startsWith('\\') && rest.length > 1 ? 1 + literal.length : literal.length,
      );
    }
  }
  return steps;
}

function setOf(text: string, isNegated: boolean): PatternStep['takes'] {
  const ranges = [...text.matchAll(/(.)-(.)|(.)/gsu)].map(([, first, last, one]) => [
    first ?? one ?? '',
    last ?? one ?? '',
  ]);
  return (character) =>
    ranges.some(([first = '', last = '']) => first <= character && character <= last) !== isNegated;
}
