import { createHash, type Hash } from 'node:crypto';
import { SlipwayError } from '../errors.ts';

/**
 * A content digest that was parsed: `algorithm:hex`, algorithm from a closed list, lower-case hex
 * of the exact length (image-spec, descriptor.md "Digests"). Only {@link parseDigest} and the
 * hashing functions here make one, so a value of this type is safe in a URL or a file name.
 */
export type Digest = `${DigestAlgorithm}:${string}` & { readonly __digest: true };

/** The algorithms that Slipway computes and accepts. */
export type DigestAlgorithm = 'sha256' | 'sha512';

/** Length of the hex part of each algorithm. */
const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

const LOWER_HEX = /^[0-9a-f]+$/;

/** True for a name of the closed list of algorithms. */
export function isDigestAlgorithm(name: string): name is DigestAlgorithm {
  return Object.hasOwn(HEX_LENGTH, name);
}

/** True if `text` is a digest that Slipway accepts. */
export function isDigest(text: unknown): text is Digest {
  if (typeof text !== 'string') return false;
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  if (colon < 0 || !isDigestAlgorithm(algorithm)) return false;
  const hex = text.slice(colon + 1);
  return hex.length === HEX_LENGTH[algorithm] && LOWER_HEX.test(hex);
}

/**
 * Parses a digest.
 *
 * @throws SlipwayError `REFERENCE_INVALID` if it isn't one of a known algorithm in lower-case hex
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new SlipwayError('REFERENCE_INVALID', `not a digest: ${JSON.stringify(clip(text))}`, {
    hint: 'a digest is sha256: and 64, or sha512: and 128, lower-case hex digits',
  });
}

/** The algorithm part. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(':')) as DigestAlgorithm;
}

/** The hex part. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** Twelve hex digits, as docker shows ids. */
export function shortDigest(digest: Digest): string {
  return digestHex(digest).slice(0, 12);
}

/** The digest of bytes that are in memory. */
export function digestOf(
  bytes: Uint8Array | string,
  algorithm: DigestAlgorithm = 'sha256',
): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

/** A digest that is being computed. */
export interface Digester {
  /** bytes seen so far */
  readonly size: number;
  update(chunk: Uint8Array): void;
  /** The digest of all bytes so far; more may follow. */
  digest(): Digest;
}

/** Starts to compute a digest over a stream. */
export function startDigest(algorithm: DigestAlgorithm = 'sha256'): Digester {
  const hash: Hash = createHash(algorithm);
  let size = 0;
  return {
    get size() {
      return size;
    },
    update(chunk) {
      hash.update(chunk);
      size += chunk.byteLength;
    },
    digest: () => `${algorithm}:${hash.copy().digest('hex')}` as Digest,
  };
}

function clip(text: string): string {
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}
