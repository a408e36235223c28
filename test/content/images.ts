import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { fromMemory } from '../../src/bytes/stream.ts';
import type { Target } from '../../src/content/transport.ts';
import { type Descriptor, describe } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { encodeDocument } from '../../src/oci/manifest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import type { Platform } from '../../src/oci/platform.ts';

/** Bytes that look random and are the same for the same seed. */
export function bytesOf(seed: string, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at * 32 < length; at++) {
    parts.push(createHash('sha256').update(`${seed} ${at}`).digest());
  }
  return Buffer.concat(parts).subarray(0, length);
}

/** Puts bytes into a place and tells their descriptor. */
export async function put(
  place: Target,
  bytes: Uint8Array,
  mediaType: string,
): Promise<Descriptor> {
  const descriptor = describe(bytes, mediaType);
  await place.push(descriptor, (offset) => fromMemory(bytes, offset));
  return descriptor;
}

/** Puts a JSON document into a place and tells its descriptor. */
export function putJson(place: Target, json: object, mediaType: string): Promise<Descriptor> {
  return put(place, encodeDocument(json), mediaType);
}

export interface ImageParts {
  /** raw bytes of each layer */
  readonly layers: readonly Uint8Array[];
  /** how the layers lie in the place; gzip if left out */
  readonly compression?: 'none' | 'gzip';
  readonly platform?: Platform;
  /** more fields of the manifest, the config, and its `config` */
  readonly manifest?: object;
  readonly config?: object;
  readonly runConfig?: object;
}

const AMD64: Platform = { os: 'linux', architecture: 'amd64' };

/** Makes an image out of layers in a place; its descriptor carries the platform. */
export async function putImage(
  place: Target,
  { layers, compression = 'gzip', platform = AMD64, ...extra }: ImageParts,
): Promise<Descriptor> {
  const mediaType = compression === 'gzip' ? MEDIA_TYPE.ociLayerGzip : MEDIA_TYPE.ociLayer;
  const described: Descriptor[] = [];
  for (const layer of layers) {
    described.push(await put(place, compression === 'gzip' ? gzipSync(layer) : layer, mediaType));
  }
  const config = await putJson(
    place,
    {
      ...platform,
      created: '2024-01-01T00:00:00Z',
      config: { Cmd: ['/app'], ...extra.runConfig },
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
      ...extra.config,
    },
    MEDIA_TYPE.ociConfig,
  );
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config,
    layers: described,
    ...extra.manifest,
  };
  return { ...(await putJson(place, manifest, MEDIA_TYPE.ociManifest)), platform };
}

/** Makes an index of what is in a place. */
export function putIndex(
  place: Target,
  manifests: readonly Descriptor[],
  more: object = {},
): Promise<Descriptor> {
  const mediaType = MEDIA_TYPE.ociIndex;
  return putJson(place, { schemaVersion: 2, mediaType, manifests, ...more }, mediaType);
}
