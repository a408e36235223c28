import assert from 'node:assert/strict';
import { mkdir, readdir, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openLayout } from '../../src/layout/layout.ts';
import { removeUnused } from '../../src/layout/trash.ts';
import { createWorkspace } from '../../src/layout/workspace.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { tempFolder } from '../state/folders.ts';
import { filesIn, makeImage, makeIndex, piece, pushImage, pushPiece } from './images.ts';

async function emptyLayout(t: Parameters<typeof tempFolder>[0]) {
  return openLayout(join(await tempFolder(t), 'layout'), { create: true });
}

function digestsOf(...images: ReturnType<typeof makeImage>[]) {
  const pieces = images.flatMap((image) => [...image.below, image.manifest]);
  return [...new Set(pieces.map(({ descriptor }) => descriptor.digest))].sort();
}

test('what no entry reaches is removed, and its size told', async (t) => {
  const layout = await emptyLayout(t);
  const [a, b] = [makeImage('a'), makeImage('b')];
  await pushImage(layout, makeIndex(a), 'a');
  await pushImage(layout, b, 'b');
  await layout.untag('b');
  await layout.close();

  const foretold = await layout.prune({ dryRun: true });
  assert.equal(await layout.exists(b.manifest.descriptor), true);
  await layout.close();
  const pruned = await layout.prune();
  assert.deepEqual(
    { ...pruned, blobs: [...pruned.blobs].sort() },
    {
      ...foretold,
      blobs: digestsOf(b),
    },
  );
  const sizes = [...b.below, b.manifest].map(({ bytes }) => bytes.byteLength);
  assert.equal(
    pruned.bytes,
    sizes.reduce((sum, size) => sum + size, 0),
  );
  assert.equal(await layout.exists(makeIndex(a).manifest.descriptor), true);
  assert.equal(await layout.exists(b.manifest.descriptor), false);
  assert.deepEqual(await layout.prune(), { blobs: [], bytes: 0, entries: [] });
});

test('images without a name stay unless they are asked for', async (t) => {
  const layout = await emptyLayout(t);
  const [a, b] = [makeImage('a'), makeImage('b')];
  await pushImage(layout, a, 'v1');
  await pushImage(layout, b, 'v1');
  await layout.close();
  assert.deepEqual(await layout.prune(), { blobs: [], bytes: 0, entries: [] });
  const pruned = await layout.prune({ unnamed: true });
  assert.deepEqual(pruned.entries, [a.manifest.descriptor]);
  assert.deepEqual([...pruned.blobs].sort(), digestsOf(a));
  assert.equal((await layout.resolve('v1')).digest, b.manifest.descriptor.digest);
});

test('a signature stays as long as what it signs', async (t) => {
  const layout = await emptyLayout(t);
  const image = makeImage('a');
  await pushImage(layout, image, 'v1');
  const sign = (subject: object, text: string) => {
    const layer = piece(text, 'application/vnd.example.signature');
    const config = piece({}, MEDIA_TYPE.ociEmpty);
    const manifest = piece(
      {
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        config: config.descriptor,
        layers: [layer.descriptor],
        subject,
      },
      MEDIA_TYPE.ociManifest,
    );
    return { manifest, below: [config, layer] };
  };
  const signature = sign(image.manifest.descriptor, 'signature');
  // Listed before what it belongs to: order must not matter.
  const counter = sign(signature.manifest.descriptor, 'counter-signature');
  for (const artifact of [counter, signature]) {
    for (const part of [...artifact.below, artifact.manifest]) await pushPiece(layout, part);
    await layout.keep(artifact.manifest.descriptor);
  }
  await layout.close();
  assert.deepEqual((await layout.prune({ unnamed: true })).blobs, []);
  assert.equal(await layout.exists(counter.manifest.descriptor), true);
  await layout.close();
  await layout.removeManifest(image.manifest.descriptor.digest);
  const pruned = await layout.prune({ unnamed: true });
  assert.equal(pruned.entries.length, 2);
  assert.deepEqual(await readdir(join(layout.dir, 'blobs', 'sha256')), []);
});

test('what this or another open layout pushed or found present counts as used', async (t) => {
  const layout = await emptyLayout(t);
  const [a, b, c] = [makeImage('a'), makeImage('b'), makeImage('c')];
  for (const part of [...a.below, ...b.below, ...c.below]) await pushPiece(layout, part);
  await layout.close();
  // What was written in the tick of the clock in which a lease begins counts as used, too.
  await delay(20);

  const pushing = await openLayout(layout.dir, { create: true });
  for (const part of a.below) assert.equal((await pushPiece(pushing, part)).status, 'present');
  for (const { descriptor } of b.below) assert.equal(await pushing.exists(descriptor), true);
  const pruned = await layout.prune();
  assert.deepEqual([...pruned.blobs].sort(), c.below.map((p) => p.descriptor.digest).sort());
  assert.deepEqual((await pushing.prune()).blobs, []);
  await pushing.close();
  assert.equal((await layout.prune()).blobs.length, 4);
});

test('documents of types that slipway does not know protect what they name', async (t) => {
  const layout = await emptyLayout(t);
  const deep = piece('deep', 'application/octet-stream');
  const inner = piece(
    { list: [{ digest: deep.descriptor.digest }] },
    'application/vnd.example+json',
  );
  const artifact = piece(
    { blobs: [{ mediaType: 'application/vnd.example', digest: inner.descriptor.digest }] },
    'application/vnd.oci.artifact.manifest.v1+json',
  );
  const lost = piece('lost', 'application/octet-stream');
  for (const part of [deep, inner, artifact, lost]) await pushPiece(layout, part);
  await layout.close();
  await writeFile(
    join(layout.dir, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [artifact.descriptor] }),
  );
  assert.deepEqual((await layout.prune({ unnamed: false })).blobs, [lost.descriptor.digest]);
});

test('a manifest that is missing or damaged stops no prune', async (t) => {
  const layout = await emptyLayout(t);
  const [a, b, c] = [makeImage('a'), makeImage('b'), makeImage('c')];
  for (const [image, name] of [
    [a, 'a'],
    [b, 'b'],
    [c, 'c'],
  ] as const) {
    await pushImage(layout, image, name);
  }
  await layout.close();
  await layout.removeBlob(a.manifest.descriptor.digest);
  await writeFile(
    join(layout.dir, 'blobs', 'sha256', b.manifest.descriptor.digest.slice(7)),
    '{"broken',
  );
  await layout.prune();
  assert.equal(await layout.exists(c.manifest.descriptor), true);
  assert.equal((await layout.entries()).length, 3);
});

test('files that are no blobs, and what lies behind a link, stay', async (t) => {
  const dir = await tempFolder(t);
  const layout = await openLayout(join(dir, 'layout'), { create: true });
  await mkdir(join(dir, 'elsewhere'));
  const hex = digestOf('x', 'sha512').slice(7);
  await writeFile(join(dir, 'elsewhere', hex), 'of somebody else');
  await symlink(join(dir, 'elsewhere'), join(layout.dir, 'blobs', 'sha512'));
  await writeFile(join(layout.dir, 'blobs', 'sha256', 'README'), 'no blob');
  await mkdir(join(layout.dir, 'blobs', 'md5'));
  await mkdir(join(layout.dir, 'blobs', 'sha256', digestOf('folder').slice(7)));
  const before = await filesIn(dir);
  assert.deepEqual((await layout.prune()).blobs, []);
  assert.deepEqual(
    (await filesIn(dir)).filter((file) => before.includes(file)),
    before,
  );
  assert.deepEqual(await readdir(join(dir, 'elsewhere')), [hex]);
});

test('what a killed prune had moved away comes back for whoever needs it', async (t) => {
  const layout = await emptyLayout(t);
  const image = makeImage('a');
  for (const part of image.below) await pushPiece(layout, part);
  const [config, layer] = image.below.map(({ descriptor }) => descriptor.digest);
  const trash = join(layout.dir, '.slipway', 'trash');
  for (const digest of [config, layer]) {
    assert.ok(digest);
    await rename(join(layout.dir, 'blobs', 'sha256', digest.slice(7)), join(trash, digest));
  }
  await layout.tag(image.manifest.descriptor, 'v1', async function* () {
    yield image.manifest.bytes;
  });
  assert.equal(await layout.exists(image.manifest.descriptor), true);

  assert.ok(layer);
  await rename(join(layout.dir, 'blobs', 'sha256', layer.slice(7)), join(trash, layer));
  await layout.prune();
  assert.equal(await layout.exists(image.manifest.descriptor), true);
  assert.deepEqual(await readdir(trash), []);
  await layout.close();
});

test('a clock that was set back makes nothing look unused', async (t) => {
  const layout = await emptyLayout(t);
  const blob = piece('found present after the clock was set back', 'a/b');
  await pushPiece(layout, blob);
  await layout.close();
  const pushing = await openLayout(layout.dir, { create: true });
  assert.equal(await pushing.exists(piece('takes the lease', 'a/b').descriptor), false);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() - 3_600_000 });
  assert.equal((await pushPiece(pushing, blob)).status, 'present');
  t.mock.timers.reset();
  assert.deepEqual((await layout.prune()).blobs, []);
  await pushing.close();
  assert.deepEqual((await layout.prune()).blobs, [blob.descriptor.digest]);
});

test('a blob whose time is new when it has been moved away is put back', async (t) => {
  const layout = await emptyLayout(t);
  const blob = piece('found present after prune had looked at it', 'a/b');
  await pushPiece(layout, blob);
  const { digest } = blob.descriptor;
  const workspace = createWorkspace(layout.dir, {});
  const { mtimeMs } = await stat(join(layout.dir, 'blobs', 'sha256', digest.slice(7)));
  assert.equal(await removeUnused(workspace, digest, mtimeMs), false);
  assert.equal(await layout.exists(blob.descriptor), true);
  assert.equal(await removeUnused(workspace, digest, Date.now() + 1000), true);
  assert.equal(await layout.exists(blob.descriptor), false);
  assert.deepEqual(await readdir(join(layout.dir, '.slipway', 'trash')), []);
  await layout.close();
});
