import type { Bytes, Room } from './stream.ts';

/** A block of a stream, and whether it is the last one. */
export interface Block {
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/** Bytes, or what gives them and may read them into the memory of a block. */
export type Blockable = Bytes | ((into: Room) => Bytes);

interface Filling {
  readonly memory: Uint8Array;
  /** how much of it was given away to be read into */
  takenBytes: number;
}

/**
 * Cuts a stream into blocks of exactly `blockBytes`, however it comes in. Only the last block can
 * be shorter; an empty stream is one empty block.
 *
 * @param memoryOf gives the memory that a block is filled in: `blockBytes` long
 */
export async function* blocksOf(
  source: Blockable,
  blockBytes: number,
  memoryOf: () => Uint8Array = () => Buffer.allocUnsafeSlow(blockBytes),
): AsyncGenerator<Block> {
  /** the one that is filled now, and those that a source reads ahead into */
  const filling: Filling[] = [];
  let filledBytes = 0;
  const begin = (): Filling => {
    const block = { memory: memoryOf(), takenBytes: 0 };
    filling.push(block);
    return block;
  };
  const into: Room = {
    take(mostBytes) {
      let block = filling.at(-1) ?? begin();
      if (block.takenBytes === blockBytes) block = begin();
      const from = block.takenBytes;
      block.takenBytes = Math.min(from + mostBytes, blockBytes);
      return block.memory.subarray(from, block.takenBytes);
    },
  };
  for await (const chunk of typeof source === 'function' ? source(into) : source) {
    for (let done = 0; done < chunk.byteLength; ) {
      if (filledBytes === blockBytes) {
        yield { bytes: (filling.shift() as Filling).memory, last: false };
        filledBytes = 0;
      }
      const block = filling[0] ?? begin();
      if (block.takenBytes === filledBytes) {
        const part = chunk.subarray(done, done + blockBytes - filledBytes);
        block.memory.set(part, filledBytes);
        filledBytes += part.byteLength;
        done += part.byteLength;
        block.takenBytes = filledBytes;
      } else {
        assertInPlace(chunk, block.memory, filledBytes);
        filledBytes += chunk.byteLength;
        done = chunk.byteLength;
      }
    }
  }
  const { memory } = filling[0] ?? begin();
  yield { bytes: memory.subarray(0, filledBytes), last: true };
}

/** Who took memory and then gives other bytes would have them overwritten. */
function assertInPlace(chunk: Uint8Array, memory: Uint8Array, offset: number): void {
  const isThere =
    chunk.buffer === memory.buffer &&
    chunk.byteOffset === memory.byteOffset + offset &&
    offset + chunk.byteLength <= memory.byteLength;
  if (!isThere) throw new Error('a source gave other bytes than it read into the memory it took');
}
