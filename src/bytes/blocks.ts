import type { Bytes } from './stream.ts';

/** A block of a stream, and whether it is the last one. */
export interface Block {
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/**
 * Cuts a stream into blocks of exactly `blockBytes`, however it comes in. Only the last block can
 * be shorter; an empty stream is one empty block.
 *
 * @param room gives the memory that a block is filled in: `blockBytes` long
 */
export async function* blocksOf(
  bytes: Bytes,
  blockBytes: number,
  room: () => Uint8Array = () => Buffer.allocUnsafeSlow(blockBytes),
): AsyncGenerator<Block> {
  let block = room();
  let filled = 0;
  for await (const chunk of bytes) {
    let taken = 0;
    while (taken < chunk.byteLength) {
      if (filled === blockBytes) {
        yield { bytes: block, last: false };
        block = room();
        filled = 0;
      }
      const part = chunk.subarray(taken, taken + blockBytes - filled);
      block.set(part, filled);
      filled += part.byteLength;
      taken += part.byteLength;
    }
  }
  yield { bytes: block.subarray(0, filled), last: true };
}
