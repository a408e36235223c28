import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlipwayError } from '../../src/errors.ts';
import {
  digestAlgorithm,
  digestHex,
  digestOf,
  isDigest,
  isDigestAlgorithm,
  parseDigest,
  shortDigest,
  startDigest,
} from '../../src/oci/digest.ts';
import { LONG, runs } from '../rig/long.ts';

const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

test('digests of known bytes are the known ones', () => {
  assert.equal(digestOf(''), EMPTY);
  assert.equal(
    digestOf('{}'),
    'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
  );
  assert.match(digestOf('', 'sha512'), /^sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc8/);
});

test('a digest comes apart into its parts', () => {
  const digest = parseDigest(EMPTY);
  assert.equal(digestAlgorithm(digest), 'sha256');
  assert.equal(digestHex(digest), EMPTY.slice(7));
  assert.equal(shortDigest(digest), 'e3b0c44298fc');
});

test('the list of algorithms is closed, the hex is lower case and of its exact length', () => {
  for (const text of [
    '',
    ':',
    'sha256',
    'sha256:',
    EMPTY.slice(0, -1),
    `${EMPTY}0`,
    EMPTY.toUpperCase(),
    `SHA256:${EMPTY.slice(7)}`,
    ` ${EMPTY}`,
    `${EMPTY}\n`,
    `sha256:${'g'.repeat(64)}`,
    `sha256:${'٠'.repeat(64)}`,
    `sha512:${'a'.repeat(64)}`,
    `sha384:${'a'.repeat(96)}`,
    `md5:${'a'.repeat(32)}`,
    `sha256+b64:${'a'.repeat(64)}`,
    `__proto__:${'a'.repeat(64)}`,
    `constructor:${'a'.repeat(64)}`,
    `sha256:../../${'a'.repeat(58)}`,
  ]) {
    assert.equal(isDigest(text), false, text);
    assert.throws(() => parseDigest(text), { code: 'REFERENCE_INVALID' });
  }
  for (const value of [undefined, null, 1, {}, [EMPTY]]) assert.equal(isDigest(value), false);
  for (const name of ['toString', 'SHA256', 'sha384', '']) assert.ok(!isDigestAlgorithm(name));
});

test('of ten thousand mutated digests none but real ones get through', () => {
  const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEF0123456789:/.\\%\u0000\n +-_';
  const edit = fc.tuple(
    fc.nat(72),
    fc.constantFrom(...alphabet),
    fc.constantFrom('set', 'add', 'cut'),
  );
  const strict = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let text: string = EMPTY;
      for (const [at, character, kind] of edits) {
        const rest = kind === 'add' ? at : at + 1;
        text = text.slice(0, at) + (kind === 'cut' ? '' : character) + text.slice(rest);
      }
      const expected = strict.test(text);
      assert.equal(isDigest(text), expected, JSON.stringify(text));
      if (!expected) assert.throws(() => parseDigest(text), SlipwayError);
    }),
    { numRuns: LONG ? 200_000 : 10_000 },
  );
});

test('a digest over chunks is the digest over the whole, at every point on the way', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 }),
      fc.constantFrom('sha256' as const, 'sha512' as const),
      (chunks, algorithm) => {
        const digester = startDigest(algorithm);
        const whole = createHash(algorithm);
        let size = 0;
        for (const chunk of chunks) {
          digester.update(chunk);
          whole.update(chunk);
          size += chunk.byteLength;
          assert.equal(digester.digest(), `${algorithm}:${whole.copy().digest('hex')}`);
        }
        assert.equal(digester.size, size);
      },
    ),
    runs(200, 5_000),
  );
});
