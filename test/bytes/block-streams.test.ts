import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compress } from '../../src/bytes/compress.ts';
import { type CompressionFormat, decompress } from '../../src/bytes/inflate.ts';
import { type Bytes, fromMemory } from '../../src/bytes/stream.ts';
import { all, prose } from './samples.ts';

const MIB = 1024 * 1024;
const INPUT = prose(9 * MIB + 5);
const FORMATS: readonly CompressionFormat[] = ['gzip', 'zstd'];

async function unpacked(packed: Bytes, format: CompressionFormat): Promise<Buffer> {
  return await all(decompress(packed, format));
}

for (const format of FORMATS) {
  test(`${format}: a reader that leaves early lets the others go on`, async () => {
    for await (const _ of compress(fromMemory(INPUT), format)) break;
    const others = [0, 1].map(() => unpacked(compress(fromMemory(INPUT), format), format));
    for (const bytes of await Promise.all(others)) assert.ok(bytes.equals(INPUT));
  });

  test(`${format}: a reader that leaves early ends the reading, also behind slow blocks`, async () => {
    const level = format === 'gzip' ? 9 : 19;
    let blocks = 0;
    const counted = async function* (): Bytes {
      for (; blocks < 40; blocks++) yield INPUT.subarray(0, MIB);
    };
    for await (const _ of compress(counted(), format, { level })) break;
    const began = blocks;
    await all(compress(fromMemory(INPUT.subarray(0, 1000)), format, { level }));
    assert.equal(blocks, began);
  });

  test(`${format}: a stream that fails leaves the others alone`, async () => {
    const failing = async function* (): Bytes {
      yield INPUT.subarray(0, 3 * MIB);
      throw new Error('the disk is gone');
    };
    const [good, bad] = await Promise.allSettled([
      unpacked(compress(fromMemory(INPUT), format), format),
      all(compress(failing(), format)),
    ]);
    assert.ok(good.status === 'fulfilled' && good.value.equals(INPUT));
    assert.ok(bad.status === 'rejected');
    assert.match(String(bad.reason), /the disk is gone/);
  });
}

test('both formats at once make what each makes alone', async () => {
  const alone = [];
  for (const format of FORMATS) alone.push(await all(compress(fromMemory(INPUT), format)));
  const both = FORMATS.map((format) => all(compress(fromMemory(INPUT), format)));
  for (const [at, packed] of (await Promise.all(both)).entries()) {
    assert.ok(packed.equals(alone[at] ?? Buffer.alloc(0)));
  }
});
