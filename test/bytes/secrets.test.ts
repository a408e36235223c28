import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HIDDEN, keepLogin, keepSecret, withoutSecrets } from '../../src/bytes/secrets.ts';
import { runs } from '../rig/long.ts';

const PASSWORD = 'p+s/s w"ö\\rd%&=1';

test('a secret is hidden in every form in which text may hold it', () => {
  keepLogin('me', PASSWORD);
  const basic = Buffer.from(`me:${PASSWORD}`);
  for (const form of [
    PASSWORD,
    encodeURIComponent(PASSWORD),
    encodeURIComponent(PASSWORD).toLowerCase(),
    new URLSearchParams({ password: PASSWORD }).toString(),
    JSON.stringify({ password: PASSWORD }),
    `Basic ${basic.toString('base64')}`,
    basic.toString('base64url'),
    Buffer.from(`x${PASSWORD}y`).toString('base64'),
    Buffer.from(`xx${PASSWORD}yy`).toString('base64'),
    Buffer.from(`xxx${PASSWORD}`).toString('base64url'),
  ]) {
    const clean = withoutSecrets(`before ${form} after`);
    assert.match(clean, /^before .*\*\*\*.* after$/, form);
    assert.doesNotMatch(clean, /s%2fs|cCtzL3Mg|s\/s/i);
  }
});

test('whatever stands around it, a secret of eight characters does not get through', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 8, maxLength: 40 }),
      fc.string(),
      fc.string(),
      (secret, before, after) => {
        // What hides it must not bring it back.
        fc.pre(!HIDDEN.includes(secret) && !secret.includes('*'));
        keepSecret(secret);
        const text = withoutSecrets(`${before}${secret}${after}`);
        assert.ok(!text.includes(secret), JSON.stringify({ secret, text }));
      },
    ),
    runs(200, 5_000),
  );
});

test('a short secret is hidden as a word and leaves digests alone', () => {
  keepSecret('beef');
  const digest = `sha256:dead${'beef'.repeat(15)}`;
  assert.equal(withoutSecrets(`beef, "beef" in ${digest}`), `***, "***" in ${digest}`);
});

test('what is shorter than four characters is no secret', () => {
  keepSecret('abc', '', undefined);
  keepLogin('user', 'xyz');
  assert.equal(withoutSecrets('abc xyz'), 'abc xyz');
});

test('of very many secrets the newest ones are known', () => {
  for (let each = 0; each < 2_000; each++) keepSecret(`token number ${each}.`);
  assert.equal(withoutSecrets('token number 1999.'), '***');
  assert.equal(withoutSecrets('token number 1.'), 'token number 1.');
});
