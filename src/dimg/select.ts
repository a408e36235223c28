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

/** Matching as a shell does it, in steps that the pattern and the text bound together. */
function matchesPattern(pattern: string, text: string): boolean {
  const parts = partsOf(pattern);
  let reached = new Set([0]);
  const withStars = (places: Set<number>) => {
    for (const place of places) if (parts[place] === '*') places.add(place + 1);
    return places;
  };
  reached = withStars(reached);
  for (const character of text) {
    const next = new Set<number>();
    for (const place of reached) {
      const part = parts[place];
      if (part === '*') next.add(place);
      else if (typeof part === 'function' && part(character)) next.add(place + 1);
    }
    reached = withStars(next);
  }
  return reached.has(parts.length);
}

type Part = '*' | ((character: string) => boolean);

function partsOf(pattern: string): readonly Part[] {
  const parts: Part[] = [];
  for (let rest = pattern; rest !== ''; ) {
    const set = /^\[([!^]?)(\]?[^\]]*)\]/.exec(rest);
    if (rest.startsWith('*')) {
      parts.push('*');
      rest = rest.slice(1);
    } else if (rest.startsWith('?')) {
      parts.push(() => true);
      rest = rest.slice(1);
    } else if (set !== null) {
      parts.push(setOf(set[2] ?? '', set[1] !== ''));
      rest = rest.slice(set[0].length);
    } else {
      const [, literal = ''] = /^\\?(.)/su.exec(rest) ?? [];
      parts.push((character) => character === literal);
      rest = rest.slice(
        rest.startsWith('\\') && rest.length > 1 ? 1 + literal.length : literal.length,
      );
    }
  }
  return parts;
}

function setOf(text: string, isNegated: boolean): Part {
  const ranges = [...text.matchAll(/(.)-(.)|(.)/gsu)].map(([, first, last, one]) => [
    first ?? one ?? '',
    last ?? one ?? '',
  ]);
  return (character) =>
    ranges.some(([first = '', last = '']) => first <= character && character <= last) !== isNegated;
}
