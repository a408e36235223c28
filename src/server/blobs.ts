import { type Bytes, CHUNK_BYTES } from '../bytes/stream.ts';
import type { Layout } from '../layout/layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { RegistryContext } from './context.ts';
import { Refusal, unlessRemoved } from './errors.ts';
import { type Exchange, header, respond, respondBytes } from './exchange.ts';
import { requestedRange } from './range.ts';
import { checkDigest, type Target, unknownRepository } from './target.ts';

const OCTETS = 'application/octet-stream';

/** GET and HEAD `/blobs/<digest>` (distribution-spec, "Pulling blobs"), whole or one range. */
export async function getBlob(
  exchange: Exchange,
  target: Target,
  { repositories }: RegistryContext,
): Promise<void> {
  const digest = checkDigest(target.reference);
  const found = await repositories.read(target.repository, async (layout) => {
    const sizeBytes = await layout.blobSize(digest);
    if (sizeBytes === undefined) throw unknownBlob(digest);
    const etag = `"${digest}"`;
    const headers = {
      'content-type': OCTETS,
      'docker-content-digest': digest,
      etag,
      'accept-ranges': 'bytes',
    };
    if (header(exchange, 'if-none-match') === etag) {
      await respond(exchange, 304, headers);
      return true;
    }
    const isSame = [undefined, etag].includes(header(exchange, 'if-range'));
    const range = requestedRange(isSame ? header(exchange, 'range') : undefined, sizeBytes);
    if (range === 'unsatisfiable') {
      throw new Refusal('SIZE_INVALID', `the blob has ${sizeBytes} bytes`, {
        status: 416,
        headers: { 'content-range': `bytes */${sizeBytes}` },
      });
    }
    const { first, last } = range === 'whole' ? { first: 0, last: sizeBytes - 1 } : range;
    const status = range === 'whole' ? 200 : 206;
    const all = {
      ...headers,
      'content-length': last - first + 1,
      ...(range === 'whole' ? {} : { 'content-range': `bytes ${first}-${last}/${sizeBytes}` }),
    };
    if (exchange.method === 'HEAD') {
      await freshen(layout, { mediaType: OCTETS, digest, size: sizeBytes });
      await respond(exchange, status, all);
      return true;
    }
    const descriptor = { mediaType: OCTETS, digest, size: sizeBytes };
    const { room } = exchange;
    const chunkBytes = Math.min(CHUNK_BYTES, room.blockBytes(), last - first + 1);
    const bytes = layout.fetch(descriptor, { offset: first, chunkBytes });
    const serving = respondBytes(exchange, status, all, exactly(bytes, last - first + 1));
    await unlessRemoved(serving, () => unknownBlob(digest));
    return true;
  });
  if (found === undefined) throw unknownRepository();
}

/**
 * DELETE `/blobs/<digest>`. A manifest is a blob of its repository too, but goes only under
 * `/manifests/`, with its tags.
 */
export async function deleteBlob(
  exchange: Exchange,
  target: Target,
  { repositories, manifests }: RegistryContext,
): Promise<void> {
  const digest = checkDigest(target.reference);
  const removed = await repositories.change(target.repository, async (layout) => {
    if ((await manifests.describe(layout, digest)) !== undefined) {
      throw new Refusal('UNSUPPORTED', 'this is a manifest; it is deleted under /manifests/');
    }
    return await layout.removeBlob(digest);
  });
  if (removed === undefined) throw unknownRepository();
  if (!removed) throw unknownBlob(digest);
  await respond(exchange, 202, { 'docker-content-digest': digest });
}

/**
 * Who asks whether a blob is there won't send it, and will name it in a manifest soon: a prune that
 * runs beside must not take it. Where that can't be written down, the blob is there all the same.
 */
async function freshen(layout: Layout, descriptor: Descriptor): Promise<void> {
  await layout.exists(descriptor).catch(() => {});
}

function unknownBlob(digest: Digest): Refusal {
  return new Refusal('BLOB_UNKNOWN', 'this repository has no such blob', { detail: { digest } });
}

/** The first bytes, and an error if there are fewer: the length was promised. */
async function* exactly(bytes: Bytes, sizeBytes: number): Bytes {
  let left = sizeBytes;
  if (left === 0) return;
  for await (const chunk of bytes) {
    yield chunk.byteLength > left ? chunk.subarray(0, left) : chunk;
    left -= chunk.byteLength;
    if (left <= 0) return;
  }
  throw new Error('a blob ended early');
}
