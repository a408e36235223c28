import type { Bytes } from '../bytes/stream.ts';

/** What a command said, and on which of its streams. */
export interface Spoken {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Uint8Array;
}

const HEADER_BYTES = 8;
const STDERR = 2;

/**
 * Takes the streams of a container without a terminal apart (Docker's API, "Attach to a container:
 * Stream format"): each frame has 8 bytes of stream and length before it. Frames are passed on as
 * they come, never held whole.
 */
export async function* spokenIn(bytes: Bytes): AsyncIterable<Spoken> {
  let header = Buffer.alloc(0);
  let stream: Spoken['stream'] = 'stdout';
  let left = 0;
  for await (const chunk of bytes) {
    let at = 0;
    while (at < chunk.byteLength) {
      if (left > 0) {
        const part = chunk.subarray(at, at + left);
        at += part.byteLength;
        left -= part.byteLength;
        yield { stream, bytes: part };
        continue;
      }
      const wanted = HEADER_BYTES - header.byteLength;
      header = Buffer.concat([header, chunk.subarray(at, at + wanted)]);
      at += wanted;
      if (header.byteLength < HEADER_BYTES) continue;
      stream = header[0] === STDERR ? 'stderr' : 'stdout';
      left = header.readUInt32BE(4);
      header = Buffer.alloc(0);
    }
  }
}
