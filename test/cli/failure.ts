import assert from 'node:assert/strict';
import type { RunResult } from '../rig/programs.ts';

/** What every failure must look like. */
export function expectFailure(
  { code, stdout, stderr }: RunResult,
  expected: { readonly code: number; readonly says: RegExp; readonly side?: string },
): void {
  assert.match(stderr, expected.says);
  assert.equal(code, expected.code, stderr);
  assert.equal(stdout, '', 'nothing is a result');
  assert.match(stderr, /^slipway: \S/m);
  assert.doesNotMatch(stderr, /^ +at |\bundefined\b|\[object |this is a bug|node:internal/m);
  if (expected.side !== undefined) assert.match(stderr, new RegExp(`where: ${expected.side}\\b`));
}
