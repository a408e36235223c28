import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { collect, fromMemory } from '../../src/bytes/stream.ts';
import {
  decodeInfoSize,
  decodeRead,
  encodeInfo,
  encodeRead,
} from '../../src/engine/content-messages.ts';
import { isSlipwayError } from '../../src/errors.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { field, frame, number } from './content-server.ts';

const DIGEST = digestOf('a blob');
const refused = (error: unknown) => isSlipwayError(error, 'SERVER_ERROR');

async function* cutInto(bytes: Buffer, lengths: readonly number[]): AsyncIterable<Uint8Array> {
  let at = 0;
  for (const length of lengths) {
    yield bytes.subarray(at, at + length);
    at += length;
  }
  yield bytes.subarray(at);
}

test('the bytes of an answer come out, wherever it is cut', async () => {
  const pieces = fc.array(
    fc.record({
      data: fc.uint8Array({ maxLength: 300 }),
      offset: fc.integer({ min: 0, max: 2 ** 40 }),
      isFirst: fc.boolean(),
    }),
  );
  await fc.assert(
    fc.asyncProperty(
      pieces,
      fc.array(fc.integer({ min: 0, max: 200 })),
      async (answers, lengths) => {
        const sent = answers.map(({ data, offset, isFirst }) => {
          const fields = [number(1, offset), field(2, Buffer.from(data))];
          // An unknown field is no error.
          if (isFirst) fields.push(field(15, Buffer.from('later')), number(9, 300));
          return frame(Buffer.concat(isFirst ? fields : fields.toReversed()));
        });
        const bytes = await collect(
          decodeRead(cutInto(Buffer.concat(sent), lengths), 'docker'),
          1e6,
          'it',
        );
        assert.ok(bytes.equals(Buffer.concat(answers.map(({ data }) => data))));
      },
    ),
  );
});

test('whatever else comes is refused or ends, and no byte more than came is given', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), async (bytes) => {
      try {
        const given = await collect(decodeRead(fromMemory(bytes), 'docker'), 1e6, 'it');
        assert.ok(given.byteLength <= bytes.byteLength);
      } catch (error) {
        assert.ok(refused(error), String(error));
      }
      try {
        assert.ok(decodeInfoSize(bytes, 'docker') >= 0);
      } catch (error) {
        assert.ok(refused(error), String(error));
      }
    }),
  );
});

for (const [what, bytes] of Object.entries({
  'ends in a message': frame(field(2, Buffer.alloc(100))).subarray(0, 50),
  'ends in a head': frame(Buffer.alloc(0)).subarray(0, 3),
  'is compressed': Buffer.concat([Buffer.from([1]), frame(field(2, Buffer.alloc(3))).subarray(1)]),
  'announces more than a message has': frame(Buffer.from([0x12, 100, 1])),
  'announces gigabytes': Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0x12]),
  'has a number without an end': frame(Buffer.alloc(40, 0xff)),
})) {
  test(`an answer that ${what} is refused`, async () => {
    await assert.rejects(collect(decodeRead(fromMemory(bytes), 'docker'), 1e6, 'it'), refused);
  });
}

test('requests and sizes are those of containerd', () => {
  assert.equal(
    Buffer.from(encodeRead(DIGEST, 300)).toString('hex'),
    `0a47${Buffer.from(DIGEST).toString('hex')}10ac02`,
  );
  assert.deepEqual(encodeRead(DIGEST, 0), encodeInfo(DIGEST));
  const info = Buffer.concat([field(1, Buffer.from(DIGEST)), number(2, 4_294_967_297)]);
  assert.equal(decodeInfoSize(frame(field(1, info)), 'docker'), 4_294_967_297);
  assert.equal(decodeInfoSize(frame(field(1, field(1, Buffer.from(DIGEST)))), 'docker'), 0);
  assert.throws(() => decodeInfoSize(frame(Buffer.alloc(0)), 'docker'), refused);
  assert.throws(() => decodeInfoSize(Buffer.alloc(0), 'docker'), refused);
});
