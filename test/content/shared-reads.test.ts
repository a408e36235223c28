import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Bytes, collect } from '../../src/bytes/stream.ts';
import { createSharedReads, type SharedReadsLimits } from '../../src/content/shared-reads.ts';
import type { Fetcher } from '../../src/content/transport.ts';
import { describe } from '../../src/oci/descriptor.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { bytesOf } from './images.ts';

const CHUNK = 1_000;
const bytes = bytesOf('a blob', 100_500);
const blob = describe(bytes, MEDIA_TYPE.ociLayer);

/** A source that gives the blob in chunks, and counts how often it is opened and closed. */
function source(): Fetcher & { opened: number; closed: number } {
  const self = {
    opened: 0,
    closed: 0,
    async *fetch(_: unknown, { offset = 0 }: { offset?: number } = {}): Bytes {
      self.opened++;
      try {
        for (let at = offset; at < bytes.length; at += CHUNK) {
          await delay(0);
          yield bytes.subarray(at, at + CHUNK);
        }
      } finally {
        self.closed++;
      }
    },
  };
  return self;
}

const share = (from: Fetcher, limits: SharedReadsLimits = {}) =>
  createSharedReads(from, new Set(['one', 'two']), { windowBytes: 10_000, ...limits });
const all = (opened: Bytes) => collect(opened, 1_000_000, 'it');

async function slowly(opened: Bytes, ms: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of opened) {
    parts.push(chunk);
    await delay(ms);
  }
  return Buffer.concat(parts);
}

test('readers that go at nearly the same speed share one reading', async () => {
  const from = source();
  const shared = share(from);
  const [one, two] = await Promise.all([
    all(shared.opener(blob, 'one')(0)),
    slowly(shared.opener(blob, 'two')(0), 1),
  ]);
  assert.ok(one.equals(bytes) && two.equals(bytes));
  assert.deepEqual([from.opened, from.closed, shared.bytesRead], [1, 1, bytes.length]);
});

test('a reader that is too slow is left, and reads on by itself', async () => {
  const from = source();
  const shared = share(from, { patienceMs: 50 });
  const startedAt = performance.now();
  const slow = slowly(shared.opener(blob, 'two')(0), 40);
  const fast = await all(shared.opener(blob, 'one')(0));
  assert.ok(performance.now() - startedAt < 2_000, 'the fast one did not wait for long');
  assert.ok(fast.equals(bytes));
  assert.ok((await slow).equals(bytes));
  assert.equal(from.opened, 2);
  assert.equal(from.closed, 2);
  assert.ok(shared.bytesRead < 2 * bytes.length, 'it went on from where it stood');
});

test('a reader that will not come costs nothing once that is known', async () => {
  for (const say of ['announce', 'release'] as const) {
    const from = source();
    const shared = share(from, { patienceMs: 60_000 });
    const reading = all(shared.opener(blob, 'one')(0));
    setTimeout(() => {
      if (say === 'announce') shared.announce('two', new Set());
      else shared.release('two', blob.digest);
    }, 50);
    assert.ok((await reading).equals(bytes));
    assert.deepEqual([from.opened, from.closed], [1, 1]);
  }
});

test('a late reader finds a small blob kept, and a large one gone', async () => {
  for (const [windowBytes, opened] of [
    [1_000_000, 1],
    [10_000, 2],
  ] as const) {
    const from = source();
    const shared = share(from, { windowBytes, patienceMs: 20 });
    await all(shared.opener(blob, 'one')(0));
    assert.ok((await all(shared.opener(blob, 'two')(0))).equals(bytes));
    assert.equal(from.opened, opened);
    assert.equal(from.closed, opened);
  }
});

test('what nobody comes for is not kept beyond the limit', async () => {
  const from = source();
  const shared = share(from, { windowBytes: 1_000_000, idleBytes: 50_000 });
  await all(shared.opener(blob, 'one')(0));
  assert.ok((await all(shared.opener(blob, 'two')(0))).equals(bytes));
  assert.equal(from.opened, 2);
});

test('a reader that begins anew, or in the middle, gets the right bytes', async () => {
  const from = source();
  const shared = share(from);
  const first = shared.opener(blob, 'one');
  const other = slowly(shared.opener(blob, 'two')(0), 1);
  let seen = 0;
  for await (const chunk of first(0)) {
    seen += chunk.byteLength;
    if (seen > 40_000) break;
  }
  assert.ok((await all(first(seen - 500))).equals(bytes.subarray(seen - 500)));
  assert.ok((await all(first(0))).equals(bytes));
  assert.ok((await other).equals(bytes));
  assert.equal(from.opened, from.closed);
});

test('a source that fails fails every reader, and can be read again', async () => {
  let isBroken = true;
  const good = source();
  const from: Fetcher = {
    async *fetch(descriptor, options) {
      let sent = 0;
      for await (const chunk of good.fetch(descriptor, options)) {
        sent += chunk.byteLength;
        if (isBroken && sent > 5_000) throw new Error('broken');
        yield chunk;
      }
    },
  };
  const shared = share(from);
  const both = ['one', 'two'].map((name) => all(shared.opener(blob, name)(0)));
  const settled = await Promise.allSettled(both);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  isBroken = false;
  assert.ok((await all(shared.opener(blob, 'one')(0))).equals(bytes));
});
