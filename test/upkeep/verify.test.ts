import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { copyGraph } from '../../src/content/copy.ts';
import { graphOf, walk } from '../../src/content/graph.ts';
import type { SlipwayError } from '../../src/errors.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestHex, digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { verifyImage } from '../../src/upkeep/verify.ts';
import { bytesOf, put, putImage, putIndex, putJson } from '../content/images.ts';
import { freshLayout, testRegistry } from '../content/places.ts';
import type { Owner } from '../rig/lifetime.ts';

/** An index of two images in a layout and in a registry, with where the registry keeps its files. */
async function prepare(owner: Owner) {
  const layout = await freshLayout(owner);
  const images: Descriptor[] = [];
  for (const architecture of ['amd64', 'arm64']) {
    images.push(
      await putImage(layout, {
        layers: [bytesOf('shared', 5_000), bytesOf(architecture, 5_000)],
        platform: { os: 'linux', architecture },
      }),
    );
  }
  const root = await putIndex(layout, images);
  const { registry, repository } = await testRegistry(owner);
  const target = repository('app');
  await copyGraph(graphOf(layout, root, 'it'), target);
  await layout.tag(root, 'it', (offset) => layout.fetch(root, { offset }));
  const { blobs, manifests } = await walk(layout, root);
  const file = (dir: string, { digest }: Descriptor) =>
    path.join(dir, 'blobs/sha256', digestHex(digest));
  return {
    root,
    blobs,
    manifests,
    places: [
      { place: target, file: (blob: Descriptor) => file(path.join(registry.storage, 'app'), blob) },
      { place: layout, file: (blob: Descriptor) => file(layout.dir, blob) },
    ],
  };
}

test('a whole image is counted, at a registry and in a layout', async (t) => {
  const { places, root, blobs, manifests } = await prepare(t);
  const bytes = [...blobs, ...manifests.map((node) => node.descriptor)].reduce(
    (sum, { size }) => sum + size,
    0,
  );
  for (const { place } of places) {
    for (const deep of [false, true]) {
      const checked: string[] = [];
      const found = await verifyImage(place, root.digest, {
        deep,
        onChecked: ({ digest }) => checked.push(digest),
      });
      assert.equal(found.root.digest, root.digest);
      assert.deepEqual(
        { ...found, root: undefined },
        { root: undefined, manifests: 3, blobs: 5, bytes },
      );
      assert.deepEqual(checked.toSorted(), blobs.map(({ digest }) => digest).toSorted());
    }
  }
});

test('each missing piece is named; what an image misses is not an image that is missing', async (t) => {
  const { places, root, blobs, manifests } = await prepare(t);
  const below = manifests.map((node) => node.descriptor).filter((each) => each !== root);
  for (const { place, file } of places) {
    for (const lost of [...blobs, ...below]) {
      if (lost.digest === root.digest) continue;
      const bytes = await readFile(file(lost));
      await rm(file(lost));
      await assert.rejects(verifyImage(place, root.digest), (error: SlipwayError) => {
        assert.equal(error.code, 'CONTENT_MISSING');
        assert.equal(error.facts.digest, lost.digest);
        return true;
      });
      await writeFile(file(lost), bytes);
    }
    await verifyImage(place, root.digest);
  }
});

test('a flipped byte is found with deep', async (t) => {
  const { places, root, blobs } = await prepare(t);
  const layer = blobs.find(({ mediaType }) => mediaType === MEDIA_TYPE.ociLayerGzip) as Descriptor;
  for (const { place, file } of places) {
    const bytes = await readFile(file(layer));
    bytes[50] = (bytes[50] as number) ^ 1;
    await writeFile(file(layer), bytes);
    await verifyImage(place, root.digest);
    await assert.rejects(verifyImage(place, root.digest, { deep: true }), {
      code: 'DIGEST_MISMATCH',
    });
    await writeFile(file(layer), bytes.subarray(0, 100));
    await assert.rejects(verifyImage(place, root.digest, { deep: true }), (error: SlipwayError) =>
      ['CONTENT_MISSING', 'SIZE_MISMATCH', 'DIGEST_MISMATCH', 'NETWORK'].includes(error.code),
    );
  }
});

test('an image that is not there is not found', async (t) => {
  const { places } = await prepare(t);
  for (const { place } of places) {
    for (const name of ['nosuch', digestOf('nosuch')]) {
      await assert.rejects(verifyImage(place, name), { code: 'NOT_FOUND' });
    }
  }
});

test('a config that names another number of layers is refused', async (t) => {
  const layout = await freshLayout(t);
  const root = await putImage(layout, {
    layers: [bytesOf('a', 100), bytesOf('b', 100)],
    config: { rootfs: { type: 'layers', diff_ids: [digestOf('a')] } },
  });
  await assert.rejects(verifyImage(layout, root.digest), {
    code: 'CONTENT_INVALID',
    message: 'the image has 2 layers and its config names 1',
  });
});

test('content that is no container image is looked at by its digests alone', async (t) => {
  const layout = await freshLayout(t);
  const config = await put(layout, Buffer.from('{}'), 'application/vnd.oci.empty.v1+json');
  const blob = await put(layout, bytesOf('chart', 900), 'application/vnd.cncf.helm.chart.content');
  const root = await putJson(
    layout,
    { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: [blob] },
    MEDIA_TYPE.ociManifest,
  );
  const { blobs } = await verifyImage(layout, root.digest, { deep: true });
  assert.equal(blobs, 2);
});
