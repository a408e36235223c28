import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepareSlipway } from '../rig/slipway.ts';

test('slug prints the slug of its arguments, joined with blanks', async (t) => {
  const slipway = await prepareSlipway(t);
  assert.deepEqual(await slipway.must(['slug', 'hello', 'world']), ['hello-world-0f8f925e']);
  assert.deepEqual(await slipway.must(['slug', '']), ['00000000']);
  const long = 'x'.repeat(60);
  const [short] = await slipway.must(['slug', long], { env: { WERF_SLUG_V3: '1' } });
  assert.match(short ?? '', /^x{44}-[0-9a-f]{8}$/);
  const none = await slipway.run(['slug']);
  assert.equal(none.code, 2);
});
