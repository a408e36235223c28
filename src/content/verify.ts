import { type Bytes, collect } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digester, digestAlgorithm, startDigest } from '../oci/digest.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import type { Fetcher, FetchOptions, Open, Signalled } from './transport.ts';

/**
 * Wraps an `open` so that whoever reads to the end has read bytes of the right size and digest.
 *
 * The last chunk is held back until the digest is known to be right, so a reader that needs all
 * bytes (an upload with a Content-Length, say) never gets a whole wrong content. Reopening at an
 * offset goes on with the hash of what was read before; bytes that were skipped are read for it
 * once. Reopening at 0 begins anew.
 *
 * @throws SlipwayError (from the iteration) `DIGEST_MISMATCH`, `SIZE_MISMATCH`
 */
export function verifiedOpen(descriptor: Descriptor, open: Open): Open {
  let digester = startDigest(digestAlgorithm(descriptor.digest));
  return async function* verified(offset: number): Bytes {
    // What a second reading gives need not be what the first one gave.
    if (offset === 0) digester = startDigest(digestAlgorithm(descriptor.digest));
    // A reading that was left may get another chunk while the next one begins anew.
    const own = digester;
    // Hash what lies between: from where the hash stands to where the reader wants to start.
    if (offset > own.size) await hashUpTo(open, own, offset);
    let position = offset;
    let held: Uint8Array | undefined;
    for await (const chunk of open(offset)) {
      if (chunk.byteLength === 0) continue;
      const end = position + chunk.byteLength;
      if (end > descriptor.size) throw sizeMismatch(descriptor, end, 'at least');
      if (end > own.size) own.update(chunk.subarray(Math.max(0, own.size - position)));
      position = end;
      if (held !== undefined) yield held;
      held = chunk;
    }
    if (position < descriptor.size) throw sizeMismatch(descriptor, position);
    const found = own.digest();
    if (found !== descriptor.digest) throw digestMismatch(descriptor, found);
    if (held !== undefined) yield held;
  };
}

async function hashUpTo(open: Open, digester: Digester, offset: number): Promise<void> {
  let position = digester.size;
  for await (const chunk of open(position)) {
    const end = Math.min(position + chunk.byteLength, offset);
    const from = digester.size;
    if (end > from) digester.update(chunk.subarray(from - position, end - position));
    position += chunk.byteLength;
    if (position >= offset) break;
  }
}

/** Bytes that are checked while they are read once, from the start. */
export function verifiedBytes(descriptor: Descriptor, bytes: Bytes): Bytes {
  return verifiedOpen(descriptor, () => bytes)(0);
}

/**
 * The bytes of a manifest, index or config, checked, in memory.
 *
 * @throws SlipwayError `LIMIT_EXCEEDED`, `DIGEST_MISMATCH`, `SIZE_MISMATCH`, `NOT_FOUND`
 */
export async function readDocument(
  source: Fetcher,
  descriptor: Descriptor,
  options: Signalled & { readonly maxBytes?: number } = {},
): Promise<Buffer> {
  const maxBytes = options.maxBytes ?? DOCUMENT_LIMITS.manifestBytes;
  if (descriptor.size > maxBytes) {
    throw new SlipwayError(
      'LIMIT_EXCEEDED',
      `${descriptor.digest} is ${descriptor.size} bytes long; at most ${maxBytes} are accepted`,
      { digest: descriptor.digest },
    );
  }
  if (descriptor.data !== undefined) return Buffer.from(descriptor.data, 'base64');
  const bytes = verifiedOpen(descriptor, fetching(source, descriptor, options))(0);
  return collect(bytes, maxBytes, descriptor.digest);
}

/** An `open` that fetches `descriptor` from `source`. */
export function fetching(
  source: Fetcher,
  descriptor: Descriptor,
  { signal, into }: Omit<FetchOptions, 'offset'> = {},
): Open {
  return (offset) => source.fetch(descriptor, { offset, signal, into });
}

/** The error for content whose bytes have another digest. */
export function digestMismatch(descriptor: Descriptor, found: string): SlipwayError {
  return new SlipwayError(
    'DIGEST_MISMATCH',
    `the bytes of ${descriptor.digest} have the digest ${found}`,
    {
      digest: descriptor.digest,
      hint: 'the copy that was read is damaged; get it again from where it was made',
    },
  );
}

/** The error for content with too many or too few bytes. */
export function sizeMismatch(descriptor: Descriptor, found: number, how = ''): SlipwayError {
  return new SlipwayError(
    'SIZE_MISMATCH',
    `${descriptor.digest} is announced with ${descriptor.size} bytes and has ${how === '' ? '' : `${how} `}${found}`,
    { digest: descriptor.digest },
  );
}
