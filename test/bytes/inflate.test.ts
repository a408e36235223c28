import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { decompress, sniffCompression } from '../../src/bytes/inflate.ts';
import { fromMemory } from '../../src/bytes/stream.ts';
import { type ErrorCode, isSlipwayError } from '../../src/errors.ts';
import { all, chunked, noise, prose } from './samples.ts';

const MIB = 1024 * 1024;
const FORMATS = ['gzip', 'zstd'] as const;
const PACK = { gzip: gzipSync, zstd: zstdCompressSync };
const SKIPPABLE = Buffer.from('502a4d180400000001020304', 'hex');

const refused = (work: Promise<unknown>, code: ErrorCode) =>
  assert.rejects(work, (error) => isSlipwayError(error, code));

test('decompress: sniffing knows gzip, zstd and nothing else', () => {
  assert.equal(sniffCompression(gzipSync('x')), 'gzip');
  assert.equal(sniffCompression(zstdCompressSync('x')), 'zstd');
  assert.equal(sniffCompression(SKIPPABLE), 'zstd');
  for (const other of ['', '\x1f', '{"a":1}', 'BZh9', '\x28\xb5\x2f']) {
    assert.equal(sniffCompression(Buffer.from(other, 'latin1')), 'none');
  }
});

for (const format of FORMATS) {
  const input = Buffer.concat([prose(700_000), noise(300_000)]);
  const packed = PACK[format](input);

  test(`${format}: bytes come back however they are cut`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 900_000 }), { minLength: 1 }),
        async (cuts) => {
          const cut = [...cuts, 50_000];
          assert.ok((await all(decompress(chunked(packed, ...cut), format))).equals(input));
        },
      ),
      { numRuns: 15 },
    );
  });

  test(`${format}: all members are read, wherever the stream is cut between them`, async () => {
    const parts = ['first', '', 'second'].map((text) => PACK[format](Buffer.from(text)));
    const whole = Buffer.concat(parts);
    for (let cut = 1; cut < whole.byteLength; cut++) {
      const found = await all(decompress(chunked(whole, cut), format));
      assert.equal(found.toString(), 'firstsecond', `cut at ${cut}`);
    }
  });

  test(`${format}: a stream that ends too early is refused wherever it ends`, async () => {
    const small = PACK[format](prose(5000));
    for (let end = 0; end < small.byteLength; end++) {
      await refused(all(decompress(fromMemory(small.subarray(0, end)), format)), 'SIZE_MISMATCH');
    }
  });

  test(`${format}: other bytes after the end are refused`, async () => {
    const small = PACK[format](Buffer.from('ok'));
    for (const tail of ['GARBAGE', 'G', '\0\0\0\0', '\0', '\0GARBAGE']) {
      const whole = Buffer.concat([small, Buffer.from(tail)]);
      for (const cut of [whole.byteLength, small.byteLength, small.byteLength - 1]) {
        await assert.rejects(
          all(decompress(chunked(whole, cut), format)),
          (error) => isSlipwayError(error, 'ARCHIVE_INVALID', 'SIZE_MISMATCH'),
          `${JSON.stringify(tail)} cut at ${cut}`,
        );
      }
    }
  });

  test(`${format}: a bomb is stopped by its ratio, and by a cap`, async () => {
    const bomb = PACK[format](Buffer.alloc(64 * MIB));
    let out = 0;
    const count = async () => {
      for await (const chunk of decompress(fromMemory(bomb), format)) out += chunk.byteLength;
    };
    await refused(count(), 'LIMIT_EXCEEDED');
    assert.ok(out >= 10 * MIB && out < 20 * MIB, `${out}`);
    const allowed = decompress(fromMemory(bomb), format, { maxRatio: 100_000 });
    assert.equal((await all(allowed)).byteLength, 64 * MIB);
    const capped = decompress(fromMemory(packed), format, { maxBytes: input.byteLength - 1 });
    await refused(all(capped), 'LIMIT_EXCEEDED');
    const exact = decompress(fromMemory(packed), format, { maxBytes: input.byteLength });
    assert.equal((await all(exact)).byteLength, input.byteLength);
  });

  test(`${format}: one level is unpacked, not two`, async () => {
    const double = PACK[format](packed);
    assert.ok((await all(decompress(fromMemory(double), format))).equals(packed));
  });

  test(`${format}: damaged bytes never pass`, async () => {
    const small = format === 'gzip' ? gzipSync(prose(3000)) : checked(prose(3000));
    for (let at = 0; at < small.byteLength; at++) {
      const damaged = Buffer.from(small);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0x55, at);
      const found = await all(decompress(fromMemory(damaged), format)).catch((error: unknown) => {
        assert.ok(isSlipwayError(error), String(error));
      });
      // A few header bits (time, system) say nothing about the content.
      if (found !== undefined) assert.ok(found.equals(prose(3000)), `byte ${at}`);
    }
  });

  test(`${format}: leaving early closes the source; its failure comes through`, async () => {
    let closed = false;
    const source = async function* () {
      try {
        yield* chunked(packed, 1000);
        throw new Error('the network is gone');
      } finally {
        closed = true;
      }
    };
    for await (const _ of decompress(source(), format)) break;
    assert.ok(closed);
    const cut = async function* () {
      yield packed.subarray(0, 1000);
      throw new Error('the network is gone');
    };
    await assert.rejects(all(decompress(cut(), format)), /the network is gone/);
  });

  test(`${format}: a reader that pauses is not overtaken`, async () => {
    let fed = 0;
    const source = async function* () {
      for (const part of [prose(8 * MIB), noise(8 * MIB)]) {
        for await (const chunk of chunked(PACK[format](part), 65_536)) {
          fed += chunk.byteLength;
          yield chunk;
        }
      }
    };
    const reader = decompress(source(), format)[Symbol.asyncIterator]();
    await reader.next();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(fed < MIB, `${fed} bytes were taken for one chunk`);
    await reader.return?.();
  });
}

test('zstd: many frames and skippable ones are one stream', async () => {
  const frames: Buffer[] = [SKIPPABLE];
  for (let index = 0; index < 500; index++) {
    frames.push(zstdCompressSync(Buffer.from(`${index} `)), SKIPPABLE);
  }
  const found = await all(decompress(chunked(Buffer.concat(frames), 777), 'zstd'));
  assert.equal(found.toString().trim().split(' ').length, 500);
});

test('zstd: a window over 128 MiB is refused', async () => {
  const frame = Buffer.from('28b52ffd00f8010000', 'hex');
  await refused(all(decompress(fromMemory(frame), 'zstd')), 'LIMIT_EXCEEDED');
});

function checked(bytes: Buffer): Buffer {
  return zstdCompressSync(bytes, { params: { 201: 1 } });
}
