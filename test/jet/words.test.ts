import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { splitText } from '../../src/jet/words.ts';

test('words are split by blanks and quotes, and nothing is done to them', () => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    'ls -l  /': ['ls', '-l', '/'],
    'echo $HOME && ls | wc > f': ['echo', '$HOME', '&&', 'ls', '|', 'wc', '>', 'f'],
    'sh -c "echo \\"a b\\" $X"': ['sh', '-c', 'echo "a b" $X'],
    'sh -c \'a \\n "b"\'': ['sh', '-c', 'a \\n "b"'],
    'a\\ b c""d \'\' ""': ['a b', 'cd', '', ''],
    '"a\\b"': ['a\\b'],
    'a\\': ['a\\'],
    '*.txt ~ {a,b} `x` #no': ['*.txt', '~', '{a,b}', '`x`', '#no'],
  };
  for (const [text, words] of Object.entries(cases)) assert.deepEqual(splitText(text), words, text);
});

test('what is not closed or empty says so', () => {
  assert.equal(splitText('a "b'), 'has a " that is not closed');
  assert.equal(splitText("a 'b"), "has a ' that is not closed");
  assert.equal(splitText(' \t\n'), 'is empty');
});

test('whatever words there are, in quotes they come back', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1 }), (words) => {
      const single = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
      assert.deepEqual(splitText(single), words);
      const double = words.map((word) => `"${word.replace(/[\\"$`\n]/g, '\\$&')}"`).join('\t');
      assert.deepEqual(splitText(double), words);
    }),
  );
});
