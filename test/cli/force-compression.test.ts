import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { readManifest } from '../../src/content/graph.ts';
import { openLayout } from '../../src/layout/layout.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import type { ImageIndex, ImageManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { verifyImage } from '../../src/upkeep/verify.ts';
import { prose } from '../bytes/samples.ts';
import { bytesOf, type ImageParts, putImage, putIndex } from '../content/images.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { prepareSlipway } from '../rig/slipway.ts';

const LAYERS = [prose(300_000), bytesOf('noise', 40_000)];

/** A layout with an image, named `x`, whose layers are gzip's. */
async function packedLayout(owner: Owner, parts: Partial<ImageParts> = {}): Promise<string> {
  const folder = path.join(await tempDir(owner), 'packed');
  const layout = await openLayout(folder, { create: true });
  const image = await putImage(layout, { layers: LAYERS, ...parts });
  await layout.tag(image, 'x', (offset) => layout.fetch(image, { offset }));
  const index = await putIndex(layout, [image]);
  await layout.tag(index, 'index', (offset) => layout.fetch(index, { offset }));
  await layout.close();
  return folder;
}

interface Found {
  readonly root: Descriptor;
  readonly images: readonly ImageManifest[];
}

/** The image at a name of a layout, every byte of it checked. */
async function imagesAt(folder: string, name: string): Promise<Found> {
  const layout = await openLayout(folder);
  try {
    const root = await layout.resolve(name);
    await verifyImage(layout, root.digest, { deep: true });
    const { document } = await readManifest(layout, root);
    const entries = document.kind === 'index' ? (document as ImageIndex).manifests : [root];
    const images = entries.map(async (entry) => (await readManifest(layout, entry)).document);
    return { root, images: (await Promise.all(images)) as ImageManifest[] };
  } finally {
    await layout.close();
  }
}

const typesOf = (image: ImageManifest | undefined) =>
  image?.layers.map(({ mediaType }) => mediaType);

test('--force-compression makes compressed layers anew, of the same content, and says so', async (t) => {
  const slipway = await prepareSlipway(t);
  const folder = await packedLayout(t);
  const before = await imagesAt(folder, 'x');
  const copy = async (to: string, ...flags: string[]) => {
    const result = await slipway.run(['copy', `oci:${folder}:x`, `oci:${folder}:${to}`, ...flags]);
    assert.equal(result.code, 0, result.stderr);
    return { ...(await imagesAt(folder, to)), stderr: result.stderr };
  };

  const asked = await copy('asked', '--compression', 'zstd');
  assert.equal(asked.root.digest, before.root.digest, 'without the option it stays as it is');

  const zstd = await copy('zstd', '--compression', 'zstd', '--force-compression');
  assert.match(zstd.stderr, /compressed anew, so its digests change/);
  assert.deepEqual(typesOf(zstd.images[0]), [MEDIA_TYPE.ociLayerZstd, MEDIA_TYPE.ociLayerZstd]);
  assert.equal(zstd.images[0]?.config.digest, before.images[0]?.config.digest);

  const small = await copy('small', '--force-compression', '--compression-level', '9');
  const fast = await copy('fast', '--force-compression', '--compression-level', '1');
  const size = ({ images }: Found) => images[0]?.layers[0]?.size ?? 0;
  assert.deepEqual(typesOf(small.images[0]), [MEDIA_TYPE.ociLayerGzip, MEDIA_TYPE.ociLayerGzip]);
  assert.ok(size(small) < size(fast), `${size(small)} < ${size(fast)}`);
  const again = await copy('again', '--force-compression', '--compression-level', '9');
  assert.equal(again.root.digest, small.root.digest);
});

test('--force-compression makes both variants of an index that is compressed', async (t) => {
  const slipway = await prepareSlipway(t);
  const folder = await packedLayout(t);
  const to = `oci:${folder}:both`;
  const flags = ['--compression', 'gzip,zstd', '--force-compression'];
  await slipway.must(['copy', `oci:${folder}:index`, to, ...flags]);
  const { images } = await imagesAt(folder, 'both');
  const types = [MEDIA_TYPE.ociLayerGzip, MEDIA_TYPE.ociLayerZstd].map((type) => [type, type]);
  assert.deepEqual(images.map(typesOf), types);
});

test('--force-compression refuses layers that are not what the config says', async (t) => {
  const slipway = await prepareSlipway(t);
  const others = [digestOf(prose(9)), digestOf(prose(10))];
  const cases = [
    [others, /unpacks to sha256:[0-9a-f]+, and its image's config says/],
    [others.slice(1), /has 2 layers, and its config 1/],
  ] as const;
  for (const [diffIds, expected] of cases) {
    const rootfs = { type: 'layers', diff_ids: diffIds };
    const folder = await packedLayout(t, { config: { rootfs } });
    const args = ['copy', `oci:${folder}:x`, `oci:${folder}:y`, '--force-compression'];
    const { code, stderr } = await slipway.run(args);
    assert.notEqual(code, 0);
    assert.match(stderr, expected);
    await assert.rejects(imagesAt(folder, 'y'));
  }
  for (const format of ['keep', 'none']) {
    const wrong = ['--force-compression', '--compression', format];
    const { code, stderr } = await slipway.run(['copy', 'oci:/none:x', 'oci:/none:y', ...wrong]);
    assert.equal(code, 2, stderr);
  }
});
