import { createHash } from 'node:crypto';
import type { Bytes } from '../../src/bytes/stream.ts';

/** Bytes that look random and are the same in every run. */
export function noise(sizeBytes: number, seed = 'noise'): Buffer {
  const parts: Buffer[] = [];
  for (let index = 0; index * 64 < sizeBytes; index++) {
    parts.push(createHash('sha512').update(`${seed}${index}`).digest());
  }
  return Buffer.concat(parts).subarray(0, sizeBytes);
}

/** Bytes that compress about as well as program text does. */
export function prose(sizeBytes: number): Buffer {
  const words = 'layer blob digest manifest index tag registry upload session mount'.split(' ');
  const random = noise(Math.ceil(sizeBytes / 4), 'prose');
  let text = '';
  for (const byte of random) text += `${words[byte % words.length]}${byte} `;
  return Buffer.from(text).subarray(0, sizeBytes);
}

/** A stream of `bytes` in chunks of the given lengths, the last length repeated. */
export async function* chunked(bytes: Uint8Array, ...lengths: number[]): Bytes {
  let position = 0;
  for (let index = 0; position < bytes.byteLength; index++) {
    const length = lengths[Math.min(index, lengths.length - 1)] ?? bytes.byteLength;
    yield bytes.subarray(position, position + length);
    position += length;
  }
}

/** Everything that a stream gives, also of one that fills its memory again. */
export async function all(bytes: Bytes): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
