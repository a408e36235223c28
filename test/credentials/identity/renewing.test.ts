import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Login } from '../../../src/credentials/identity/login.ts';
import { renewing } from '../../../src/credentials/identity/renewing.ts';
import { SlipwayError } from '../../../src/errors.ts';

const MINUTE = 60_000;

/** A source of logins that can be told to fail, and a clock that is set by hand. */
function source(lifeMs?: number) {
  const state = { clock: 0, fetched: 0, error: undefined as unknown };
  const lookup = renewing(
    async (): Promise<Login> => {
      state.fetched++;
      const { fetched } = state;
      await new Promise((resolve) => setImmediate(resolve));
      if (state.error !== undefined) throw state.error;
      return {
        credential: { username: 'u', password: `renewing-password-${fetched}` },
        ...(lifeMs === undefined ? {} : { expiresAtMs: Date.now() + lifeMs }),
      };
    },
    () => state.clock,
  );
  return { state, password: async () => (await lookup())?.password };
}

test('all who ask at once share one exchange', async () => {
  const { state, password } = source(60 * MINUTE);
  const all = await Promise.all(Array.from({ length: 20 }, () => password()));
  assert.deepEqual(new Set(all), new Set(['renewing-password-1']));
  assert.equal(state.fetched, 1);
});

test('a login is renewed five minutes before its end, and not earlier', async () => {
  const { state, password } = source(60 * MINUTE);
  await password();
  state.clock = 54 * MINUTE;
  assert.equal(await password(), 'renewing-password-1');
  state.clock = 55 * MINUTE + 1;
  assert.equal(await password(), 'renewing-password-2');
  assert.equal(await password(), 'renewing-password-2');
});

test('a short one is renewed after four fifths of its life', async () => {
  const { state, password } = source(5 * MINUTE);
  await password();
  state.clock = 3.9 * MINUTE;
  assert.equal(await password(), 'renewing-password-1');
  state.clock = 4.1 * MINUTE;
  assert.equal(await password(), 'renewing-password-2');
});

test('one without an end is kept for the run', async () => {
  const { state, password } = source();
  await password();
  state.clock = 1e9;
  assert.equal(await password(), 'renewing-password-1');
});

test('when renewing fails the old login is used to its end, and the failure told then', async () => {
  const { state, password } = source(60 * MINUTE);
  await password();
  state.error = new SlipwayError('NETWORK', 'no way', { transient: true });
  state.clock = 56 * MINUTE;
  assert.equal(await password(), 'renewing-password-1');
  assert.equal(await password(), 'renewing-password-1');
  assert.equal(state.fetched, 2, 'not asked again at once');
  state.clock = 60 * MINUTE + 1;
  await assert.rejects(password(), { code: 'NETWORK' });
  state.error = undefined;
  assert.equal(await password(), 'renewing-password-4');
});

test('what was refused is not asked again, what may pass is', async () => {
  const refused = source(60 * MINUTE);
  refused.state.error = new SlipwayError('AUTH_REQUIRED', 'no');
  await assert.rejects(refused.password(), { code: 'AUTH_REQUIRED' });
  refused.state.error = undefined;
  await assert.rejects(refused.password(), { code: 'AUTH_REQUIRED' });
  assert.equal(refused.state.fetched, 1);

  const cut = source(60 * MINUTE);
  cut.state.error = new SlipwayError('NETWORK', 'cut', { transient: true });
  await assert.rejects(cut.password(), { code: 'NETWORK' });
  cut.state.error = undefined;
  assert.equal(await cut.password(), 'renewing-password-2');
});
