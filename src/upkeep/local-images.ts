import { readManifest } from '../content/graph.ts';
import type { Signalled } from '../content/transport.ts';
import { readDocument } from '../content/verify.ts';
import { isSlipwayError } from '../errors.ts';
import type { Layout } from '../layout/layout.ts';
import { ANNOTATION } from '../oci/annotations.ts';
import { type ImageConfig, parseConfig } from '../oci/config.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import type { ImageManifest } from '../oci/manifest.ts';
import { compressionOf, isConfigType, isManifestType } from '../oci/mediatype.ts';
import { isUnknownPlatform, type Platform } from '../oci/platform.ts';

/** An entry of a store: a name, or none, for an image or an index of images. */
export interface LocalImage {
  /** a full reference; undefined for an image that lost its name */
  readonly name: string | undefined;
  readonly root: Descriptor;
  /** the images that are here with all their content */
  readonly platforms: readonly PlatformImage[];
}

/** One image of an entry, for one platform. */
export interface PlatformImage {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  /** undefined for what isn't a container image, and for a config that nobody can read */
  readonly config: ImageConfig | undefined;
  readonly platform: Platform | undefined;
  /** bytes of config and layers as they are stored */
  readonly blobBytes: number;
  /** bytes of the layers unpacked, where all of them are known */
  readonly unpackedBytes: number | undefined;
}

/** Lists a store's images: newest first, as docker does, then by name, those without one last. */
export async function listLocalImages(
  store: Layout,
  options: Signalled = {},
): Promise<readonly LocalImage[]> {
  const images: LocalImage[] = [];
  for (const entry of await store.entries(options)) {
    const name = entry.annotations?.[ANNOTATION.refName];
    images.push(await describeLocalImage(store, entry, name, options));
  }
  // Several names may be written at once: the order of the index says nothing.
  return images.sort(newestThenName);
}

function newestThenName(one: LocalImage, other: LocalImage): number {
  const age = createdMs(other) - createdMs(one);
  if (age !== 0) return age;
  if (one.name === other.name) return one.root.digest < other.root.digest ? -1 : 1;
  if (one.name === undefined) return 1;
  return other.name === undefined || one.name < other.name ? -1 : 1;
}

function createdMs({ platforms }: LocalImage): number {
  return Math.max(0, ...platforms.map(({ config }) => Date.parse(config?.created ?? '') || 0));
}

/** What is known of one image of a store. */
export async function describeLocalImage(
  store: Layout,
  root: Descriptor,
  name: string | undefined,
  options: Signalled = {},
): Promise<LocalImage> {
  const platforms: PlatformImage[] = [];
  const visit = async (descriptor: Descriptor, depth: number): Promise<void> => {
    if (!isManifestType(descriptor.mediaType) || depth > DOCUMENT_LIMITS.nestedIndexes) return;
    if (descriptor.platform !== undefined && isUnknownPlatform(descriptor.platform)) return;
    if ((await store.blobSize(descriptor.digest)) !== descriptor.size) return;
    const document = await unlessDamaged(async () => {
      return (await readManifest(store, descriptor, options)).document;
    });
    if (document === undefined) return;
    if (document.kind === 'index') {
      for (const child of document.manifests) await visit(child, depth + 1);
      return;
    }
    const image = await describeImage(store, descriptor, document, options);
    if (image !== undefined) platforms.push(image);
  };
  await visit(root, 0);
  return { name, root, platforms };
}

async function describeImage(
  store: Layout,
  descriptor: Descriptor,
  manifest: ImageManifest,
  options: Signalled,
): Promise<PlatformImage | undefined> {
  const blobs = [manifest.config, ...manifest.layers];
  for (const { digest, size } of blobs) {
    if ((await store.blobSize(digest)) !== size) return undefined;
  }
  const maxBytes = DOCUMENT_LIMITS.configBytes;
  const config = isConfigType(manifest.config.mediaType)
    ? await unlessDamaged(async () =>
        parseConfig(await readDocument(store, manifest.config, { ...options, maxBytes })),
      )
    : undefined;
  const isRaw = manifest.layers.every((layer) => compressionOf(layer.mediaType) === 'none');
  return {
    descriptor,
    manifest,
    config,
    platform: descriptor.platform ?? config?.platform,
    blobBytes: blobs.reduce((sum, { size }) => sum + size, 0),
    unpackedBytes: isRaw ? manifest.layers.reduce((sum, { size }) => sum + size, 0) : undefined,
  };
}

/** One image that can't be read must not hide the others; `verify` says what is wrong with it. */
async function unlessDamaged<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isSlipwayError(error)) return undefined;
    throw error;
  }
}
