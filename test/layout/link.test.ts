import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { chmod, mkdir, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLayout } from '../../src/layout/layout.ts';
import { linkBlob } from '../../src/layout/link.ts';
import { createWorkspace } from '../../src/layout/workspace.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { atEnd, tempFolder } from '../state/folders.ts';
import { piece, pushPiece } from './images.ts';

async function twoLayouts(t: Parameters<typeof tempFolder>[0]) {
  const dir = await tempFolder(t);
  const from = await openLayout(join(dir, 'from'), { create: true });
  const to = await openLayout(join(dir, 'to'), { create: true });
  const blob = piece('content of a blob', 'application/octet-stream');
  await pushPiece(from, blob);
  const { digest } = blob.descriptor;
  const fileIn = (layout: { dir: string }) => join(layout.dir, 'blobs', 'sha256', digest.slice(7));
  return { from, to, blob, digest, fileIn };
}

test('a blob of another layout is taken by a hard link', async (t) => {
  const { from, to, digest, blob, fileIn } = await twoLayouts(t);
  await utimes(fileIn(from), 1000, 1000);
  assert.equal(await to.link(from, digest), true);
  assert.equal((await stat(fileIn(to))).ino, (await stat(fileIn(from))).ino);
  assert.equal(await to.link(from, digest), true);
  assert.equal(await to.exists(blob.descriptor), true);
  assert.deepEqual((await to.prune()).blobs, [], 'what was just linked is in use');
  assert.deepEqual(await readdir(join(to.dir, '.slipway', 'ingest')), []);
  assert.equal(await to.link(from, digestOf('something else')), false);
});

test('a blob with wrong bytes is not taken', async (t) => {
  const { from, to, digest, fileIn } = await twoLayouts(t);
  await writeFile(fileIn(from), 'content of a blub');
  await assert.rejects(
    to.link(from, digest),
    (error: { code?: string; facts?: { side?: string } }) =>
      error.code === 'DIGEST_MISMATCH' && error.facts?.side === 'source',
  );
  assert.equal(await to.blobSize(digest), undefined);
});

test('a file that others may change, or that is a link, is copied', async (t) => {
  const { from, to, digest, fileIn } = await twoLayouts(t);
  await chmod(fileIn(from), 0o666);
  assert.equal(await to.link(from, digest), true);
  assert.notEqual((await stat(fileIn(to))).ino, (await stat(fileIn(from))).ino);

  await to.removeBlob(digest);
  await writeFile(`${from.dir}/elsewhere`, 'content of a blob');
  await rm(fileIn(from));
  await symlink(`${from.dir}/elsewhere`, fileIn(from));
  assert.equal(await to.link(from, digest), true);
  assert.equal((await stat(fileIn(to))).ino === (await stat(fileIn(from))).ino, false);
  assert.deepEqual(await readdir(join(to.dir, '.slipway', 'ingest')), []);
});

test('across file systems a blob is copied', async (t) => {
  const { from, digest, blob } = await twoLayouts(t);
  const elsewhere = `/dev/shm/slipway-test-${process.pid}`;
  const isOther = await stat('/dev/shm').then(
    async (shm) => shm.dev !== (await stat(from.dir)).dev,
    () => false,
  );
  if (!isOther) return t.skip('/dev/shm is no other file system here');
  await mkdir(elsewhere);
  atEnd(t, () => rm(elsewhere, { recursive: true, force: true }));
  const to = await openLayout(elsewhere, { create: true });
  assert.equal(await to.link(from, digest), true);
  assert.equal(await to.exists(blob.descriptor), true);
  assert.deepEqual(await readdir(join(elsewhere, '.slipway', 'ingest')), []);
  await to.close();
});

test('a blob that goes while it is linked is taken all the same', async (t) => {
  const { from, to, blob, digest, fileIn } = await twoLayouts(t);
  const workspace = createWorkspace(to.dir, {});
  const going = {
    ...workspace,
    ingestPath(...asked: Parameters<typeof workspace.ingestPath>) {
      rmSync(fileIn(from), { force: true });
      return workspace.ingestPath(...asked);
    },
  };
  assert.equal(await linkBlob(going, from.dir, digest, { trusted: true }), true);
  await workspace.close();
  assert.equal(await to.exists(blob.descriptor), true);
});
