import { isSlipwayError } from '../errors.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { DOCUMENT_LIMITS, isJsonObject, parseJsonObject } from '../oci/json.ts';
import { isConfigType, isLayerType } from '../oci/mediatype.ts';
import { blobPath } from './blobs.ts';
import { readSmallFile } from './files.ts';

/** Where a search begins: an entry, or a digest that a lease names. */
export interface Root {
  readonly digest: Digest;
  readonly mediaType?: string;
}

const READERS = 16;

/**
 * Adds to `reached` everything that `roots` lead to, themselves included.
 *
 * Wider than what an image needs, for what is missed here is lost: every digest in every document
 * counts, in documents of types that Slipway doesn't know too. Damaged and missing ones are passed.
 */
export async function reachFrom(
  dir: string,
  roots: readonly Root[],
  reached: Set<Digest>,
  signal?: AbortSignal,
): Promise<void> {
  const open: Digest[] = [];
  const opened = new Set<Digest>();
  const reach = ({ digest, mediaType = '' }: Root) => {
    reached.add(digest);
    if (opened.has(digest) || isLayerType(mediaType) || isConfigType(mediaType)) return;
    opened.add(digest);
    open.push(digest);
  };
  for (const root of roots) reach(root);
  const read = async () => {
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      signal?.throwIfAborted();
      for (const named of await namedIn(dir, next)) reach(named);
    }
  };
  // A reader that ends early, as others still read, leaves them more to do and loses nothing.
  while (open.length > 0) await Promise.all(Array.from({ length: READERS }, read));
}

/** The digest of the manifest that a manifest belongs to (image-spec, manifest.md "subject"). */
export async function subjectOf(dir: string, digest: Digest): Promise<Digest | undefined> {
  const subject = (await readDocument(dir, digest))?.subject;
  return isJsonObject(subject) && isDigest(subject.digest) ? subject.digest : undefined;
}

async function namedIn(dir: string, digest: Digest): Promise<readonly Root[]> {
  const found: Root[] = [];
  const open: unknown[] = [await readDocument(dir, digest)];
  while (open.length > 0) {
    const value = open.pop();
    if (isJsonObject(value) && isDigest(value.digest)) {
      const { digest, mediaType } = value;
      found.push(typeof mediaType === 'string' ? { digest, mediaType } : { digest });
    }
    if (typeof value !== 'object' || value === null) continue;
    for (const inner of Object.values(value)) open.push(inner);
  }
  return found;
}

async function readDocument(dir: string, digest: Digest) {
  const limit = DOCUMENT_LIMITS.manifestBytes;
  try {
    const bytes = await readSmallFile(blobPath(dir, digest), limit);
    // Most of what isn't JSON is a layer, and not worth decoding.
    if (bytes === undefined || !/^\s*\{/.test(bytes.toString('latin1', 0, 16))) return undefined;
    return parseJsonObject(bytes, digest, limit);
  } catch (error) {
    if (isSlipwayError(error)) return undefined;
    throw error;
  }
}
