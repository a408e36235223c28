import { createHash, randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { type Added, addImage, startLayout } from '../rig/layouts.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { mustRun } from '../rig/programs.ts';

/** An image that is published again and again. */
export interface TestImage {
  /** folder of the layout; the image's name in it is `1` */
  readonly layout: string;
  readonly root: Added;
  readonly layers: readonly Added[];
  /** of all layers */
  readonly layerBytes: number;
}

const MIB = 1024 * 1024;

/** Makes an image of real layers, of 20 MiB, 1 MiB and 4 KiB if not told. */
export async function makeImage(
  owner: Owner,
  layerBytes: readonly number[] = [20 * MIB, MIB, 4096],
  /** text compresses to a half or so; random bytes don't */
  { isText = false }: { readonly isText?: boolean } = {},
): Promise<TestImage> {
  const made: Made[] = [];
  for (const bytes of layerBytes) made.push(await makeLayer(owner, bytes, isText));
  return await putTogether(owner, made);
}

/** Makes images that share layers of the given sizes and have one of their own; their layouts. */
export async function makeImagesOnBase(
  owner: Owner,
  baseBytes: readonly number[],
  { images, ownBytes }: { readonly images: number; readonly ownBytes: number },
): Promise<readonly string[]> {
  const base: Made[] = [];
  for (const bytes of baseBytes) base.push(await makeLayer(owner, bytes, false));
  const layouts: string[] = [];
  for (let at = 0; at < images; at++) {
    const own = await makeLayer(owner, ownBytes, false);
    layouts.push((await putTogether(owner, [...base, own])).layout);
  }
  return layouts;
}

interface Made {
  readonly gzip: Buffer;
  readonly diffId: Digest;
}

async function makeLayer(owner: Owner, bytes: number, isText: boolean): Promise<Made> {
  const folder = await tempDir(owner);
  const random = randomBytes(isText ? bytes / 2 : bytes);
  await writeFile(path.join(folder, 'file'), isText ? random.toString('hex') : random);
  const tar = path.join(folder, 'layer.tar');
  await mustRun('tar', ['-C', folder, '-cf', tar, 'file']);
  const raw = await readFile(tar);
  await rm(folder, { recursive: true });
  return { gzip: gzipSync(raw, { level: 1 }), diffId: digestOf(raw) };
}

async function putTogether(owner: Owner, made: readonly Made[]): Promise<TestImage> {
  const layout = await startLayout(owner);
  const added = [];
  for (const { gzip, diffId } of made) {
    added.push({ layer: await layout.add(gzip, MEDIA_TYPE.ociLayerGzip), diffId });
  }
  const root = await addImage(layout, 'amd64', added);
  await layout.name(root, '1');
  const layers = added.map(({ layer }) => layer);
  const bytes = layers.reduce((sum, { size }) => sum + size, 0);
  return { layout: layout.dir, root, layers, layerBytes: bytes };
}

/** What a registry holds under a tag, seen without any client. */
export type Held =
  /** there is no such tag */
  | 'nothing'
  /** the tag names a manifest of which not every byte is there */
  | 'broken'
  /** digest of a manifest of which every byte is there */
  | `sha256:${string}`;

const TYPES = Object.values(MEDIA_TYPE)
  .filter((type) => /manifest|index/.test(type))
  .join(', ');

/** Reads an image back and hashes every byte of it. */
export async function held(host: string, repository: string, tag: string): Promise<Held> {
  const base = `http://${host}/v2/${repository}`;
  const answer = await fetch(`${base}/manifests/${tag}`, { headers: { accept: TYPES } });
  const bytes = Buffer.from(await answer.arrayBuffer());
  if (answer.status !== 200) return 'nothing';
  const { config, layers = [] } = JSON.parse(bytes.toString()) as {
    readonly config: Added;
    readonly layers?: readonly Added[];
  };
  for (const { digest, size } of [config, ...layers]) {
    const blob = await fetch(`${base}/blobs/${digest}`);
    const hash = createHash('sha256');
    let length = 0;
    for await (const chunk of blob.body ?? []) {
      hash.update(chunk);
      length += chunk.byteLength;
    }
    const isRight = blob.status === 200 && `sha256:${hash.digest('hex')}` === digest;
    if (!isRight || length !== size) return 'broken';
  }
  return digestOf(bytes) as `sha256:${string}`;
}
