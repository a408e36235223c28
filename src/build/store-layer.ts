import { compress } from '../bytes/compress.ts';
import { decompress } from '../bytes/inflate.ts';
import type { Bytes } from '../bytes/stream.ts';
import type { CompressionSettings, CompressionTable } from '../content/derivations/compress.ts';
import type { IngestTarget } from '../content/ingest.ts';
import type { Fetcher, Signalled } from '../content/transport.ts';
import { verifiedBytes } from '../content/verify.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, startDigest } from '../oci/digest.ts';
import { MEDIA_TYPE } from '../oci/mediatype.ts';

/** A layer in the store. */
export interface StoredLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  /** an earlier run had made it */
  readonly isCached: boolean;
}

/** What earlier runs have made, and where it is. */
export interface LayerCache {
  readonly table: CompressionTable;
  readonly store: Fetcher & {
    blobSize(digest: Digest): Promise<number | undefined>;
    removeBlob(digest: Digest): Promise<boolean>;
  };
}

export interface StoreLayerOptions extends Signalled {
  readonly settings: CompressionSettings;
  /** left out: it is made anew */
  readonly cache?: LayerCache | undefined;
}

/**
 * Compresses a layer into a store. With a cache its bytes are hashed first: what was once made of
 * the same bytes, and is still what it was, is used.
 *
 * @param tar gives its bytes, as often as it is called the same
 * @throws SlipwayError `SIZE_MISMATCH` if they weren't the same, `NO_SPACE`
 */
export async function storeLayer(
  store: IngestTarget,
  tar: () => Bytes,
  options: StoreLayerOptions,
): Promise<StoredLayer> {
  const { settings, cache, signal } = options;
  const mediaType = settings.format === 'gzip' ? MEDIA_TYPE.ociLayerGzip : MEDIA_TYPE.ociLayerZstd;
  let expected: Digest | undefined;
  if (cache !== undefined) {
    expected = await digestOfBytes(tar(), signal);
    const known = cache.table.get(expected, settings);
    const descriptor = known === undefined ? undefined : { mediaType, ...known };
    if (descriptor !== undefined && (await isWhole(cache, descriptor, expected, options))) {
      return { descriptor, diffId: expected, isCached: true };
    }
  }
  const digester = startDigest();
  const hashed = async function* (): Bytes {
    for await (const chunk of tar()) {
      digester.update(chunk);
      yield chunk;
    }
  };
  const ingest = await store.ingest({ signal });
  try {
    for await (const chunk of compress(hashed(), settings.format, settings)) {
      await ingest.write(chunk);
    }
    const diffId = digester.digest();
    if (expected !== undefined && diffId !== expected) throw changed();
    const made = await ingest.commit();
    cache?.table.set(diffId, settings, made);
    return { descriptor: { mediaType, ...made }, diffId, isCached: false };
  } catch (error) {
    await ingest.abort();
    throw error;
  }
}

async function digestOfBytes(bytes: Bytes, signal: AbortSignal | undefined): Promise<Digest> {
  const digester = startDigest();
  for await (const chunk of bytes) {
    signal?.throwIfAborted();
    digester.update(chunk);
  }
  return digester.digest();
}

/**
 * True if the blob is there, is what its digest says, and unpacks to the layer. What the table says
 * was written by somebody, some time.
 */
async function isWhole(
  { store }: LayerCache,
  blob: Descriptor,
  diffId: Digest,
  { settings, signal }: StoreLayerOptions,
): Promise<boolean> {
  const size = await store.blobSize(blob.digest);
  if (size === undefined) return false;
  const bytes = () => store.fetch(blob, { signal });
  try {
    const checked = verifiedBytes({ ...blob, size }, bytes());
    const unpacked = decompress(checked, settings.format, { what: blob.digest });
    return (await digestOfBytes(unpacked, signal)) === diffId && size === blob.size;
  } catch (error) {
    if (!isSlipwayError(error)) throw error;
    // A blob that is there is kept when it comes again: one that is damaged has to go first.
    const isDamaged = (await digestOfBytes(bytes(), signal)) !== blob.digest;
    if (isDamaged) await store.removeBlob(blob.digest);
    return false;
  }
}

function changed(): SlipwayError {
  return new SlipwayError('SIZE_MISMATCH', 'a file changed while it was packed', {
    hint: 'let nobody write to the context meanwhile, and build again',
  });
}
