import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { collect } from '../../src/bytes/stream.ts';
import { openLayout } from '../../src/layout/layout.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { withLock } from '../../src/state/lock.ts';
import { tempFolder } from '../state/folders.ts';
import { filesIn, opener, piece, pushPiece } from './images.ts';

const TYPE = 'application/octet-stream';

async function emptyLayout(t: Parameters<typeof tempFolder>[0]) {
  const dir = join(await tempFolder(t), 'layout');
  const layout = await openLayout(dir, { create: true });
  return { dir, layout };
}

test('a blob is written once, under its digest, and can be read from any offset', async (t) => {
  const { dir, layout } = await emptyLayout(t);
  const blob = piece(randomBytes(700_000), TYPE);
  const seen: number[] = [];
  const cut = async function* (offset: number) {
    for (let at = offset; at < blob.bytes.byteLength; at += 100_000) {
      yield blob.bytes.subarray(at, at + 100_000);
    }
  };
  const first = await layout.push(blob.descriptor, cut, { onProgress: (n) => seen.push(n) });
  assert.deepEqual(first, { status: 'uploaded', bytesSent: 700_000 });
  assert.deepEqual(seen, [100_000, 200_000, 300_000, 400_000, 500_000, 600_000, 700_000]);
  const path = join(dir, 'blobs', 'sha256', blob.descriptor.digest.slice(7));
  assert.deepEqual(await readFile(path), Buffer.from(blob.bytes));

  const again = await layout.push(blob.descriptor, () => assert.fail('was read again'));
  assert.deepEqual(again, { status: 'present', bytesSent: 0 });
  for (const offset of [0, 1, 262_144, 699_999, 700_000]) {
    const read = await collect(layout.fetch(blob.descriptor, { offset }), 1e6, 'blob');
    assert.deepEqual(read, Buffer.from(blob.bytes.subarray(offset)), `from ${offset}`);
  }
  assert.equal(await layout.blobSize(blob.descriptor.digest), 700_000);
  assert.equal(await layout.exists(blob.descriptor), true);
  await layout.close();
});

test('sha512 has its own folder, and empty content is content', async (t) => {
  const { dir, layout } = await emptyLayout(t);
  const bytes = Buffer.from('hello');
  const digest = digestOf(bytes, 'sha512');
  await layout.push({ mediaType: TYPE, digest, size: 5 }, opener(bytes));
  assert.equal((await stat(join(dir, 'blobs', 'sha512', digest.slice(7)))).size, 5);
  const empty = piece('', TYPE);
  assert.equal((await pushPiece(layout, empty)).status, 'uploaded');
  assert.equal((await pushPiece(layout, empty)).status, 'present');
  await layout.close();
});

test('bytes that are wrong, too many or too few are refused and leave nothing', async (t) => {
  const { dir, layout } = await emptyLayout(t);
  await pushPiece(layout, piece('something', TYPE));
  const before = await filesIn(dir);
  const right = piece('right bytes', TYPE);
  const cases: [string, string][] = [
    ['wrong bytes', 'DIGEST_MISMATCH'],
    ['right byte', 'SIZE_MISMATCH'],
    ['right bytes and more', 'SIZE_MISMATCH'],
    ['', 'SIZE_MISMATCH'],
  ];
  for (const [sent, code] of cases) {
    await assert.rejects(
      layout.push(right.descriptor, opener(Buffer.from(sent))),
      (error: { code?: string; facts?: { side?: string; digest?: string } }) => {
        assert.equal(error.code, code, sent);
        assert.equal(error.facts?.side, 'source');
        assert.equal(error.facts?.digest, right.descriptor.digest);
        return true;
      },
    );
  }
  assert.deepEqual(await filesIn(dir), before);
  await layout.close();
});

test('an endless source is stopped at the announced size', async (t) => {
  const { layout } = await emptyLayout(t);
  let sent = 0;
  async function* endless() {
    for (;;) {
      sent += 1000;
      yield Buffer.alloc(1000);
    }
  }
  const descriptor: Descriptor = { mediaType: TYPE, digest: digestOf('x'), size: 5000 };
  await assert.rejects(layout.push(descriptor, endless), { code: 'SIZE_MISMATCH' });
  assert.equal(sent, 6000);
  await layout.close();
});

test('a source that fails and a signal end a push, and leave nothing', async (t) => {
  const { dir, layout } = await emptyLayout(t);
  await pushPiece(layout, piece('something', TYPE));
  const before = await filesIn(dir);
  const failure = new Error('the source is gone');
  const blob = piece(Buffer.alloc(3000), TYPE);
  async function* failing() {
    yield blob.bytes.subarray(0, 1000);
    throw failure;
  }
  await assert.rejects(layout.push(blob.descriptor, failing), failure);

  const controller = new AbortController();
  async function* aborting() {
    yield blob.bytes.subarray(0, 1000);
    controller.abort(failure);
    yield blob.bytes.subarray(1000);
  }
  await assert.rejects(
    layout.push(blob.descriptor, aborting, { signal: controller.signal }),
    failure,
  );
  assert.deepEqual(await filesIn(dir), before);
  await layout.close();
});

test('two pushes of one blob at the same time both succeed', async (t) => {
  const { layout } = await emptyLayout(t);
  const blob = piece(randomBytes(600_000), TYPE);
  const other = await openLayout(layout.dir);
  const outcomes = await Promise.all(
    [layout, other, layout, other].map((target) => pushPiece(target, blob)),
  );
  assert.ok(outcomes.some((outcome) => outcome.status === 'uploaded'));
  assert.equal(await layout.exists(blob.descriptor), true);
  await other.close();
  await layout.close();
});

test('a file of the wrong size is replaced by a push', async (t) => {
  const { dir, layout } = await emptyLayout(t);
  const blob = piece('whole content', TYPE);
  const path = join(dir, 'blobs', 'sha256', blob.descriptor.digest.slice(7));
  await writeFile(path, 'whole');
  assert.equal(await layout.exists(blob.descriptor), false);
  assert.equal((await pushPiece(layout, blob)).status, 'uploaded');
  assert.equal(await readFile(path, 'utf8'), 'whole content');
  await layout.close();
});

test('a blob that is not there is NOT_FOUND, with where it should be', async (t) => {
  const { layout } = await emptyLayout(t);
  const { descriptor } = piece('nowhere', TYPE);
  await assert.rejects(
    collect(layout.fetch(descriptor), 100, 'blob'),
    (error: { code?: string; facts?: { side?: string; digest?: string; path?: string } }) => {
      assert.equal(error.code, 'NOT_FOUND');
      assert.equal(error.facts?.side, 'source');
      assert.equal(error.facts?.digest, descriptor.digest);
      assert.ok(error.facts?.path?.endsWith(descriptor.digest.slice(7)));
      return true;
    },
  );
  assert.equal(await layout.exists(descriptor), false);
  assert.equal(await layout.removeBlob(descriptor.digest), false);
});

test('an aborted push does not stop another one that waits for the same lock', async (t) => {
  const { dir, layout } = await emptyLayout(t);
  const reason = new Error('enough');
  const controller = new AbortController();
  const [a, b] = [piece('a', TYPE), piece('b', TYPE)];
  let pushes: Promise<unknown>[] = [];
  await withLock(join(dir, '.slipway', 'lock'), async () => {
    pushes = [
      layout.push(a.descriptor, opener(a.bytes), { signal: controller.signal }),
      pushPiece(layout, b),
    ];
    await delay(20);
    controller.abort(reason);
    await assert.rejects(pushes[0] ?? Promise.resolve(), reason);
  });
  await pushes[1];
  assert.equal(await layout.exists(a.descriptor), false);
  assert.equal(await layout.exists(b.descriptor), true);
  await layout.close();
});
