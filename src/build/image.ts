import { fromMemory } from '../bytes/stream.ts';
import type { IngestTarget } from '../content/ingest.ts';
import type { Signalled, Target } from '../content/transport.ts';
import { type Descriptor, describe } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { encodeDocument } from '../oci/manifest.ts';
import { MEDIA_TYPE } from '../oci/mediatype.ts';
import type { Platform } from '../oci/platform.ts';
import { type LayerFile, layerTar } from './layer.ts';
import { storeLayer } from './store-layer.ts';

/** An image that is made of files and a config, without running anything. */
export interface ImageOfFiles {
  readonly platform: Platform;
  /** files of each layer, the lowest first */
  readonly layers: readonly (readonly LayerFile[])[];
  /** the `config` of the image config: `Entrypoint`, `Env`, `Labels` … (image-spec, config.md) */
  readonly config: Readonly<Record<string, unknown>>;
}

/** Images are dated like their files, so that content alone decides the digest. */
const CREATED = '1970-01-01T00:00:00Z';

/** Makes an image in a store, its layers compressed as they will be sent, and tells its manifest. */
export async function buildImage(
  store: Target & IngestTarget,
  image: ImageOfFiles,
  options: Signalled = {},
): Promise<Descriptor> {
  const layers: Descriptor[] = [];
  const diffIds: Digest[] = [];
  for (const files of image.layers) {
    const { descriptor, diffId } = await storeLayer(store, () => layerTar(files), {
      settings: { format: 'gzip' },
      ...options,
    });
    layers.push(descriptor);
    diffIds.push(diffId);
  }
  const config = await putDocument(
    store,
    {
      created: CREATED,
      ...image.platform,
      config: image.config,
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: diffIds.map(() => ({ created: CREATED, created_by: 'slipway' })),
    },
    MEDIA_TYPE.ociConfig,
    options,
  );
  const mediaType = MEDIA_TYPE.ociManifest;
  const manifest = { schemaVersion: 2, mediaType, config, layers };
  return { ...(await putDocument(store, manifest, mediaType, options)), platform: image.platform };
}

/** Joins images into an index, in a store. */
export async function buildIndex(
  store: Target,
  manifests: readonly Descriptor[],
  options: Signalled = {},
): Promise<Descriptor> {
  const mediaType = MEDIA_TYPE.ociIndex;
  return await putDocument(store, { schemaVersion: 2, mediaType, manifests }, mediaType, options);
}

/** Puts a document into a store. */
export async function putDocument(
  store: Target,
  json: object,
  mediaType: string,
  options: Signalled,
): Promise<Descriptor> {
  const bytes = encodeDocument(json);
  const descriptor = describe(bytes, mediaType);
  await store.push(descriptor, (offset) => fromMemory(bytes, offset), options);
  return descriptor;
}
