import { quoted, syntaxError } from './text.ts';
import type { Flag } from './words.ts';

/** The flags of an instruction by name: known ones only, each once unless it may be repeated. */
export interface Flags {
  value(name: string): string | undefined;
  flag(name: string): Flag | undefined;
  all(name: string): readonly string[];
  /** A flag without a value, or with `true` or `false`. */
  isOn(name: string): boolean | undefined;
}

/**
 * Reads the flags of an instruction.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function readFlags(
  keyword: string,
  flags: readonly Flag[],
  known: readonly string[],
  { repeated = [] as readonly string[], bare = [] as readonly string[] } = {},
): Flags {
  for (const flag of flags) {
    const { name, value, where } = flag;
    if (!known.includes(name)) {
      const hint = `it has ${known.map((other) => `--${other}`).join(', ')}`;
      throw syntaxError(where, `${keyword} has no flag ${quoted(`--${name}`)}`, hint);
    }
    if (!repeated.includes(name) && flags.find((other) => other.name === name) !== flag) {
      throw syntaxError(where, `--${name} stands twice`);
    }
    if (bare.includes(name)) {
      if (value !== undefined && value !== 'true' && value !== 'false') {
        throw syntaxError(where, `--${name} takes no value, or true or false`);
      }
    } else if (value === undefined || value === '') {
      throw syntaxError(where, `--${name} needs a value: --${name}=…`);
    }
  }
  const flag = (name: string) => flags.find((other) => other.name === name);
  return {
    flag,
    value: (name) => flag(name)?.value,
    all: (name) => flags.filter((other) => other.name === name).map(({ value }) => value ?? ''),
    isOn: (name) => (flag(name) === undefined ? undefined : flag(name)?.value !== 'false'),
  };
}
