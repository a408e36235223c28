import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fromMemory } from '../../src/bytes/stream.ts';
import { readManifest, walk } from '../../src/content/graph.ts';
import type { Layout } from '../../src/layout/layout.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestHex } from '../../src/oci/digest.ts';
import { formatPlatform } from '../../src/oci/platform.ts';
import { listLocalImages } from '../../src/upkeep/local-images.ts';
import { bytesOf, putImage, putIndex } from '../content/images.ts';
import { freshLayout } from '../content/places.ts';

async function name(store: Layout, root: Descriptor, text: string): Promise<void> {
  const { bytes } = await readManifest(store, root);
  await store.tag(root, text, (offset) => fromMemory(bytes, offset));
}

const blobFile = (store: Layout, { digest }: Descriptor) =>
  path.join(store.dir, 'blobs/sha256', digestHex(digest));

test('images are told with platforms, sizes and configs, those without a name too', async (t) => {
  const store = await freshLayout(t);
  const raw = await putImage(store, { layers: [bytesOf('a', 700)], compression: 'none' });
  const arm64 = await putImage(store, {
    layers: [bytesOf('a', 700)],
    platform: { os: 'linux', architecture: 'arm64' },
  });
  const index = await putIndex(store, [raw, arm64]);
  await name(store, raw, 'docker.io/library/raw:1');
  await name(store, index, 'docker.io/library/multi:1');
  const old = await putImage(store, { layers: [bytesOf('old', 10)] });
  await store.keep(old);

  const images = await listLocalImages(store);
  assert.deepEqual(
    images.map((image) => [
      image.name,
      image.platforms.map(({ platform }) => platform && formatPlatform(platform)),
    ]),
    [
      ['docker.io/library/multi:1', ['linux/amd64', 'linux/arm64']],
      ['docker.io/library/raw:1', ['linux/amd64']],
      [undefined, ['linux/amd64']],
    ],
  );
  const [first, second] = images[0]?.platforms ?? [];
  const { blobs } = await walk(store, raw);
  assert.equal(
    first?.blobBytes,
    blobs.reduce((sum, { size }) => sum + size, 0),
  );
  assert.equal(first?.unpackedBytes, 700);
  assert.equal(second?.unpackedBytes, undefined);
  assert.equal(first?.config?.created, '2024-01-01T00:00:00Z');
});

test('an image that is damaged or incomplete does not hide the others', async (t) => {
  const store = await freshLayout(t);
  const make = async (text: string, config: object = {}) => {
    const root = await putImage(store, { layers: [Buffer.from(text)], config });
    await name(store, root, text);
    return root;
  };
  const damaged = await make('damaged');
  const layer = (await walk(store, await make('layerless'))).blobs[1] as Descriptor;
  const manifestless = await make('manifestless');
  await make('oddconfig', { rootfs: 'none', created: 7 });
  await make('good');
  await writeFile(blobFile(store, damaged), Buffer.alloc(damaged.size, 0x20));
  await rm(blobFile(store, layer));
  await rm(blobFile(store, manifestless));

  const images = await listLocalImages(store);
  assert.deepEqual(
    images.map((image) => [image.name, image.platforms.map(({ config }) => config !== undefined)]),
    [
      ['good', [true]],
      ['damaged', []],
      ['layerless', []],
      ['manifestless', []],
      ['oddconfig', [false]],
    ],
  );
});
