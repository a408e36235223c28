import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { brokenAt } from '../../src/oci/json-position.ts';
import { runs } from '../rig/long.ts';

test('a text is broken where the first token cannot stand', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['{"a": x}', 'line 1, column 7'],
    ['{"a": 1,}', 'line 1, column 9'],
    ['{\n  "a": 1\n  "b": 2\n}', 'line 3, column 3'],
    ['[1, 2}', 'line 1, column 6'],
    ['{"a" 1}', 'line 1, column 6'],
    ['{1: 2}', 'line 1, column 2'],
    ['{} {}', 'line 1, column 4'],
    ['[01]', 'line 1, column 2'],
    ['["a\nb"]', 'line 1, column 2'],
    ['}{', 'line 1, column 1'],
    ['"\\x"', 'line 1, column 1'],
    ['', 'its end'],
    ['{"a": ', 'its end'],
    ['{"a": [1, 2', 'its end'],
  ];
  for (const [text, where] of rows) {
    assert.throws(() => JSON.parse(text));
    assert.equal(brokenAt(text), where, text);
  }
});

test('what is valid is read to its end, and what breaks it is found', () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (text, seed) => {
      assert.equal(brokenAt(text), 'its end');
      const at = seed % (text.length + 1);
      const broken = `${text.slice(0, at)}\u0001${text.slice(at)}`;
      const column = Number(/^line 1, column ([0-9]+)$/.exec(brokenAt(broken))?.[1]);
      // A token that isn't one is broken from its first character on.
      assert.ok(column >= 1 && column <= at + 1, broken);
    }),
    runs(200, 5_000),
  );
});

test('a string without an end is found at once, however long it is', () => {
  const startedAt = performance.now();
  for (const string of ['a'.repeat(1_000_000), '\\n'.repeat(500_000), 'a\\"'.repeat(300_000)]) {
    assert.equal(brokenAt(`{"a": "${string}`), 'line 1, column 7');
  }
  // A pattern that goes back over its text never comes to an end.
  assert.ok(performance.now() - startedAt < 20_000);
});
