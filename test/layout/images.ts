import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { fromMemory } from '../../src/bytes/stream.ts';
import type { Open } from '../../src/content/transport.ts';
import type { Layout } from '../../src/layout/layout.ts';
import { type Descriptor, describe } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';

/** Content and its descriptor. */
export interface Piece {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** An image in memory. */
export interface TestImage {
  readonly manifest: Piece;
  /** configs, layers and, for an index, its manifests: what must be there before the top */
  readonly below: readonly Piece[];
}

export function piece(content: Uint8Array | string | object, mediaType: string): Piece {
  const isBytes = typeof content === 'string' || content instanceof Uint8Array;
  const bytes = Buffer.from(isBytes ? content : JSON.stringify(content));
  return { descriptor: describe(bytes, mediaType), bytes };
}

/** An image of one layer, which holds the file `seed`; the tar is a real one. */
export function makeImage(seed: string, layer: Uint8Array = tarOf(seed)): TestImage {
  const compressed = piece(gzipSync(layer), MEDIA_TYPE.ociLayerGzip);
  const config = piece(
    {
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/bin/true'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
      history: [{ created: '2026-01-01T00:00:00Z', created_by: 'test' }],
    },
    MEDIA_TYPE.ociConfig,
  );
  const manifest = piece(
    {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      config: config.descriptor,
      layers: [compressed.descriptor],
    },
    MEDIA_TYPE.ociManifest,
  );
  return { manifest, below: [config, compressed] };
}

/** An index of images. */
export function makeIndex(...images: TestImage[]): TestImage {
  const manifest = piece(
    {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociIndex,
      manifests: images.map((image) => image.manifest.descriptor),
    },
    MEDIA_TYPE.ociIndex,
  );
  return { manifest, below: images.flatMap((image) => [...image.below, image.manifest]) };
}

/** A tar archive of one small file. */
export function tarOf(name: string): Buffer {
  const content = Buffer.from(`this is ${name}\n`);
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.byteLength.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        0', 148);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc(512 - content.byteLength + 1024)]);
}

export function opener(bytes: Uint8Array): Open {
  return (offset) => fromMemory(bytes, offset);
}

export async function pushPiece(layout: Layout, { descriptor, bytes }: Piece) {
  return layout.push(descriptor, opener(bytes));
}

/** Pushes an image and gives it a name. */
export async function pushImage(layout: Layout, image: TestImage, name: string): Promise<void> {
  for (const part of image.below) await pushPiece(layout, part);
  await layout.tag(image.manifest.descriptor, name, opener(image.manifest.bytes));
}

/** Everything in a folder, as relative paths. */
export async function filesIn(dir: string): Promise<readonly string[]> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}
