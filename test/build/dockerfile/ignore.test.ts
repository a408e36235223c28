import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { excludeRules, parseIgnore } from '../../../src/build/dockerfile/ignore.ts';
import { compilePattern } from '../../../src/build/dockerfile/path-pattern.ts';
import { runs } from '../../rig/long.ts';

const VECTORS = new URL('../../../../shared/vectors/dockerignore.json', import.meta.url);

function ignores(lines: readonly string[], path: string): boolean {
  return parseIgnore(Buffer.from(lines.join('\n'))).ignores(path);
}

interface Row {
  readonly pattern?: string;
  readonly patterns?: readonly string[];
  readonly text?: string;
  readonly pass?: boolean;
  readonly s?: string;
  readonly match?: boolean;
  readonly err?: unknown;
}

test("moby's own tables hold", {
  skip: existsSync(VECTORS) ? false : 'the vectors are not here',
}, () => {
  const { sources } = JSON.parse(readFileSync(VECTORS, 'utf8')) as {
    sources: readonly { tables: readonly { rows: readonly (Row | string)[] }[] }[];
  };
  let count = 0;
  for (const row of sources.flatMap(({ tables }) => tables.flatMap(({ rows }) => rows))) {
    if (typeof row === 'string') continue;
    const { pattern = '', patterns = [pattern], text, pass, s, match, err } = row;
    if (text !== undefined) {
      assert.equal(ignores(patterns, text), pass, JSON.stringify(row));
      count++;
    } else if (s !== undefined) {
      if (err) assert.throws(() => ignores([pattern], s), { code: 'CONFIG_INVALID' });
      else assert.equal(ignores([pattern], s), match, JSON.stringify(row));
      count++;
    }
  }
  assert.ok(count > 100, String(count));
});

test('the last rule that matches decides, for what is in a folder too', () => {
  const lines = [
    '# comment',
    '',
    '  *.md  ',
    '!README*.md',
    '/secret/',
    'a/./b/../c',
    '!secret/ok',
  ];
  const found = [
    'x.md',
    'README.md',
    'd/x.md',
    'secret',
    'secret/key',
    'secret/ok/1',
    'a/c/d',
    'b',
  ];
  assert.deepEqual(
    found.filter((path) => ignores(lines, path)),
    ['x.md', 'secret', 'secret/key', 'a/c/d'],
  );
});

test('an exclamation mark alone, and a class without an end, are refused with their line', () => {
  for (const bad of ['!', 'a[', 'x\\', '[]a]']) {
    assert.throws(() => parseIgnore(Buffer.from(`ok\n${bad}`)), {
      code: 'CONFIG_INVALID',
      message: /^\.dockerignore:2:1: /,
    });
  }
});

test('no pattern is slow', () => {
  const path = `${'a/'.repeat(500)}${'a'.repeat(3000)}`;
  const start = performance.now();
  for (const pattern of ['a?'.repeat(30), '**/'.repeat(50), '{a,b}'.repeat(20), '*a'.repeat(50)]) {
    excludeRules([`${pattern}b`], 'here').ignores(path);
    compilePattern(`${pattern}b`)?.(path);
  }
  // Backtracking would take centuries.
  assert.ok(performance.now() - start < 20_000);
});

test('patterns match as the regular expressions that Docker makes of them', () => {
  const piece = fc.constantFrom('*', '?', '**', '**/', '/', 'a', 'b', '.', '[ab]', '[^a]', '\\*');
  const pattern = fc.array(piece, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
  const path = fc
    .array(fc.constantFrom('a', 'b', '/', '.', '*', 'ab'), { minLength: 1, maxLength: 8 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(pattern, path, (text, file) => {
      fc.pre(!text.startsWith('**') || text.startsWith('**/') || /[*?[\\]/.test(text.slice(2)));
      assert.equal(
        compilePattern(text, { doubleStar: true })?.(file),
        new RegExp(regexOf(text), 's').test(file),
        `${text} on ${file}`,
      );
    }),
    runs(2_000, 100_000),
  );
});

/** The regular expression of moby/patternmatcher. */
function regexOf(pattern: string): string {
  let out = '^';
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] ?? '';
    if (character === '*' && pattern[at + 1] === '*') {
      at++;
      if (pattern[at + 1] === '/') at++;
      out += at + 1 >= pattern.length ? '.*' : '(.*/)?';
    } else if (character === '*') out += '[^/]*';
    else if (character === '?') out += '[^/]';
    else if (character === '.') out += '\\.';
    else if (character === '\\') out += `\\${pattern[++at]}`;
    else out += character;
  }
  return `${out}$`;
}
