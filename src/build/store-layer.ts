import { compress } from '../bytes/compress.ts';
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
  readonly store: Fetcher & { blobSize(digest: Digest): Promise<number | undefined> };
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
  { settings, cache, signal }: StoreLayerOptions,
): Promise<StoredLayer> {
  const mediaType = settings.format === 'gzip' ? MEDIA_TYPE.ociLayerGzip : MEDIA_TYPE.ociLayerZstd;
  let expected: Digest | undefined;
  if (cache !== undefined) {
    expected = await digestOfBytes(tar(), signal);
    const known = cache.table.get(expected, settings);
    const descriptor = known === undefined ? undefined : { mediaType, ...known };
    if (descriptor !== undefined && (await isWhole(cache, descriptor, signal))) {
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

/** True if the blob is there, with the bytes that it should have. */
async function isWhole(
  { store }: LayerCache,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if ((await store.blobSize(descriptor.digest)) !== descriptor.size) return false;
  try {
    for await (const _ of verifiedBytes(descriptor, store.fetch(descriptor, { signal })));
    return true;
  } catch (error) {
    if (isSlipwayError(error)) return false;
    throw error;
  }
}

function changed(): SlipwayError {
  return new SlipwayError('SIZE_MISMATCH', 'a file changed while it was packed', {
    hint: 'let nobody write to the context meanwhile, and build again',
  });
}
