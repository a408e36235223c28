import { mkdir, open, readFile, rename, stat, writeFile } from 'node:fs/promises';
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

/** A descriptor. */
export interface Layer {
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
    await startLayout(draft);
    const layers: Layer[] = [];
    for (const one of wanted) layers.push(await addRandomLayer(draft, one));
    await addImage(draft, layers);
  });
  return readLayout(folder);
}

/** What {@link addImage} wrote. */
export async function readLayout(folder: string): Promise<Layout> {
  const layers = JSON.parse(
    await readFile(path.join(folder, 'layers.json'), 'utf8'),
  ) as readonly Layer[];
  return { folder, layers, layerBytes: layers.reduce((sum, { size }) => sum + size, 0) };
}

/** Makes the folders of a layout. */
export async function startLayout(folder: string): Promise<void> {
  await mkdir(path.join(folder, 'blobs/sha256'), { recursive: true });
  await writeFile(path.join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

/** Adds random bytes that are called a layer. */
export async function addRandomLayer(folder: string, { seed, sizeBytes }: Wanted): Promise<Layer> {
  const draft = path.join(folder, 'draft');
  const file = await open(draft, 'wx');
  try {
    for (const chunk of seededBytes(seed, sizeBytes)) await file.write(chunk);
  } finally {
    await file.close();
  }
  return await addLayerFile(folder, draft, MEDIA_TYPE.ociLayerGzip);
}

/** Moves a file into a layout. */
export async function addLayerFile(
  folder: string,
  file: string,
  mediaType: string,
): Promise<Layer> {
  const digest = await fileDigest(file);
  const { size } = await stat(file);
  await rename(file, blobFile(folder, digest));
  return { mediaType, digest, size };
}

/** Adds the image of these layers, which is the only one and is named `1`. */
export async function addImage(folder: string, layers: readonly Layer[]): Promise<Layer> {
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
  await writeNames(folder, [[image, '1']]);
  await writeFile(path.join(folder, 'layers.json'), JSON.stringify(layers));
  return image;
}

/** Writes the index of a layout. */
export async function writeNames(
  folder: string,
  names: readonly (readonly [Layer, string])[],
): Promise<void> {
  const manifests = names.map(([image, name]) => ({
    ...image,
    annotations: { 'org.opencontainers.image.ref.name': name },
  }));
  const index = { schemaVersion: 2, manifests };
  await writeFile(path.join(folder, 'index.json'), JSON.stringify(index));
}
