// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles look like that
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ExpansionError,
  expandHeredoc,
  expandWord,
  expandWords,
} from '../../../src/build/dockerfile/expand.ts';
import { runs } from '../../rig/long.ts';

const VARIABLES = new Map([
  ['a', 'foo/bar.tar.gz'],
  ['empty', ''],
  ['ports', '80 443'],
  ['_x1', 'y'],
]);

const WORDS: readonly (readonly [string, string])[] = [
  ['$a', 'foo/bar.tar.gz'],
  ['x${_x1}z', 'xyz'],
  ['$_x1z', ''],
  ['${missing}', ''],
  ['${a:-x}', 'foo/bar.tar.gz'],
  ['${empty:-x}', 'x'],
  ['${empty-x}', ''],
  ['${missing-x}', 'x'],
  ['${missing:-${a}}', 'foo/bar.tar.gz'],
  ['${missing:-"a b"}', 'a b'],
  ['${a:+y}', 'y'],
  ['${empty:+y}', ''],
  ['${empty+y}', 'y'],
  ['${a:?why}', 'foo/bar.tar.gz'],
  ['${a#*/}', 'bar.tar.gz'],
  ['${a#f?o}', '/bar.tar.gz'],
  ['${a##*.}', 'gz'],
  ['${a%.*}', 'foo/bar.tar'],
  ['${a%%.*}', 'foo/bar'],
  ['${a%nothing}', 'foo/bar.tar.gz'],
  ['${a/bar/baz}', 'foo/baz.tar.gz'],
  ['${a//a/_}', 'foo/b_r.t_r.gz'],
  ['${a/./,}', 'foo/bar,tar.gz'],
  ['${a/o*r/-}', 'f-.gz'],
  ['\\$a', '$a'],
  ["'$a'", '$a'],
  ['"$_x1 \\"b\\""', 'y "b"'],
  ['"a\\b"', 'a\\b'],
  ['a\\ b', 'a b'],
  ['$', '$'],
  ['a$', 'a$'],
  ['$/x', '$/x'],
];

for (const [text, expanded] of WORDS) {
  test(`${text} becomes ${JSON.stringify(expanded)}`, () => {
    assert.equal(expandWord(text, VARIABLES, '\\'), expanded);
  });
}

test('blanks of a variable part words, quoted ones do not', () => {
  assert.deepEqual(expandWords('$ports "$ports" a\\ b \'\'', VARIABLES, '\\'), [
    '80',
    '443',
    '80 443',
    'a b',
    '',
  ]);
});

test('a backtick escapes where a directive says so', () => {
  assert.equal(expandWord('C:\\x `$a', VARIABLES, '`'), 'C:\\x $a');
});

test('in heredocs quotes stay, and an escaped dollar is one', () => {
  assert.equal(expandHeredoc(`"$_x1" '\${_x1}' \\$a \\n\n`, VARIABLES), `"y" 'y' $a \\n\n`);
});

for (const text of [
  '${',
  '${}',
  '${a',
  '${a^}',
  '${a:x}',
  '${missing?no}',
  "'x",
  '"x',
  '${a:-"}',
]) {
  test(`${text} is refused`, () => {
    assert.throws(() => expandWord(text, VARIABLES, '\\'), ExpansionError);
  });
}

test('text without signs stays as it is, and nothing else than an expansion error is thrown', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      try {
        const found = expandWord(text, VARIABLES, '\\');
        if (!/[$'"\\]/.test(text)) assert.equal(found, text);
      } catch (error) {
        assert.ok(error instanceof ExpansionError);
      }
    }),
    runs(500, 20_000),
  );
});
