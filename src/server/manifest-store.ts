import { createLane } from '../bytes/lane.ts';
import { readDocument } from '../content/verify.ts';
import { isSlipwayError } from '../errors.ts';
import type { Layout } from '../layout/layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { childrenOf, type ManifestDocument, parseManifest } from '../oci/manifest.ts';
import { isManifestType } from '../oci/mediatype.ts';

/** A manifest as it is served: the bytes that were pushed, and what they say that they are. */
export interface StoredManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** What a manifest names, as far as listings need it. */
export interface ManifestLinks {
  readonly subject: Digest | undefined;
  /** manifests below an index */
  readonly manifests: readonly Digest[];
}

/** Reads manifests of layouts; content that was read once is remembered by its digest. */
export interface ManifestStore {
  /** A manifest that is in `layout`, or undefined. Bytes that are no manifest count as none. */
  read(layout: Layout, digest: Digest): Promise<StoredManifest | undefined>;
  /** Like `read`, without the bytes: what was read once isn't read again. */
  describe(layout: Layout, digest: Digest): Promise<Descriptor | undefined>;
  links(layout: Layout, digest: Digest): Promise<ManifestLinks | undefined>;
}

const MAX_CACHED_BYTES = 8 * 1024 * 1024;
/** What an entry of the cache takes besides its bytes. */
const ENTRY_BYTES = 1024;
const MAX_LINKS = 100_000;
const MAX_DESCRIBED = 10_000;
/** Hundreds of clients may ask for manifests of 4 MiB: longer ones than this are read in turn. */
const LONG_BYTES = 64 * 1024;

/**
 * Digests decide what is remembered, and a repository is always asked first whether it holds them:
 * what one repository has is never shown by another.
 */
export function createManifestStore(): ManifestStore {
  const cache = new Map<Digest, StoredManifest>();
  const described = new Map<Digest, Descriptor>();
  const links = new Map<Digest, ManifestLinks>();
  const longReads = createLane(1);
  let cachedBytes = 0;
  let linkCount = 0;

  const remember = (manifest: StoredManifest) => {
    const { descriptor } = manifest;
    const { digest } = descriptor;
    if (cache.has(digest)) return;
    // A copy of its own: small buffers are parts of one that they would keep in memory as a whole.
    cache.set(digest, { descriptor, bytes: new Uint8Array(manifest.bytes) });
    cachedBytes += descriptor.size + ENTRY_BYTES;
    for (const [
      oldest,
      {
        descriptor: { size: oldestSize },
      },
    ] of cache) {
      if (cachedBytes <= MAX_CACHED_BYTES) break;
      cache.delete(oldest);
      cachedBytes -= oldestSize + ENTRY_BYTES;
    }
  };

  const load = async (layout: Layout, digest: Digest, size: number) => {
    const cached = cache.get(digest);
    if (cached?.descriptor.size === size) return cached;
    const bytes = await readStored(layout, { mediaType: '', digest, size });
    if (bytes === undefined) return undefined;
    const mediaType = mediaTypeOf(bytes);
    if (mediaType === undefined) return undefined;
    const manifest = { descriptor: { mediaType, digest, size }, bytes };
    remember(manifest);
    if (described.size >= MAX_DESCRIBED) described.clear();
    described.set(digest, manifest.descriptor);
    return manifest;
  };

  const read = async (layout: Layout, digest: Digest): Promise<StoredManifest | undefined> => {
    const size = await layout.blobSize(digest);
    if (size === undefined || size > DOCUMENT_LIMITS.manifestBytes) return undefined;
    const loading = () => load(layout, digest, size);
    return size > LONG_BYTES ? await longReads.run(loading) : await loading();
  };

  return {
    read,
    async describe(layout, digest) {
      const known = described.get(digest);
      const isSame = known !== undefined && (await layout.blobSize(digest)) === known.size;
      return isSame ? known : (await read(layout, digest))?.descriptor;
    },
    async links(layout, digest) {
      if ((await layout.blobSize(digest)) === undefined) return undefined;
      const known = links.get(digest);
      if (known !== undefined) return known;
      const manifest = await read(layout, digest);
      if (manifest === undefined) return undefined;
      const document = parseManifest(manifest.bytes);
      const found = { subject: document.subject?.digest, manifests: manifestsBelow(document) };
      linkCount += 1 + found.manifests.length;
      if (linkCount > MAX_LINKS) {
        links.clear();
        linkCount = 1 + found.manifests.length;
      }
      links.set(digest, found);
      return found;
    },
  };
}

/**
 * The bytes, or undefined where somebody removed them since they were looked at. What is damaged
 * here is no fault of the client that asks for it.
 */
async function readStored(layout: Layout, descriptor: Descriptor): Promise<Buffer | undefined> {
  try {
    return await readDocument(layout, descriptor);
  } catch (error) {
    if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
    if (!isSlipwayError(error, 'DIGEST_MISMATCH', 'SIZE_MISMATCH')) throw error;
    throw new Error(`the manifest in ${layout.dir} is damaged`, { cause: error });
  }
}

function mediaTypeOf(bytes: Uint8Array): string | undefined {
  try {
    return parseManifest(bytes).mediaType;
  } catch (error) {
    if (isSlipwayError(error, 'CONTENT_INVALID', 'LIMIT_EXCEEDED')) return undefined;
    throw error;
  }
}

function manifestsBelow(document: ManifestDocument): readonly Digest[] {
  return childrenOf(document)
    .filter(({ mediaType }) => isManifestType(mediaType))
    .map(({ digest }) => digest);
}
