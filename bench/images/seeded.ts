import { createCipheriv, createHash } from 'node:crypto';

const MIB = 1024 * 1024;

/** Bytes that look random and are the same for the same seed, in chunks of 1 MiB. */
export function* seededBytes(seed: string, sizeBytes: number): Generator<Uint8Array> {
  const key = createHash('sha256').update(seed).digest();
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(Math.min(MIB, sizeBytes));
  for (let left = sizeBytes; left > 0; left -= MIB) {
    yield cipher.update(left < MIB ? zeros.subarray(0, left) : zeros);
  }
}
