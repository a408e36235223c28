import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Bytes } from '../../src/bytes/stream.ts';
import { readDocument, verifiedBytes, verifiedOpen } from '../../src/content/verify.ts';
import { type Descriptor, describe } from '../../src/oci/descriptor.ts';
import { runs } from '../rig/long.ts';

const TYPE = 'application/octet-stream';

/** Cuts bytes at the given places; a place that stands twice makes an empty chunk. */
async function* cut(bytes: Uint8Array, places: readonly number[]): Bytes {
  let start = 0;
  for (const end of [...places].sort((a, b) => a - b)) {
    const place = Math.min(end, bytes.byteLength);
    yield bytes.subarray(start, place);
    start = place;
  }
  yield bytes.subarray(start);
}

async function read(bytes: Bytes): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What a reader got before the failure, and the failure's code. */
async function failure(bytes: Bytes): Promise<{ got: Buffer; code: unknown }> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of bytes) chunks.push(chunk);
  } catch (error) {
    return { got: Buffer.concat(chunks), code: (error as { code?: unknown }).code };
  }
  return { got: Buffer.concat(chunks), code: undefined };
}

const content = fc.uint8Array({ minLength: 1, maxLength: 200 });
const places = fc.array(fc.nat(200), { maxLength: 12 });

test('right bytes come through whole, however they are cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), places, async (bytes, cuts) => {
      const descriptor = describe(bytes, TYPE);
      assert.deepEqual(await read(verifiedBytes(descriptor, cut(bytes, cuts))), Buffer.from(bytes));
    }),
    runs(200, 5_000),
  );
});

test('a reading that was left, and still waits for bytes, does not disturb the next one', async () => {
  const bytes = Buffer.from('one two three');
  const gates: (() => void)[] = [];
  const open = verifiedOpen(describe(bytes, TYPE), async function* (offset) {
    for (let at = offset; at < bytes.byteLength; at += 4) {
      await new Promise<void>((resolve) => gates.push(resolve));
      yield bytes.subarray(at, at + 4);
    }
  });
  const letThrough = async (): Promise<void> => {
    gates.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  for (const offset of [0, 4]) {
    gates.length = 0;
    const left = open(0)[Symbol.asyncIterator]();
    const first = left.next();
    await letThrough();
    await letThrough();
    await first;
    // It reads on until it notices that nobody wants more, while the content is opened again.
    const rest = left.next();
    void left.return?.();
    const again = read(open(offset));
    const isRead = again.then(() => true);
    while (!(await Promise.race([isRead, letThrough()])));
    assert.deepEqual(await again, bytes.subarray(offset));
    await rest;
  }
});

test('a wrong byte never lets the last chunk through', async () => {
  await fc.assert(
    fc.asyncProperty(content, places, fc.nat(), async (bytes, cuts, at) => {
      const wrong = Uint8Array.from(bytes);
      wrong[at % wrong.length] = (wrong[at % wrong.length] as number) ^ 1;
      const { got, code } = await failure(verifiedBytes(describe(bytes, TYPE), cut(wrong, cuts)));
      assert.equal(code, 'DIGEST_MISMATCH');
      assert.ok(got.byteLength < bytes.byteLength, 'a reader must not get all of a wrong content');
    }),
    runs(200, 5_000),
  );
});

test('too few and too many bytes are told apart from wrong ones', async () => {
  await fc.assert(
    fc.asyncProperty(
      content,
      places,
      fc.integer({ min: -50, max: 50 }),
      async (bytes, cuts, by) => {
        const size = bytes.byteLength + by;
        fc.pre(by !== 0 && size >= 0);
        const descriptor = { ...describe(bytes, TYPE), size };
        const { got, code } = await failure(verifiedBytes(descriptor, cut(bytes, cuts)));
        assert.equal(code, 'SIZE_MISMATCH');
        assert.ok(got.byteLength <= size);
      },
    ),
    runs(200, 5_000),
  );
});

/** Opens at any offsets, leaving each reading early, and reads to the end at last. */
async function reopened(
  descriptor: Descriptor,
  bytes: Uint8Array,
  readings: readonly { readonly offset: number; readonly chunks: number }[],
  cuts: readonly number[],
): Promise<Uint8Array> {
  const open = verifiedOpen(descriptor, (offset) => cut(bytes.subarray(offset), cuts));
  for (const { offset, chunks } of readings) {
    let left = chunks;
    if (left === 0) continue;
    for await (const _ of open(Math.min(offset, bytes.byteLength))) if (--left <= 0) break;
  }
  return await read(open((readings[0]?.offset ?? 0) % bytes.byteLength));
}

const readings = fc.array(fc.record({ offset: fc.nat(220), chunks: fc.nat(4) }), { maxLength: 6 });

test('reopening at any offsets gives right bytes from there, and never a wrong end', async () => {
  await fc.assert(
    fc.asyncProperty(content, readings, places, fc.nat(), async (bytes, opened, cuts, at) => {
      const descriptor = describe(bytes, TYPE);
      const from = (opened[0]?.offset ?? 0) % bytes.byteLength;
      assert.deepEqual(
        await reopened(descriptor, bytes, opened, cuts),
        Buffer.from(bytes.subarray(from)),
      );
      const wrong = Uint8Array.from(bytes);
      wrong[at % wrong.length] = (wrong[at % wrong.length] as number) ^ 1;
      await assert.rejects(reopened(descriptor, wrong, opened, cuts), { code: 'DIGEST_MISMATCH' });
    }),
    runs(300, 10_000),
  );
});

test('a second reading from the start is judged by its own bytes', async () => {
  const good = Buffer.from('good bytes that were read first');
  const bad = Buffer.from('evil bytes that were read again');
  let readings = 0;
  const open = verifiedOpen(describe(good, TYPE), () => cut(readings++ === 0 ? good : bad, [5]));
  assert.deepEqual(await read(open(0)), good);
  const { got, code } = await failure(open(0));
  assert.equal(code, 'DIGEST_MISMATCH');
  assert.ok(got.byteLength < bad.byteLength);
});

test('a document above its cap is refused before it is read', async () => {
  const fetched: number[] = [];
  const source = {
    async *fetch() {
      fetched.push(1);
      yield Buffer.alloc(10);
    },
  };
  const descriptor = { ...describe(Buffer.alloc(10), TYPE), size: 11 };
  await assert.rejects(readDocument(source, descriptor, { maxBytes: 10 }), {
    code: 'LIMIT_EXCEEDED',
  });
  assert.deepEqual(fetched, []);
});

test('a source that never ends is left at the announced size', async () => {
  let given = 0;
  const endless = async function* (): Bytes {
    for (;;) {
      given += 1000;
      yield Buffer.alloc(1000);
    }
  };
  const source = { fetch: endless };
  const descriptor = describe(Buffer.alloc(2500), TYPE);
  await assert.rejects(readDocument(source, descriptor), { code: 'SIZE_MISMATCH' });
  assert.ok(given <= 3000);
});
