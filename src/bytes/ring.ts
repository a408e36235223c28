import type { Room } from './stream.ts';

const FIRST_BYTES = 16 * 1024;
const LARGEST_BYTES = 1024 * 1024;
const PIECES = 3;
/** A socket takes more of what is shorter before it has sent any: it would wait beside others. */
const SHORTEST_BYTES = 128 * 1024;

/**
 * Memory that is filled again and again, for one reader who is done with each chunk before it asks
 * for the second one after it. Fresh memory for every chunk costs more than reading a file does.
 */
export function createRing(): Room {
  const pieces: Uint8Array[] = [];
  let nextBytes = FIRST_BYTES;
  let turn = 0;
  return {
    take(mostBytes) {
      // Most files are small.
      const bytes = nextBytes;
      nextBytes = Math.min(nextBytes * 4, LARGEST_BYTES);
      if (bytes < LARGEST_BYTES || mostBytes < SHORTEST_BYTES) {
        return Buffer.allocUnsafeSlow(Math.min(bytes, mostBytes));
      }
      const at = turn++ % PIECES;
      const piece = pieces[at] ?? Buffer.allocUnsafeSlow(LARGEST_BYTES);
      pieces[at] = piece;
      return piece.subarray(0, mostBytes);
    },
  };
}
