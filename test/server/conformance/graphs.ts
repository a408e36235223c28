import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { MEDIA_TYPE } from '../../../src/oci/mediatype.ts';
import { type Document, encode, sha } from '../rig.ts';

export const EXAMPLE_1 = 'application/vnd.example.oci.conformance.v1';
export const EXAMPLE_2 = 'application/vnd.example.oci.conformance.v2';

/** What one group of the suite pushes. */
export interface Graph {
  readonly blobs: Map<string, Uint8Array>;
  /** children before parents */
  readonly manifests: Map<string, Document>;
  readonly tags: Map<string, string>;
  readonly algorithm: string;
}

export interface Described {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly [field: string]: unknown;
}

export interface ManifestHow {
  readonly tag?: string;
  /** fields of the manifest or index beside those of every one */
  readonly fields?: object;
}

export interface ImageHow extends ManifestHow {
  readonly architecture?: string;
  readonly layers?: number;
  readonly isCompressed?: boolean;
  /** contents in the descriptors, too */
  readonly withData?: boolean;
  /** fields that nobody knows in the config */
  readonly configFields?: object;
  /** an artifact of this type instead of an image */
  readonly artifact?: { readonly layerType: string; readonly bytes?: Uint8Array };
}

export function newGraph(algorithm = 'sha256'): Graph {
  return { blobs: new Map(), manifests: new Map(), tags: new Map(), algorithm };
}

export function addBlob(
  { blobs, algorithm }: Graph,
  bytes: Uint8Array,
  mediaType: string,
  withData = false,
): Described {
  const digest = sha(bytes, algorithm);
  blobs.set(digest, bytes);
  const data = withData ? { data: Buffer.from(bytes).toString('base64') } : {};
  return { mediaType, digest, size: bytes.byteLength, ...data };
}

export function addManifest(graph: Graph, json: Document, tag?: string): Described {
  const bytes = encode(json);
  const digest = sha(bytes, graph.algorithm);
  graph.manifests.set(digest, json);
  if (tag !== undefined) graph.tags.set(tag, digest);
  return { mediaType: json.mediaType, digest, size: bytes.byteLength };
}

export function addLayer(graph: Graph, { isCompressed = true, withData = false }: ImageHow) {
  const tar = Buffer.concat([randomBytes(300), Buffer.alloc(1024)]);
  const type = isCompressed ? MEDIA_TYPE.ociLayerGzip : MEDIA_TYPE.ociLayer;
  return addBlob(graph, isCompressed ? gzipSync(tar) : tar, type, withData);
}

/** A config is the same for all images of a platform, so that several of them share it. */
export function addConfig(graph: Graph, how: ImageHow): Described {
  const { architecture = 'amd64', configFields = {}, withData = false } = how;
  const rootfs = { type: 'layers', diff_ids: [] };
  const json = { author: 'Conformance', architecture, os: 'linux', rootfs, ...configFields };
  return addBlob(graph, encode(json), MEDIA_TYPE.ociConfig, withData);
}

/** An image, or an artifact. */
export function addImage(graph: Graph, how: ImageHow = {}): Described {
  const { artifact, fields = {}, layers: count = 2, tag } = how;
  const layers =
    artifact === undefined
      ? Array.from({ length: count }, () => addLayer(graph, how))
      : [addBlob(graph, artifact.bytes ?? randomBytes(2048), artifact.layerType)];
  const config =
    artifact === undefined
      ? addConfig(graph, how)
      : addBlob(graph, Buffer.from('{}'), MEDIA_TYPE.ociEmpty);
  const mediaType = MEDIA_TYPE.ociManifest;
  return addManifest(graph, { schemaVersion: 2, mediaType, config, layers, ...fields }, tag);
}

export function addIndex(graph: Graph, manifests: readonly Described[], how: ManifestHow = {}) {
  const json = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests, ...how.fields };
  return addManifest(graph, json, how.tag);
}

/** An index of an image for each of two platforms. */
export function addIndexOfImages(
  graph: Graph,
  { image = {}, ...how }: ManifestHow & { readonly image?: ImageHow } = {},
): Described {
  const manifests = ['amd64', 'arm64'].map((architecture) => ({
    ...addImage(graph, { ...image, architecture }),
    platform: { os: 'linux', architecture },
  }));
  return addIndex(graph, manifests, how);
}
