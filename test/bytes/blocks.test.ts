import assert from 'node:assert/strict';
import { open, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { blocksOf } from '../../src/bytes/blocks.ts';
import { compress } from '../../src/bytes/compress.ts';
import { type Bytes, fromMemory, type Room, readHandleBytes } from '../../src/bytes/stream.ts';
import { tempDir } from '../rig/lifetime.ts';
import { all, noise, prose } from './samples.ts';

const MIB = 1024 * 1024;

/** What comes out, with the memory that each block lies in. */
async function blocks(source: Parameters<typeof blocksOf>[0], blockBytes: number) {
  const memory: Uint8Array[] = [];
  const found: { bytes: Buffer; last: boolean; at: number }[] = [];
  const memoryOf = () => {
    memory.push(new Uint8Array(blockBytes));
    return memory.at(-1) as Uint8Array;
  };
  for await (const { bytes, last } of blocksOf(source, blockBytes, memoryOf)) {
    const at = memory.findIndex(({ buffer }) => buffer === bytes.buffer);
    found.push({ bytes: Buffer.from(bytes), last, at });
  }
  return found;
}

/** Holds each chunk back until the next one was read, as what checks a digest does. */
async function* heldBack(bytes: Bytes): Bytes {
  let held: Uint8Array | undefined;
  for await (const chunk of bytes) {
    if (held !== undefined) yield held;
    held = chunk;
  }
  if (held !== undefined) yield held;
}

test('blocks: a file is read into them, and comes out the same as when it is copied', async (t) => {
  const file = path.join(await tempDir(t), 'layer');
  const input = noise(3_000_017);
  await writeFile(file, input);
  const handle = await open(file);
  t.after(() => handle.close());
  const sizes = fc.integer({ min: 1, max: 700_000 });
  await fc.assert(
    fc.asyncProperty(sizes, sizes, fc.nat(input.byteLength), async (size, chunkBytes, start) => {
      const blockBytes = size + 1_000;
      const range = { start, length: input.byteLength - start, chunkBytes: chunkBytes + 500 };
      const wanted = input.subarray(start);
      const read = await blocks(
        (into) => heldBack(readHandleBytes(handle, file, { ...range, into })),
        blockBytes,
      );
      assert.deepEqual(Buffer.concat(read.map(({ bytes }) => bytes)), wanted);
      assert.deepEqual(
        read.map(({ bytes, last }) => [bytes.byteLength, last]),
        (await blocks(fromMemory(wanted), blockBytes)).map(({ bytes, last }) => [
          bytes.byteLength,
          last,
        ]),
      );
      // Each in the memory that was made for it, in order: nothing was copied past it.
      assert.deepEqual(
        read.map(({ at }) => at),
        read.map((_, index) => index),
      );
    }),
    { numRuns: 20 },
  );
});

test('blocks: who takes memory and gives other bytes is refused', async () => {
  const liar = async function* (into: Room): Bytes {
    into.take(10);
    yield prose(10);
  };
  await assert.rejects(blocks(liar, 100), /other bytes than it read/);
});

test('blocks: a source that leaves the memory is copied, also after one that took it', async () => {
  const mixed = async function* (into: Room): Bytes {
    const part = into.take(4);
    part.set([1, 2, 3, 4]);
    yield part.subarray(0, 1);
    yield part.subarray(1);
    yield Uint8Array.of(5, 6, 7);
    const rest = into.take(100);
    rest.fill(9);
    yield rest;
  };
  const found = await blocks(mixed, 5);
  assert.deepEqual(
    found.map(({ bytes }) => [...bytes]),
    [
      [1, 2, 3, 4, 5],
      [6, 7, 9, 9, 9],
    ],
  );
});

test('compress: a file that is read into its blocks becomes the same bytes as a stream', async (t) => {
  const file = path.join(await tempDir(t), 'layer');
  const input = Buffer.concat([prose(3 * MIB), noise(MIB + 5), Buffer.alloc(2 * MIB), prose(77)]);
  await writeFile(file, input);
  const handle = await open(file);
  t.after(() => handle.close());
  for (const format of ['gzip', 'zstd'] as const) {
    const length = input.byteLength;
    const read = (into: Room) => heldBack(readHandleBytes(handle, file, { length, into }));
    const packed = await all(compress(read, format));
    assert.ok(packed.equals(await all(compress(fromMemory(input), format))), format);
  }
});
