import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { compress } from '../../src/bytes/compress.ts';
import { gzip } from '../../src/bytes/gzip.ts';
import { decompress } from '../../src/bytes/inflate.ts';
import { fromMemory } from '../../src/bytes/stream.ts';
import { isSlipwayError } from '../../src/errors.ts';
import { missing } from '../rig/programs.ts';
import { all, chunked, noise, prose } from './samples.ts';

const MIB = 1024 * 1024;

const INPUTS: ReadonlyArray<readonly [string, Buffer]> = [
  ['nothing', Buffer.alloc(0)],
  ['one byte', Buffer.from('x')],
  ['exactly one block', prose(MIB)],
  ['exactly three blocks', prose(3 * MIB)],
  ['a block and a byte', prose(MIB + 1)],
  ['noise, which is stored', noise(2 * MIB + 77)],
  ['noise between prose', Buffer.concat([prose(MIB + 5), noise(2 * MIB), prose(MIB)])],
  ['zeros', Buffer.alloc(5 * MIB)],
];

for (const [name, input] of INPUTS) {
  test(`gzip: ${name} comes back, by zlib and by gzip itself`, async () => {
    const packed = await all(gzip(chunked(input, 300_000)));
    assert.deepEqual(gunzipSync(packed), input);
    execFileSync('gzip', ['-t'], { input: packed });
    assert.deepEqual(execFileSync('gzip', ['-dc'], { input: packed, maxBuffer: 9 * MIB }), input);
  });
}

test('gzip and zstd: the result depends neither on chunks nor on blocks in flight', async () => {
  const input = Buffer.concat([prose(2 * MIB + 123), noise(MIB), prose(MIB)]);
  const expected = {
    gzip: await all(gzip(fromMemory(input), { inFlight: 1 })),
    zstd: await all(compress(fromMemory(input), 'zstd')),
  };
  const lengths = fc.array(fc.integer({ min: 1, max: 2 * MIB }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(lengths, fc.integer({ min: 1, max: 7 }), async (cuts, inFlight) => {
      const cut = cuts.map((length, index) => (index === cuts.length - 1 ? length + 5000 : length));
      assert.ok((await all(gzip(chunked(input, ...cut), { inFlight }))).equals(expected.gzip));
      assert.ok((await all(compress(chunked(input, ...cut), 'zstd'))).equals(expected.zstd));
    }),
    { numRuns: 8 },
  );
});

test('gzip: these bytes are what every machine makes', async () => {
  const packed = await all(gzip(fromMemory(Buffer.concat([prose(2 * MIB), noise(MIB)]))));
  assert.equal(packed.subarray(0, 10).toString('hex'), '1f8b08000000000000ff');
  assert.equal(
    createHash('sha256').update(packed).digest('hex'),
    'cc1ec416b087db9c11011c5cb7403e34eaca31e7506da6f16210a44fd6093a79',
  );
});

test('gzip: a higher level gives fewer bytes, noise hardly more than its own length', async () => {
  const text = prose(2 * MIB);
  const fast = await all(gzip(fromMemory(text), { level: 1 }));
  const small = await all(gzip(fromMemory(text), { level: 9 }));
  assert.ok(small.byteLength < fast.byteLength, `${small.byteLength} < ${fast.byteLength}`);
  const stored = await all(gzip(fromMemory(noise(4 * MIB))));
  assert.ok(stored.byteLength < 4 * MIB + 400, `${stored.byteLength}`);
});

test('gzip: every level gives back what went in, also across blocks that look back', async () => {
  const parts = [prose(300_000), noise(40_000), Buffer.alloc(99_999), prose(300_000), noise(7)];
  const input = Buffer.concat([...parts, ...parts, prose(5)]);
  for (let level = 1; level <= 9; level++) {
    const packed = await all(gzip(fromMemory(input), { level }));
    assert.ok(gunzipSync(packed).equals(input), `level ${level}`);
  }
});

/** Data as layers have it, in small: new bytes, runs, and what stood up to a window before. */
const STRUCTURED = fc
  .array(
    fc.oneof(
      fc.record({
        fresh: fc.integer({ min: 1, max: 5000 }),
        values: fc.integer({ min: 1, max: 256 }),
      }),
      fc.record({
        run: fc.integer({ min: 1, max: 70_000 }),
        byte: fc.integer({ min: 0, max: 255 }),
      }),
      fc.record({
        back: fc.oneof(
          fc.integer({ min: 1, max: 9 }),
          fc.integer({ min: 1, max: 40_000 }),
          fc.integer({ min: 32_760, max: 32_776 }),
        ),
        copied: fc.oneof(fc.integer({ min: 3, max: 20 }), fc.integer({ min: 250, max: 40_000 })),
      }),
    ),
    { minLength: 1, maxLength: 40 },
  )
  .map((pieces) => {
    const out = Buffer.alloc(MIB + 100_000);
    let end = 0;
    for (const piece of pieces) {
      const begin = end;
      if ('fresh' in piece) {
        for (const byte of noise(piece.fresh, `${end}`)) out[end++] = byte % piece.values;
      } else if ('run' in piece) {
        out.fill(piece.byte, end, end + piece.run);
        end += piece.run;
      } else {
        const from = Math.max(0, begin - piece.back);
        for (let at = 0; at < piece.copied && begin > 0; at++) out[end++] = out[from + at] ?? 0;
      }
      if (end > MIB) break;
    }
    return Buffer.from(out.subarray(0, end));
  });

test('gzip: whatever repeats at whatever distance comes back, the same bytes each time', async () => {
  const levels = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 9 }));
  await fc.assert(
    fc.asyncProperty(STRUCTURED, levels, async (input, level) => {
      const packed = await all(gzip(fromMemory(input), { level }));
      assert.ok(gunzipSync(packed).equals(input));
      assert.ok((await all(gzip(fromMemory(input), { level }))).equals(packed));
    }),
    { numRuns: 120 },
  );
});

test('gzip: the default level finds what stands as far back as the window goes, and no further', async () => {
  const part = noise(100);
  const made = async (distance: number): Promise<number> => {
    const between = prose(distance - part.byteLength);
    const input = Buffer.concat([part, between, part, prose(5000)]);
    const packed = await all(gzip(fromMemory(input)));
    assert.ok(gunzipSync(packed).equals(input));
    return packed.byteLength - distance;
  };
  const within = await made(32_768);
  const beyond = await made(32_769);
  assert.ok(within + 80 < beyond, `${within} within the window, ${beyond} beyond`);
});

test('gzip: the default level is hardly larger than level 4 of zlib, for text and for programs', async () => {
  const program = (await readFile(process.execPath)).subarray(0, 8 * MIB);
  for (const input of [prose(4 * MIB), program]) {
    const size = (await all(gzip(fromMemory(input)))).byteLength;
    const theirs = gzipSync(input, { level: 4 }).byteLength;
    assert.ok(size < theirs * 1.1, `${size} and ${theirs}`);
  }
});

test('zstd: what comes out is read by zstd itself, and by us', {
  skip: missing('zstd'),
}, async () => {
  const long = Buffer.concat([prose(5 * MIB), noise(4 * MIB), Buffer.alloc(3 * MIB + 1)]);
  for (const input of [...INPUTS.map(([, bytes]) => bytes), long]) {
    const packed = await all(compress(chunked(input, 300_000), 'zstd'));
    const unpacked = execFileSync('zstd', ['-dc'], { input: packed, maxBuffer: 13 * MIB });
    assert.ok(unpacked.equals(input));
    assert.ok((await all(decompress(fromMemory(packed), 'zstd'))).equals(input));
  }
});

test('compress: a level that the format has not is refused', async () => {
  for (const [format, level] of [
    ['gzip', 0],
    ['gzip', 10],
    ['gzip', 1.5],
    ['zstd', 0],
    ['zstd', 20],
  ] as const) {
    await assert.rejects(all(compress(fromMemory(prose(9)), format, { level })), (error) =>
      isSlipwayError(error, 'USAGE'),
    );
  }
});

test('compress: leaving early closes the source, and its failure comes through', async () => {
  for (const format of ['gzip', 'zstd'] as const) {
    let closed = false;
    const endless = async function* () {
      try {
        for (;;) yield noise(MIB);
      } finally {
        closed = true;
      }
    };
    let chunks = 0;
    for await (const _ of compress(endless(), format)) if (++chunks === 3) break;
    assert.ok(closed, format);

    const failing = async function* () {
      yield prose(3 * MIB);
      throw new Error('the disk is gone');
    };
    await assert.rejects(all(compress(failing(), format)), /the disk is gone/);
  }
});

test('compress: memory stays small however long the stream is', async () => {
  const block = prose(MIB);
  const before = process.memoryUsage().rss;
  let most = 0;
  for (const format of ['gzip', 'zstd'] as const) {
    const long = async function* () {
      for (let count = 0; count < 150; count++) yield block;
    };
    for await (const _ of compress(long(), format, { level: 1 })) {
      most = Math.max(most, process.memoryUsage().rss - before);
    }
  }
  assert.ok(most < 120 * MIB, `grew by ${Math.round(most / MIB)} MiB`);
});
