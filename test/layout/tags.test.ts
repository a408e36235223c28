import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLayout } from '../../src/layout/layout.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { tempFolder } from '../state/folders.ts';
import { makeImage, makeIndex, opener, piece, pushImage, pushPiece } from './images.ts';

const NAME = 'org.opencontainers.image.ref.name';

async function emptyLayout(t: Parameters<typeof tempFolder>[0]) {
  return openLayout(join(await tempFolder(t), 'layout'), { create: true });
}

async function namesOf(layout: Awaited<ReturnType<typeof emptyLayout>>) {
  return (await layout.entries()).map((entry) => [entry.annotations?.[NAME], entry.digest]);
}

test('a name stands for an image, and a digest for what is there', async (t) => {
  const layout = await emptyLayout(t);
  const image = makeImage('a');
  const { digest } = image.manifest.descriptor;
  await pushImage(layout, image, 'localhost:5000/app:1');
  assert.equal((await layout.resolve('localhost:5000/app:1')).digest, digest);
  assert.equal((await layout.resolve('')).digest, digest);
  assert.equal((await layout.resolve(digest)).digest, digest);
  assert.deepEqual(await Array.fromAsync(layout.list()), ['localhost:5000/app:1']);
  assert.equal(await layout.exists(image.manifest.descriptor), true);

  const other = makeImage('b');
  await pushImage(layout, other, 'v2');
  await assert.rejects(layout.resolve(''), { code: 'NOT_FOUND' });
  await assert.rejects(layout.resolve('v3'), (error: { code?: string; hint?: string }) => {
    assert.equal(error.code, 'NOT_FOUND');
    assert.match(error.hint ?? '', /localhost:5000\/app:1, v2/);
    return true;
  });
  await layout.close();
});

test('a manifest without an entry is found by digest, and a blob that is none is not', async (t) => {
  const layout = await emptyLayout(t);
  const image = makeImage('a');
  for (const part of [...image.below, image.manifest]) await pushPiece(layout, part);
  const found = await layout.resolve(image.manifest.descriptor.digest);
  assert.deepEqual(found, image.manifest.descriptor);
  for (const part of image.below) {
    await assert.rejects(layout.resolve(part.descriptor.digest), { code: 'NOT_FOUND' });
  }
  await layout.close();
});

test('a name moves, and what it named stays without a name', async (t) => {
  const layout = await emptyLayout(t);
  const [a, b] = [makeImage('a'), makeImage('b')];
  await pushImage(layout, a, 'latest');
  await pushImage(layout, b, 'other');
  await pushImage(layout, b, 'latest');
  assert.deepEqual(await namesOf(layout), [
    [undefined, a.manifest.descriptor.digest],
    ['other', b.manifest.descriptor.digest],
    ['latest', b.manifest.descriptor.digest],
  ]);
  await pushImage(layout, a, 'latest');
  assert.deepEqual(await namesOf(layout), [
    ['latest', a.manifest.descriptor.digest],
    ['other', b.manifest.descriptor.digest],
  ]);
  await layout.close();
});

test('an image without a name is dropped from the index when one above it gets a name', async (t) => {
  const layout = await emptyLayout(t);
  const [a, b] = [makeImage('a'), makeImage('b')];
  const index = makeIndex(a, b);
  for (const part of index.below) await pushPiece(layout, part);
  await layout.keep(a.manifest.descriptor);
  await pushImage(layout, b, 'v1');
  await pushImage(layout, index, 'v1');
  assert.deepEqual(await namesOf(layout), [['v1', index.manifest.descriptor.digest]]);
  await layout.close();
});

test('an image without a name is forgotten, one with a name is not, and the bytes stay', async (t) => {
  const layout = await emptyLayout(t);
  const [a, b] = [makeImage('a'), makeImage('b')];
  await pushImage(layout, a, 'v1');
  await pushImage(layout, b, 'v2');
  await layout.untag('v2', { keep: true });
  await layout.forget(a.manifest.descriptor.digest);
  assert.equal((await layout.entries()).length, 2);
  await layout.forget(b.manifest.descriptor.digest);
  assert.deepEqual(await namesOf(layout), [['v1', a.manifest.descriptor.digest]]);
  assert.equal(await layout.exists(b.manifest.descriptor), true);
  await layout.close();
});

test('tagging again what a name stands for writes nothing', async (t) => {
  const layout = await emptyLayout(t);
  const image = makeImage('a');
  await pushImage(layout, image, 'v1');
  const path = join(layout.dir, 'index.json');
  const spaced = (await readFile(path, 'utf8')).replace('{', '{ ');
  await writeFile(path, spaced);
  await pushImage(layout, image, 'v1');
  assert.equal(await readFile(path, 'utf8'), spaced);
  await layout.close();
});

test('a name can be taken away, with or without the image', async (t) => {
  const layout = await emptyLayout(t);
  const [a, b] = [makeImage('a'), makeImage('b')];
  await pushImage(layout, a, 'a1');
  await pushImage(layout, a, 'a2');
  await pushImage(layout, b, 'b1');
  assert.equal((await layout.untag('a1', { keep: true }))?.digest, a.manifest.descriptor.digest);
  assert.equal((await layout.untag('b1', { keep: true }))?.digest, b.manifest.descriptor.digest);
  assert.deepEqual(await namesOf(layout), [
    ['a2', a.manifest.descriptor.digest],
    [undefined, b.manifest.descriptor.digest],
  ]);
  await layout.untag('a2');
  assert.deepEqual(await namesOf(layout), [[undefined, b.manifest.descriptor.digest]]);
  assert.equal(await layout.untag('never'), undefined);

  assert.equal(await layout.removeManifest(b.manifest.descriptor.digest), true);
  assert.deepEqual(await namesOf(layout), []);
  assert.equal(await layout.blobSize(b.manifest.descriptor.digest), undefined);
  assert.equal(await layout.removeManifest(b.manifest.descriptor.digest), false);
  await layout.close();
});

test('an image gets no name while anything of it is missing', async (t) => {
  const layout = await emptyLayout(t);
  const image = makeImage('a');
  const index = makeIndex(image, makeImage('b'));
  const order = [...index.below];
  for (const part of order) {
    await assert.rejects(pushTop(), (error: { code?: string; facts?: { digest?: string } }) => {
      assert.equal(error.code, 'CONTENT_MISSING');
      assert.ok(order.some(({ descriptor }) => descriptor.digest === error.facts?.digest));
      return true;
    });
    assert.equal(await layout.exists(index.manifest.descriptor), false);
    await pushPiece(layout, part);
  }
  assert.deepEqual(await layout.entries(), []);
  await pushTop();
  assert.equal(await layout.exists(index.manifest.descriptor), true);
  const last = order.at(-2)?.descriptor.digest;
  assert.ok(last);
  await layout.removeBlob(last);
  assert.equal(await layout.exists(index.manifest.descriptor), false);
  await assert.rejects(layout.keep(makeIndex(image).manifest.descriptor), {
    code: 'CONTENT_MISSING',
  });
  await layout.close();

  function pushTop() {
    return layout.tag(index.manifest.descriptor, 'v1', opener(index.manifest.bytes));
  }
});

test('a layer that may not be distributed may be absent if it says where it comes from', async (t) => {
  const layout = await emptyLayout(t);
  const image = makeImage('a');
  const [config] = image.below;
  assert.ok(config);
  await pushPiece(layout, config);
  const foreign = { ...piece('layer', MEDIA_TYPE.dockerLayerForeignGzip).descriptor };
  const manifest = (layer: object) =>
    piece(
      {
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        config: config.descriptor,
        layers: [layer],
      },
      MEDIA_TYPE.ociManifest,
    );
  const without = manifest(foreign);
  await assert.rejects(layout.tag(without.descriptor, 'v1', opener(without.bytes)), {
    code: 'CONTENT_MISSING',
  });
  const withUrls = manifest({ ...foreign, urls: ['https://example.com/layer'] });
  await layout.tag(withUrls.descriptor, 'v1', opener(withUrls.bytes));
  await layout.close();
});

test('fields that slipway does not know and numbers of any spelling stay as they are', async (t) => {
  const layout = await emptyLayout(t);
  const [a, b] = [makeImage('a'), makeImage('b')];
  await pushImage(layout, a, 'old');
  const path = join(layout.dir, 'index.json');
  const entry = `{"x":1.0,"mediaType":"${MEDIA_TYPE.ociManifest}","digest":"${a.manifest.descriptor.digest}","size":${a.manifest.descriptor.size},"__proto__":{"y":12345678901234567890},"platform":{"os":"linux","architecture":"arm64","features":["z"]},"annotations":{"other":"\\ud83d","${NAME}":"old"}}`;
  const top = `{"first":-0,"schemaVersion":2,"manifests":[${entry}],"last":{"n":1e3}}`;
  await writeFile(path, top);
  await pushImage(layout, b, 'new');
  const added = JSON.stringify({
    ...b.manifest.descriptor,
    annotations: { [NAME]: 'new' },
  });
  assert.equal(await readFile(path, 'utf8'), top.replace(entry, `${entry},${added}`));

  await pushImage(layout, b, 'old');
  const text = await readFile(path, 'utf8');
  assert.ok(text.includes('"x":1.0,'));
  assert.ok(text.includes('"__proto__":{"y":12345678901234567890}'));
  assert.ok(text.includes('"features":["z"]'));
  assert.ok(text.includes('"annotations":{"other":"\\ud83d"}'));
  await layout.close();
});

test('annotations of the descriptor are kept, other names and embedded bytes are not', async (t) => {
  const layout = await emptyLayout(t);
  const image = makeImage('a');
  for (const part of image.below) await pushPiece(layout, part);
  const descriptor = {
    ...image.manifest.descriptor,
    data: Buffer.from(image.manifest.bytes).toString('base64'),
    platform: { os: 'linux', architecture: 'arm64' },
    annotations: {
      [NAME]: 'of somewhere else',
      'io.containerd.image.name': 'docker.io/library/other:1',
      'com.example': 'kept',
    },
  };
  await layout.tag(descriptor, 'v1', opener(image.manifest.bytes));
  const [entry] = await layout.entries();
  assert.deepEqual(entry, {
    ...image.manifest.descriptor,
    platform: { os: 'linux', architecture: 'arm64' },
    annotations: { 'com.example': 'kept', [NAME]: 'v1' },
  });
  await layout.close();
});

test('names that could mean something else are refused', async (t) => {
  const layout = await emptyLayout(t);
  const image = makeImage('a');
  const { digest } = image.manifest.descriptor;
  for (const name of ['', ' ', 'a b', '-x', '/x', '\u001b[2J', 'a\n', digest, 'x'.repeat(513)]) {
    await assert.rejects(pushImage(layout, image, name), { code: 'REFERENCE_INVALID' }, name);
  }
  for (const name of ['_x', 'a-', '1.0+b', '[::1]:5000/app:1', 'docker.io/library/a:b']) {
    await pushImage(layout, image, name);
    assert.equal((await layout.resolve(name)).digest, digest);
  }
  await assert.rejects(
    layout.tag(image.below[0]?.descriptor as never, 'x', opener(new Uint8Array())),
    {
      code: 'CONTENT_INVALID',
    },
  );
  await layout.close();
});

test('what another process changed in index.json is seen', async (t) => {
  const layout = await emptyLayout(t);
  const other = await openLayout(layout.dir);
  for (let turn = 0; turn < 10; turn++) {
    await pushImage(turn % 2 ? layout : other, makeImage(`${turn}`), `v${turn}`);
    assert.equal((await layout.entries()).length, turn + 1);
    assert.equal((await other.entries()).length, turn + 1);
  }
  await other.close();
  await layout.close();
});

test('a sparse image lacks what is below it, never the manifest itself', async (t) => {
  const layout = await emptyLayout(t);
  const { manifest } = makeImage('a');
  const { digest } = manifest.descriptor;
  await assert.rejects(layout.keep(manifest.descriptor, { sparse: true }), {
    code: 'CONTENT_MISSING',
  });
  assert.deepEqual(await namesOf(layout), []);
  let isRemoved = false;
  const how = {
    // Read between the push and the lock, as another process may remove it then.
    get sparse() {
      if (!isRemoved) rmSync(join(layout.dir, 'blobs', 'sha256', digest.slice(7)));
      isRemoved = true;
      return true;
    },
  };
  await layout.enter(manifest.descriptor, ['v1'], opener(manifest.bytes), how);
  assert.equal(await layout.blobSize(digest), manifest.bytes.byteLength);
  assert.deepEqual(await namesOf(layout), [['v1', digest]]);
  await layout.close();
});
