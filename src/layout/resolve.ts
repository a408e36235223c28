import { collect } from '../bytes/stream.ts';
import type { FetchOptions } from '../content/transport.ts';
import { digestMismatch } from '../content/verify.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, digestAlgorithm, digestOf, isDigest } from '../oci/digest.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { parseManifest } from '../oci/manifest.ts';
import { blobPath, blobSize, fetchBlob } from './blobs.ts';
import { checkName, findName, nameOf } from './names.ts';

/**
 * Finds what a reference stands for: a name, a digest, or nothing for the only image.
 *
 * @throws SlipwayError `NOT_FOUND`, `CONTENT_INVALID` for a name of two images
 */
export async function resolveIn(
  dir: string,
  entries: readonly Descriptor[],
  reference: string,
  options: FetchOptions,
): Promise<Descriptor> {
  if (isDigest(reference)) {
    const entry = entries.find(({ digest }) => digest === reference);
    return entry ?? describeManifest(dir, reference, options);
  }
  if (reference === '') {
    const only = entries[0];
    if (only !== undefined && entries.length === 1) return only;
    throw notFound(dir, entries, `which of the ${entries.length} images in ${dir} was not said`);
  }
  const found = findName(entries, reference, dir);
  if (found !== undefined) return found;
  checkName(reference);
  throw notFound(dir, entries, `no image in ${dir} has the name ${reference}`);
}

/** The descriptor of a manifest that is there under its digest alone. */
export async function describeManifest(
  dir: string,
  digest: Digest,
  options: FetchOptions,
): Promise<Descriptor> {
  const size = await blobSize(dir, digest);
  const facts = { side: 'source', digest, path: blobPath(dir, digest) } as const;
  const absent = `${dir} holds no manifest ${digest}`;
  if (size === undefined || size > DOCUMENT_LIMITS.manifestBytes) {
    throw new SlipwayError('NOT_FOUND', absent, facts);
  }
  const blob = { mediaType: '', digest, size };
  const bytes = await collect(fetchBlob(dir, blob, options), DOCUMENT_LIMITS.manifestBytes, digest);
  const found = digestOf(bytes, digestAlgorithm(digest));
  if (found !== digest) throw digestMismatch(blob, found).with(facts);
  try {
    return { mediaType: parseManifest(bytes).mediaType, digest, size: bytes.byteLength };
  } catch (cause) {
    if (!isSlipwayError(cause)) throw cause;
    throw new SlipwayError('NOT_FOUND', absent, { ...facts, cause });
  }
}

const SHOWN_NAMES = 5;

function notFound(dir: string, entries: readonly Descriptor[], message: string): SlipwayError {
  const names = entries.map(nameOf).filter((name) => name !== undefined && isShowable(name));
  const shown = [...new Set(names)].slice(0, SHOWN_NAMES).join(', ');
  const rest = names.length > SHOWN_NAMES ? ` and ${names.length - SHOWN_NAMES} more` : '';
  const hint = shown === '' ? 'it holds no named image' : `it holds ${shown}${rest}`;
  return new SlipwayError('NOT_FOUND', message, { side: 'source', path: dir, hint });
}

function isShowable(name: string): boolean {
  try {
    checkName(name);
    return true;
  } catch {
    return false;
  }
}
