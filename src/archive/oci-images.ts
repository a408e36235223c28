import { readManifest } from '../content/graph.ts';
import type { Fetcher, Signalled } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { walkComplete } from '../layout/complete.ts';
import { ANNOTATION } from '../oci/annotations.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { DOCUMENT_LIMITS, parseJsonObject } from '../oci/json.ts';
import { parseManifest } from '../oci/manifest.ts';
import { isManifestType, MEDIA_TYPE } from '../oci/mediatype.ts';
import type { Contents } from './contents.ts';
import type { ArchiveFiles } from './files.ts';
import { type EmbeddedNames, sortNames } from './names.ts';

/** One image of an archive's `index.json`, with all names that its entries give it. */
export interface OciImage extends EmbeddedNames {
  readonly descriptor: Descriptor;
}

const MARKER_BYTES = 4096;
const LAYOUT_VERSION = '1.0.0';

/**
 * The images of an OCI layout in an archive (image-spec, image-layout.md), or undefined if it holds
 * none.
 *
 * @throws SlipwayError `ARCHIVE_INVALID`, `CONTENT_INVALID`, `LIMIT_EXCEEDED`
 */
export async function readOciImages(files: ArchiveFiles): Promise<readonly OciImage[] | undefined> {
  const marker = files.find('oci-layout');
  const index = files.find('index.json');
  if (marker === undefined || index === undefined) return undefined;
  const what = `${files.name}: oci-layout`;
  const layout = parseJsonObject(await files.document(marker, MARKER_BYTES), what, MARKER_BYTES);
  if (layout.imageLayoutVersion !== LAYOUT_VERSION) {
    throw new SlipwayError('ARCHIVE_INVALID', `${what} has no imageLayoutVersion 1.0.0`, {
      path: files.name,
      hint: 'no other version of OCI layouts is known',
    });
  }
  const bytes = await files.document(index, DOCUMENT_LIMITS.manifestBytes);
  const document = parseManifest(bytes, MEDIA_TYPE.ociIndex);
  const entries = document.kind === 'index' ? document.manifests : [];
  const byDigest = new Map<Digest, { descriptor: Descriptor; texts: string[] }>();
  for (const entry of entries.filter(({ mediaType }) => isManifestType(mediaType))) {
    const { annotations: _, ...descriptor } = entry;
    const texts: string[] = [];
    const image = byDigest.get(entry.digest) ?? { descriptor, texts };
    image.texts.push(...namesOf(entry, files.name));
    byDigest.set(entry.digest, image);
  }
  return [...byDigest.values()].map(({ descriptor, texts }) => ({
    descriptor,
    ...sortNames(texts, files.name),
  }));
}

/** containerd's full name says more than the tag beside it; both must be names. */
function namesOf({ annotations }: Descriptor, archive: string): readonly string[] {
  const own = (key: string): readonly string[] => {
    const name = Object.hasOwn(annotations ?? {}, key) ? annotations?.[key] : undefined;
    return name === undefined || name === '' ? [] : [name];
  };
  const full = own(ANNOTATION.containerdName);
  const short = own(ANNOTATION.refName);
  sortNames([...full, ...short], archive);
  return full.length > 0 ? full : short;
}

/**
 * Makes sure that all of an image is in the archive.
 *
 * @throws SlipwayError `CONTENT_MISSING`, `SIZE_MISMATCH`, `DIGEST_MISMATCH`, `CONTENT_INVALID`,
 * `LIMIT_EXCEEDED`
 */
export async function checkComplete(
  root: Descriptor,
  contents: Contents,
  options: Signalled,
): Promise<void> {
  await walkComplete(contents, root, async ({ digest }) => contents.sizeOf(digest), options);
}

/**
 * The image manifest below an incomplete index that is complete and has this config: what an
 * engine's store holds of a multi-platform image is often one platform.
 */
export async function findByConfig(
  root: Descriptor,
  config: Digest,
  contents: Contents,
  options: Signalled,
): Promise<Descriptor | undefined> {
  if (contents.sizeOf(root.digest) === undefined) return undefined;
  const { document } = await readManifest(contents, root, options);
  if (document.kind !== 'index') return undefined;
  for (const child of document.manifests) {
    if (!isManifestType(child.mediaType) || contents.sizeOf(child.digest) === undefined) continue;
    if (!(await isImageOf(child, config, contents, options))) continue;
    const { annotations: _, ...bare } = child;
    return bare;
  }
  return undefined;
}

async function isImageOf(
  child: Descriptor,
  config: Digest,
  source: Fetcher & Contents,
  options: Signalled,
): Promise<boolean> {
  const { document } = await readManifest(source, child, options);
  if (document.kind !== 'manifest' || document.config.digest !== config) return false;
  try {
    await checkComplete(child, source, options);
    return true;
  } catch (error) {
    if (isSlipwayError(error, 'CONTENT_MISSING')) return false;
    throw error;
  }
}
