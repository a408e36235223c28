import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { spokenIn } from '../../src/run/frames.ts';
import { runs } from '../rig/long.ts';

function frame(stream: number, text: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(text.byteLength, 4);
  return Buffer.concat([header, text]);
}

test('streams are taken apart wherever the bytes are cut', async () => {
  const frames = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 40 })), {
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(frames, fc.integer({ min: 1, max: 17 }), async (spoken, step) => {
      const bytes = Buffer.concat(spoken.map(([stream, text]) => frame(stream, text)));
      const cut = async function* () {
        for (let at = 0; at < bytes.byteLength; at += step) yield bytes.subarray(at, at + step);
      };
      const heard = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
      for await (const { stream, bytes: part } of spokenIn(cut())) {
        heard[stream] = Buffer.concat([heard[stream], part]);
      }
      for (const [number, name] of [
        [1, 'stdout'],
        [2, 'stderr'],
      ] as const) {
        const wanted = spoken.filter(([stream]) => stream === number).map(([, text]) => text);
        assert.deepEqual(heard[name], Buffer.concat(wanted));
      }
    }),
    runs(200, 5_000),
  );
});
