import { type Blockable, blocksOf } from './blocks.ts';
import type { Bytes } from './stream.ts';
import type { Threads } from './threads.ts';

/** How a format is compressed block by block, each in memory that a thread shares. */
export interface BlockFormat<Work> {
  readonly blockBytes: number;
  /** where a block begins in its memory */
  readonly begin: number;
  /** of a block, with what it becomes at worst */
  readonly memoryBytes: number;
  readonly threads: Threads<Work>;
}

/** A block that was read, in its memory. */
export interface ReadBlock {
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  /** the stream ends with it */
  readonly last: boolean;
}

export interface BlockStreamOptions {
  /** the format's own */
  readonly level: number;
  /** blocks of one stream at once; enough to keep all threads busy if left out */
  readonly inFlight?: number | undefined;
}

/** Streams of one format: they share its threads, and the memory of blocks. */
export interface BlockStreams<Work> {
  /**
   * Compresses blocks, several at a time, and gives what they become in their order. The memory of a
   * chunk is filled again once the next one is asked for.
   *
   * @param workOf what is to be done with a block; the result is written to the start of its memory
   */
  compress(
    source: Blockable,
    workOf: (block: ReadBlock) => Work,
    options: BlockStreamOptions,
  ): Bytes;
  /** Starts threads for streams of these lengths in bytes, before there is anything to compress. */
  prepare(sizes: readonly number[], options: BlockStreamOptions): Promise<void>;
}

/** Streams of a format. */
export function createBlockStreams<Work>(format: BlockFormat<Work>): BlockStreams<Work> {
  const { blockBytes, begin, memoryBytes, threads } = format;
  let streams = 0;
  /** Memory of blocks that are done: V8 is slow to give it back. */
  const free: SharedArrayBuffer[] = [];

  return {
    async *compress(source, workOf, { level, inFlight }) {
      let isLeft = false;
      const options = { isQuick: isQuick(level), isLeft: () => isLeft };
      // Two for each thread, so that none waits, and one whose result is being written.
      const most = () => Math.max(1, inFlight ?? 1 + Math.ceil((2 * threads.most) / streams));
      const making: { readonly buffer: SharedArrayBuffer; readonly size: Promise<number> }[] = [];
      const room = () => free.pop() ?? new SharedArrayBuffer(memoryBytes);
      const next = async function* (): Bytes {
        const { buffer, size } = making.shift() as (typeof making)[number];
        yield new Uint8Array(buffer, 0, await size);
        free.push(buffer);
      };
      streams++;
      try {
        const blocks = blocksOf(
          source,
          blockBytes,
          () => new Uint8Array(room(), begin, blockBytes),
        );
        for await (const { bytes, last } of blocks) {
          const buffer = bytes.buffer as SharedArrayBuffer;
          const size = threads.run(workOf({ buffer, bytes, last }), options);
          // A reader that leaves early never awaits it.
          size.catch(() => {});
          making.push({ buffer, size });
          while (making.length >= most()) yield* next();
        }
        while (making.length > 0) yield* next();
      } finally {
        isLeft = true;
        if (--streams === 0) free.length = 0;
      }
    },
    async prepare(sizes, { level }) {
      const blocks = sizes.reduce((sum, size) => sum + Math.ceil(size / blockBytes), 0);
      await threads.start(blocks, isQuick(level));
    },
  };
}

/** A block takes some milliseconds, in every format. */
function isQuick(level: number): boolean {
  return level <= 4;
}
