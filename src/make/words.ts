import { SlipwayError } from '../errors.ts';

/** Targets and assignments of a command line. */
export interface MakeWords {
  readonly targets: readonly string[];
  /** of two assignments the last one counts */
  readonly assigned: ReadonlyMap<string, string>;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/**
 * Tells `VAR=VALUE` from targets. Leading blanks of a value don't count, as in make.
 *
 * @throws SlipwayError `USAGE`
 */
export function parseMakeWords(words: readonly string[]): MakeWords {
  const targets: string[] = [];
  const assigned = new Map<string, string>();
  for (const word of words) {
    const equals = word.indexOf('=');
    if (equals < 0) {
      targets.push(word);
      continue;
    }
    const name = word.slice(0, equals).trim();
    if (!NAME.test(name)) {
      throw new SlipwayError('USAGE', `${JSON.stringify(word)} is neither a target nor VAR=VALUE`, {
        hint: 'slipway make help lists the targets and the variables',
      });
    }
    assigned.set(name, withoutLeadingBlanks(word.slice(equals + 1)));
  }
  return { targets, assigned };
}

/** A value as make takes it. */
export function withoutLeadingBlanks(text: string): string {
  return text.replace(/^[ \t]+/, '');
}
