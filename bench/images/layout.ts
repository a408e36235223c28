import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { blobFile } from '../../test/rig/layouts.ts';
import type { Bench } from '../bench.ts';
import { fileDigest } from './file-digest.ts';
import { kept } from './kept.ts';
import { seededBytes } from './seeded.ts';

/** An OCI layout with one image, named `1`, of layers that are compressed already. */
export interface Layout {
  readonly folder: string;
  readonly layers: readonly Layer[];
  readonly layerBytes: number;
}

interface Layer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

/** What a layer is made of: the same seed and size make the same layer. */
interface Wanted {
  readonly seed: string;
  readonly sizeBytes: number;
}

/**
 * Prepares a layout of layers that look like compressed ones. A layer is random bytes, which are
 * neither gzip nor a tar: nobody unpacks them on the way, and its diffID is its own digest.
 */
export async function prepareLayout(
  { images, say }: Pick<Bench, 'images' | 'say'>,
  name: string,
  wanted: readonly Wanted[],
): Promise<Layout> {
  const folder = await kept(images, `layout-${name}`, async (draft) => {
    say(`preparing the layout ${name}`);
    await mkdir(path.join(draft, 'blobs/sha256'), { recursive: true });
    const layers: Layer[] = [];
    for (const one of wanted) layers.push(await addLayer(draft, one));
    await addImage(draft, layers);
    await writeFile(path.join(draft, 'layers.json'), JSON.stringify(layers));
  });
  const layers = JSON.parse(
    await readFile(path.join(folder, 'layers.json'), 'utf8'),
  ) as readonly Layer[];
  return { folder, layers, layerBytes: layers.reduce((sum, { size }) => sum + size, 0) };
}

async function addLayer(folder: string, { seed, sizeBytes }: Wanted): Promise<Layer> {
  const draft = path.join(folder, 'draft');
  const file = await open(draft, 'wx');
  try {
    for (const chunk of seededBytes(seed, sizeBytes)) await file.write(chunk);
  } finally {
    await file.close();
  }
  const digest = await fileDigest(draft);
  await rename(draft, blobFile(folder, digest));
  return { mediaType: MEDIA_TYPE.ociLayerGzip, digest, size: sizeBytes };
}

async function addImage(folder: string, layers: readonly Layer[]): Promise<void> {
  const add = async (json: object, mediaType: string): Promise<Layer> => {
    const bytes = Buffer.from(JSON.stringify(json));
    const digest = digestOf(bytes);
    await writeFile(blobFile(folder, digest), bytes);
    return { mediaType, digest, size: bytes.byteLength };
  };
  const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
  const config = await add({ os: 'linux', architecture: 'amd64', rootfs }, MEDIA_TYPE.ociConfig);
  const mediaType = MEDIA_TYPE.ociManifest;
  const image = await add({ schemaVersion: 2, mediaType, config, layers }, mediaType);
  const named = { ...image, annotations: { 'org.opencontainers.image.ref.name': '1' } };
  const index = { schemaVersion: 2, manifests: [named] };
  await writeFile(path.join(folder, 'index.json'), JSON.stringify(index));
  await writeFile(path.join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}
