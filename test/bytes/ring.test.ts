import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRing } from '../../src/bytes/ring.ts';

const MIB = 1024 * 1024;

test('what was taken holds its bytes until the second one after it is asked for', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 3 * MIB }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(sizes, (wanted) => {
      const ring = createRing();
      const taken: Uint8Array[] = [];
      for (const [at, bytes] of wanted.entries()) {
        const memory = ring.take(bytes);
        assert.ok(memory.byteLength > 0 && memory.byteLength <= bytes);
        memory.fill(at);
        taken.push(memory);
        for (const back of [1, 2]) {
          const earlier = taken[at - back];
          if (earlier !== undefined) {
            assert.deepEqual([earlier[0], earlier.at(-1)], [at - back, at - back]);
          }
        }
      }
    }),
    { numRuns: 50 },
  );
});

test('a long reading goes through the memory of a few chunks', () => {
  const ring = createRing();
  const memories = new Set<ArrayBufferLike>();
  let largestBytes = 0;
  for (let at = 0; at < 200; at++) {
    const memory = ring.take(MIB);
    memories.add(memory.buffer);
    largestBytes = Math.max(largestBytes, memory.byteLength);
  }
  assert.equal(largestBytes, MIB);
  assert.ok(memories.size < 10, `${memories.size} pieces of memory`);
});

test('what is so short that a socket queues several has memory of its own', () => {
  const ring = createRing();
  for (let at = 0; at < 6; at++) ring.take(MIB);
  const short = Array.from({ length: 20 }, () => ring.take(100 * 1024).buffer);
  assert.equal(new Set(short).size, 20);
});

test('a small file takes little memory', () => {
  assert.ok(createRing().take(MIB).buffer.byteLength <= 64 * 1024);
});
