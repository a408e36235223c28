import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Digest, parseDigest } from '../../src/oci/digest.ts';

/** The sha256 digest of a file's bytes. */
export async function fileDigest(file: string): Promise<Digest> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), hash);
  return parseDigest(`sha256:${hash.digest('hex')}`);
}
