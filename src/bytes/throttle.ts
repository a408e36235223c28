import { setTimeout as sleep } from 'node:timers/promises';
import type { Bytes } from './stream.ts';

/** Lets bytes pass at a rate that all who use it share. */
export type Throttle = (bytes: Bytes, signal?: AbortSignal) => Bytes;

/** Parts of a second that may pass at once: small enough for an even flow. */
const PARTS_PER_SECOND = 4;
const LONGEST_PART_BYTES = 256 * 1024;

/** Makes a throttle of so many bytes a second (a token bucket that holds a quarter of a second). */
export function createThrottle(bytesPerSecond: number): Throttle {
  const partBytes = Math.max(
    1,
    Math.min(LONGEST_PART_BYTES, Math.floor(bytesPerSecond / PARTS_PER_SECOND)),
  );
  /** when the next part may pass */
  let freeAt = 0;
  return async function* throttled(bytes, signal): Bytes {
    for await (const chunk of bytes) {
      for (let at = 0; at < chunk.byteLength; at += partBytes) {
        const part = chunk.subarray(at, at + partBytes);
        const now = performance.now();
        const waitMs = freeAt - now;
        freeAt = Math.max(freeAt, now) + (part.byteLength / bytesPerSecond) * 1000;
        if (waitMs > 0) await sleep(waitMs, undefined, signal === undefined ? {} : { signal });
        yield part;
      }
    }
  };
}
