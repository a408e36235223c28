import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { collect } from '../../src/bytes/stream.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { tempFolder } from '../state/folders.ts';
import { filesIn } from './images.ts';

async function emptyLayout(t: Parameters<typeof tempFolder>[0]) {
  return openLayout(join(await tempFolder(t), 'layout'), { create: true });
}

test('a blob of unknown digest can be read while it is written, and after the commit', async (t) => {
  const layout = await emptyLayout(t);
  const bytes = randomBytes(1_000_000);
  const ingest = await layout.ingest();
  const readers = [0, 10, 500_000].map(async (offset) => {
    const read = await collect(ingest.open(offset), 2e6, 'blob');
    assert.deepEqual(read, bytes.subarray(offset), `from ${offset}`);
  });
  for (let at = 0; at < bytes.byteLength; at += 90_000) {
    await ingest.write(bytes.subarray(at, at + 90_000));
    await delay(1);
  }
  assert.equal(ingest.size, bytes.byteLength);
  const late = collect(ingest.open(0), 2e6, 'blob');
  const committed = await ingest.commit();
  assert.deepEqual(committed, { digest: digestOf(bytes), size: bytes.byteLength });
  await Promise.all(readers);
  assert.deepEqual(await late, bytes);
  assert.deepEqual(await collect(ingest.open(7), 2e6, 'blob'), bytes.subarray(7));
  assert.equal(await layout.blobSize(committed.digest), bytes.byteLength);
  await ingest.abort();
  assert.equal(await layout.blobSize(committed.digest), bytes.byteLength);
  await layout.close();
});

test('readers come to the end, and the digest is known, before the commit', async (t) => {
  const layout = await emptyLayout(t);
  const bytes = randomBytes(4_000_000);
  const ingest = await layout.ingest();
  // One that keeps up is given what was written, one that comes late reads the file.
  const close = collect(ingest.open(0), 5e6, 'blob');
  for (let at = 0; at < bytes.byteLength; at += 333_333) {
    await ingest.write(bytes.subarray(at, at + 333_333));
    await delay(1);
  }
  const late = collect(ingest.open(1_234), 5e6, 'blob');
  const made = { digest: digestOf(bytes), size: bytes.byteLength };
  assert.deepEqual(ingest.end(), made);
  assert.ok((await close).equals(bytes));
  assert.ok((await late).equals(bytes.subarray(1_234)));
  assert.equal(await layout.blobSize(made.digest), undefined);
  await assert.rejects(ingest.write(bytes), /written to its end/);
  assert.throws(() => ingest.end(), /written to its end/);
  assert.deepEqual(await ingest.commit(), made);
  assert.equal(await layout.blobSize(made.digest), made.size);
  await layout.close();
});

test('a blob can be opened at every moment of its commit', async (t) => {
  const layout = await emptyLayout(t);
  const bytes = randomBytes(1_000);
  for (let round = 0; round < 60; round++) {
    const ingest = await layout.ingest();
    await ingest.write(Uint8Array.of(round));
    await ingest.write(bytes);
    ingest.end();
    const committing = ingest.commit();
    let isCommitted = false;
    committing.then(() => {
      isCommitted = true;
    });
    const reads: Promise<Buffer>[] = [];
    while (!isCommitted) {
      reads.push(collect(ingest.open(1), 2e3, 'blob'));
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const read of reads) assert.ok((await read).equals(bytes));
    await committing;
  }
  await layout.close();
});

test('a reader that stops in the middle goes on where it was, whatever was kept', async (t) => {
  const layout = await emptyLayout(t);
  const bytes = randomBytes(6_000_000);
  const ingest = await layout.ingest();
  const reader = ingest.open(0)[Symbol.asyncIterator]();
  const found: Uint8Array[] = [];
  const take = async () => {
    const { value } = await reader.next();
    found.push(value as Uint8Array);
  };
  await ingest.write(bytes.subarray(0, 100_000));
  await take();
  // It doesn't ask while so much is written that most of it isn't kept.
  for (let at = 100_000; at < 5_000_000; at += 490_000) {
    await ingest.write(bytes.subarray(at, at + 490_000));
  }
  for (let taken = 0; taken < 3; taken++) await take();
  await ingest.write(bytes.subarray(5_000_000));
  ingest.end();
  for (;;) {
    const { done, value } = await reader.next();
    if (done === true) break;
    found.push(value);
  }
  assert.ok(Buffer.concat(found).equals(bytes));
  await ingest.abort();
  await layout.close();
});

test('nobody sees a blob before its commit', async (t) => {
  const layout = await emptyLayout(t);
  const ingest = await layout.ingest();
  await ingest.write(Buffer.from('content'));
  assert.equal(await layout.blobSize(digestOf('content')), undefined);
  await ingest.commit();
  assert.equal(await layout.blobSize(digestOf('content')), 7);
  await layout.close();
});

test('a commit that expects something else fails and leaves nothing', async (t) => {
  const layout = await emptyLayout(t);
  await (await layout.ingest()).commit();
  const before = await filesIn(layout.dir);
  const wrongDigest = await layout.ingest();
  await wrongDigest.write(Buffer.from('content'));
  await assert.rejects(wrongDigest.commit({ digest: digestOf('other') }), {
    code: 'DIGEST_MISMATCH',
  });
  const wrongSize = await layout.ingest();
  await wrongSize.write(Buffer.from('content'));
  await assert.rejects(wrongSize.commit({ size: 8 }), { code: 'SIZE_MISMATCH' });
  assert.deepEqual(await filesIn(layout.dir), before);
  await layout.close();
});

test('an abort ends the readers with an error and removes the bytes', async (t) => {
  const layout = await emptyLayout(t);
  const ingest = await layout.ingest();
  const before = (await filesIn(layout.dir)).length;
  await ingest.write(Buffer.from('content'));
  const reading = collect(ingest.open(0), 100, 'blob');
  reading.catch(() => {});
  await delay(5);
  await ingest.abort();
  await assert.rejects(reading, { code: 'CONTENT_MISSING' });
  await assert.rejects(collect(ingest.open(0), 100, 'blob'), { code: 'CONTENT_MISSING' });
  await assert.rejects(ingest.write(Buffer.from('more')), { code: 'CONTENT_MISSING' });
  assert.equal((await filesIn(layout.dir)).length, before - 1);
  await layout.close();
});

test('a reader that leaves early does no harm', async (t) => {
  const layout = await emptyLayout(t);
  const ingest = await layout.ingest();
  await ingest.write(Buffer.from('content'));
  for await (const chunk of ingest.open(0)) {
    assert.equal(Buffer.from(chunk).toString(), 'content');
    break;
  }
  await ingest.commit();
  await layout.close();
});
