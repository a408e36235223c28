/** Media types of OCI (image-spec, media-types.md) and of Docker (distribution, manifest-v2-2). */
export const MEDIA_TYPE = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociLayerForeign: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  ociLayerForeignGzip: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  ociLayerForeignZstd: 'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  dockerLayerForeign: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
  dockerLayerForeignGzip: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
} as const;

/** What `Accept` says when a manifest is asked for: every type that we can read. */
export const MANIFEST_MEDIA_TYPES: readonly string[] = [
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerIndex,
  MEDIA_TYPE.dockerManifest,
];

/** How the bytes of a layer are compressed. */
export type Compression = 'none' | 'gzip' | 'zstd';

/** Whose media types they are. */
export type MediaTypeFamily = 'oci' | 'docker';

interface LayerType {
  readonly compression: Compression;
  readonly foreign: boolean;
  readonly family: MediaTypeFamily;
}

const LAYER_TYPES: ReadonlyMap<string, LayerType> = new Map([
  [MEDIA_TYPE.ociLayer, { compression: 'none', foreign: false, family: 'oci' }],
  [MEDIA_TYPE.ociLayerGzip, { compression: 'gzip', foreign: false, family: 'oci' }],
  [MEDIA_TYPE.ociLayerZstd, { compression: 'zstd', foreign: false, family: 'oci' }],
  [MEDIA_TYPE.ociLayerForeign, { compression: 'none', foreign: true, family: 'oci' }],
  [MEDIA_TYPE.ociLayerForeignGzip, { compression: 'gzip', foreign: true, family: 'oci' }],
  [MEDIA_TYPE.ociLayerForeignZstd, { compression: 'zstd', foreign: true, family: 'oci' }],
  [MEDIA_TYPE.dockerLayer, { compression: 'none', foreign: false, family: 'docker' }],
  [MEDIA_TYPE.dockerLayerGzip, { compression: 'gzip', foreign: false, family: 'docker' }],
  [MEDIA_TYPE.dockerLayerZstd, { compression: 'zstd', foreign: false, family: 'docker' }],
  [MEDIA_TYPE.dockerLayerForeign, { compression: 'none', foreign: true, family: 'docker' }],
  [MEDIA_TYPE.dockerLayerForeignGzip, { compression: 'gzip', foreign: true, family: 'docker' }],
] as const);

/** True for an image index or a Docker manifest list. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociIndex || mediaType === MEDIA_TYPE.dockerIndex;
}

/** True for an image manifest of either family. */
export function isImageManifestType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociManifest || mediaType === MEDIA_TYPE.dockerManifest;
}

/** True for what a registry keeps under `/manifests/`: a manifest or an index. */
export function isManifestType(mediaType: string): boolean {
  return isIndexType(mediaType) || isImageManifestType(mediaType);
}

/** True for a layer of an image's file system. */
export function isLayerType(mediaType: string): boolean {
  return LAYER_TYPES.has(mediaType);
}

/** True for an image config of either family. */
export function isConfigType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociConfig || mediaType === MEDIA_TYPE.dockerConfig;
}

/** True for a layer that its owner doesn't allow to be redistributed ("foreign"). */
export function isNonDistributable(mediaType: string): boolean {
  return LAYER_TYPES.get(mediaType)?.foreign ?? false;
}

/** How a layer of this type is compressed, or undefined if it is no layer type that we know. */
export function compressionOf(mediaType: string): Compression | undefined {
  return LAYER_TYPES.get(mediaType)?.compression;
}

/**
 * The layer type of the same family and kind with another compression.
 *
 * Docker defined no type for zstd foreign layers; those come back as undefined, as does any type
 * that isn't a layer.
 */
export function withCompression(mediaType: string, compression: Compression): string | undefined {
  const type = LAYER_TYPES.get(mediaType);
  if (type === undefined) return undefined;
  for (const [name, other] of LAYER_TYPES) {
    if (
      other.compression === compression &&
      other.foreign === type.foreign &&
      other.family === type.family
    ) {
      return name;
    }
  }
  return undefined;
}

/**
 * The layer type of another family with the same compression and kind; undefined where there is
 * none, and for what isn't a layer.
 */
export function withFamily(mediaType: string, family: MediaTypeFamily): string | undefined {
  const type = LAYER_TYPES.get(mediaType);
  for (const [name, other] of type === undefined ? [] : LAYER_TYPES) {
    const isAlike = other.compression === type?.compression && other.foreign === type.foreign;
    if (isAlike && other.family === family) return name;
  }
  return undefined;
}
