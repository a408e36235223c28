import path from 'node:path';
import { SlipwayError } from '../../errors.ts';
import { compilePattern, type PathPattern } from './path-pattern.ts';
import { quoted } from './text.ts';

/** Which paths of a context are left out. */
export interface IgnoreRules {
  /** True for a path that is left out; its parts are joined by `/`, without a slash in front. */
  ignores(path: string): boolean;
  /** Some rule brings back what another one leaves out: folders that are left out may hold files. */
  readonly hasExceptions: boolean;
}

const NOTHING: IgnoreRules = { ignores: () => false, hasExceptions: false };
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Reads a .dockerignore file by Docker's rules (github.com/moby/patternmatcher): the last rule that
 * matches a path, or a folder that it is in, decides; `!` brings back.
 *
 * @throws SlipwayError `CONFIG_INVALID` for a pattern that isn't one, `LIMIT_EXCEEDED`
 */
export function parseIgnore(bytes: Uint8Array | undefined, file = '.dockerignore'): IgnoreRules {
  if (bytes === undefined) return NOTHING;
  if (bytes.byteLength > MAX_BYTES) {
    throw new SlipwayError('LIMIT_EXCEEDED', `${file} is longer than ${MAX_BYTES} bytes`);
  }
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/);
  const patterns = lines.flatMap((line, at) => {
    if (line.startsWith('#')) return [];
    const text = line.trim();
    const isException = text.startsWith('!');
    const pattern = cleaned(isException ? text.slice(1).trim() : text);
    if (text === '') return [];
    return [{ pattern, isException, where: `${file}:${at + 1}:1` }];
  });
  return ignoreRules(patterns);
}

/** Rules of patterns that are given one by one, as `--exclude` does. */
export function excludeRules(patterns: readonly string[], where: string): IgnoreRules {
  const rules = patterns.map((text) => {
    const isException = text.startsWith('!');
    return { pattern: cleaned(isException ? text.slice(1) : text), isException, where };
  });
  return ignoreRules(rules);
}

interface Written {
  readonly pattern: string;
  readonly isException: boolean;
  readonly where: string;
}

function ignoreRules(written: readonly Written[]): IgnoreRules {
  const rules = written.map(({ pattern, isException, where }) => ({
    isException,
    matches: compiled(pattern, where),
  }));
  if (rules.length === 0) return NOTHING;
  return {
    hasExceptions: rules.some(({ isException }) => isException),
    ignores(file) {
      const paths = withParents(file);
      let isIgnored = false;
      for (const { isException, matches } of rules) {
        if (isException === isIgnored && paths.some(matches)) isIgnored = !isException;
      }
      return isIgnored;
    },
  };
}

/** As Go's filepath.Clean does it, without a slash in front. */
function cleaned(pattern: string): string {
  if (pattern === '') return '';
  const clean = path.posix.normalize(pattern).replace(/(.)\/$/, '$1');
  return clean.length > 1 && clean.startsWith('/') ? clean.slice(1) : clean;
}

function compiled(pattern: string, where: string): PathPattern {
  // Go checks with filepath.Match, which knows no `**`; what it takes the other one takes too.
  const found = pattern === '' ? undefined : compilePattern(pattern, { doubleStar: true });
  if (found !== undefined) return found;
  throw new SlipwayError('CONFIG_INVALID', `${where}: ${quoted(pattern)} is no pattern`, {
    hint: 'a [ needs its ], a \\ something after it, a ! a pattern',
  });
}

/** A path after all folders that it is in. */
function withParents(file: string): readonly string[] {
  const paths = [file];
  for (let at = file.lastIndexOf('/'); at > 0; at = file.lastIndexOf('/', at - 1)) {
    paths.push(file.slice(0, at));
  }
  return paths;
}
