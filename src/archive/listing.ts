import { SlipwayError } from '../errors.ts';
import { ANNOTATION } from '../oci/annotations.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';
import type { ImageManifest, ManifestDocument } from '../oci/manifest.ts';
import { isConfigType, isManifestType, MEDIA_TYPE } from '../oci/mediatype.ts';
import { hostPlatform, isUnknownPlatform, matchesPlatform } from '../oci/platform.ts';
import { familiarReference, formatReference, parseReference } from '../oci/reference.ts';

/** What stands at the top of an image in an archive that is written, and its names. */
export interface ListedImage {
  readonly descriptor: Descriptor;
  /** as they were given; none for an image that goes by its digest */
  readonly names: readonly string[];
}

/** What an archive holds when it is listed. */
export interface Written {
  document(digest: Digest): ManifestDocument | undefined;
  has(digest: Digest): boolean;
}

/** Where a blob is in an archive, as in an OCI layout. */
export function blobName(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/**
 * `index.json` (image-spec, image-layout.md): one entry for each name, as containerd and skopeo
 * write it.
 *
 * @param isFull write full references beside the tags, as `docker save` and nerdctl do
 */
export function listForOci(images: readonly ListedImage[], isFull: boolean): object {
  const manifests = images.flatMap(({ descriptor, names }) => {
    const { annotations: _, data: __, ...bare } = descriptor;
    if (names.length === 0) return [bare];
    return names.map((name) => ({ ...bare, annotations: nameAnnotations(name, isFull) }));
  });
  return { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests };
}

function nameAnnotations(name: string, isFull: boolean): Record<string, string> {
  if (!isFull) return { [ANNOTATION.refName]: name };
  const reference = parseReference(name);
  return {
    [ANNOTATION.containerdName]: formatReference(reference),
    [ANNOTATION.refName]: reference.tag ?? formatReference(reference),
  };
}

/**
 * `manifest.json` (moby, image/tarexport): of an index the image for this machine, else its first.
 * What is no image of layers that are there has no place in it.
 *
 * @param isNeeded an image without a place is an error
 * @throws SlipwayError `UNSUPPORTED`
 */
export function listForDocker(
  images: readonly ListedImage[],
  written: Written,
  isNeeded: boolean,
): readonly object[] {
  return images.flatMap(({ descriptor, names }) => {
    const manifest = imageBelow(descriptor, written);
    if (manifest === undefined) {
      if (isNeeded) throw notForDocker(descriptor.digest);
      return [];
    }
    const tags = names.map((name) => familiarReference(parseReference(name)));
    return [
      {
        Config: blobName(manifest.config.digest),
        RepoTags: tags.length === 0 ? null : tags,
        Layers: manifest.layers.map(({ digest }) => blobName(digest)),
      },
    ];
  });
}

function imageBelow({ digest }: Descriptor, written: Written): ImageManifest | undefined {
  const document = written.document(digest);
  if (document === undefined) return undefined;
  if (document.kind === 'manifest') return isWhole(document, written) ? document : undefined;
  const host = hostPlatform();
  const images = document.manifests.filter(
    ({ mediaType, platform }) =>
      isManifestType(mediaType) && (platform === undefined || !isUnknownPlatform(platform)),
  );
  const ours = images.filter(({ platform }) => platform && matchesPlatform(host, platform));
  for (const child of [...ours, ...images]) {
    const image = imageBelow(child, written);
    if (image !== undefined) return image;
  }
  return undefined;
}

function isWhole({ config, layers }: ImageManifest, written: Written): boolean {
  return isConfigType(config.mediaType) && [config, ...layers].every((d) => written.has(d.digest));
}

function notForDocker(digest: Digest): SlipwayError {
  return new SlipwayError('UNSUPPORTED', `${digest} is no image that docker could load`, {
    side: 'destination',
    digest,
    hint: 'oci-archive:FILE takes any content',
  });
}
