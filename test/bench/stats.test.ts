import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spreadOf } from '../../bench/stats.ts';

test('median and quartiles lie between two values where there is none at the place', () => {
  assert.deepEqual(spreadOf([5, 1, 3]), { median: 3, quartiles: [2, 4] });
  assert.deepEqual(spreadOf([4, 1, 3, 2]), { median: 2.5, quartiles: [1.75, 3.25] });
  assert.deepEqual(spreadOf([7]), { median: 7, quartiles: [7, 7] });
});
