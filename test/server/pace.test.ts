import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { patience } from '../../src/server/pace.ts';

const PACE = { idleTimeoutMs: 10_000, minBytesPerSecond: 500 };

test('who is as fast as asked is waited for, however long it takes and in whatever parts', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9_000 }), { maxLength: 1000 }), (parts) => {
      const goesOn = patience(PACE);
      assert.ok(parts.every((passedMs) => goesOn(passedMs, Math.ceil(passedMs / 2))));
    }),
  );
});

test('who is silent is waited for once, and nothing is saved up for later', () => {
  const goesOn = patience(PACE);
  assert.ok(goesOn(9_999, 0));
  assert.ok(goesOn(1, 1_000_000));
  assert.ok(goesOn(9_999, 0));
  assert.ok(!goesOn(1, 0));
});

test('who is slower is not waited for long', () => {
  const goesOn = patience(PACE);
  let passedMs = 0;
  while (goesOn(100, 25)) passedMs += 100;
  assert.equal(passedMs, 19_900, 'half as fast, twice as long');
  assert.ok(!patience({ ...PACE, idleTimeoutMs: 1 })(60_000, 1));
});
