import { availableParallelism } from 'node:os';
import { constants, createZstdCompress, type ZstdCompress } from 'node:zlib';
import { type Blockable, blocksOf } from './blocks.ts';
import { checkLevel } from './gzip.ts';
import { createLane } from './lane.ts';
import type { Bytes } from './stream.ts';

const DEFAULT_LEVEL = 2;
/** Levels above need windows to unpack that readers refuse. */
const HIGHEST_LEVEL = 19;
/** A larger frame is a little smaller in the end, and takes as much more memory. */
const FRAME_LOG = 21;
const FRAME_BYTES = 2 ** FRAME_LOG;
const OUTPUT_BYTES = 1024 * 1024;
/** Node has four threads for this and for files, whatever the machine has. */
const THREADS = Math.min(availableParallelism(), 3);

/** Frames of all streams of this process. */
const lane = createLane(THREADS);
/** Encoders of each level that nobody uses now: to make one anew takes memory that is slow to return. */
const idle = new Map<number, ZstdCompress[]>();
let streams = 0;
/** Memory of frames that are done, for those of all streams: V8 is slow to give it back. */
const free: Uint8Array[] = [];

/**
 * Compresses into zstd frames (RFC 8878) of 2 MiB each with checksums, several at a time. The
 * result depends on the bytes, the level and the release of zstd alone.
 *
 * @throws SlipwayError `USAGE` for a level that isn't offered
 */
export async function* zstd(bytes: Blockable, { level = DEFAULT_LEVEL } = {}): Bytes {
  checkLevel('zstd', level, HIGHEST_LEVEL);
  const making: Promise<readonly Uint8Array[]>[] = [];
  const room = () => free.pop() ?? new Uint8Array(FRAME_BYTES);
  streams++;
  try {
    for await (const { bytes: block } of blocksOf(bytes, FRAME_BYTES, room)) {
      const made = lane
        .run(() => compressFrame(block, level))
        .finally(() => free.push(new Uint8Array(block.buffer)));
      // A reader that leaves early never awaits it.
      made.catch(() => {});
      making.push(made);
      // Streams beside each other share the threads; a frame that waits keeps them busy.
      while (making.length >= 1 + Math.ceil(THREADS / streams)) yield* await next(making);
    }
    while (making.length > 0) yield* await next(making);
  } finally {
    await Promise.allSettled(making);
    if (--streams === 0) {
      free.length = 0;
      for (const encoder of [...idle.values()].flat()) encoder.destroy();
      idle.clear();
    }
  }
}

async function next<T>(making: Promise<readonly T[]>[]): Promise<readonly T[]> {
  return (await making.shift()) ?? [];
}

async function compressFrame(block: Uint8Array, level: number): Promise<readonly Uint8Array[]> {
  const encoders = idle.get(level) ?? [];
  idle.set(level, encoders);
  const encoder = encoders.pop() ?? startEncoder(level);
  const parts: Uint8Array[] = [];
  await new Promise<void>((resolve, reject) => {
    encoder.on('data', (part: Uint8Array) => parts.push(part)).once('error', reject);
    if (block.byteLength > 0) encoder.write(block);
    // The frame ends, and what comes after it would begin another one.
    encoder.flush(constants.ZSTD_e_end, () => resolve());
  });
  encoder.removeAllListeners('data').removeAllListeners('error');
  encoders.push(encoder);
  return parts;
}

function startEncoder(level: number): ZstdCompress {
  return createZstdCompress({
    chunkSize: OUTPUT_BYTES,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
      // A window that a frame outgrows makes zstd look for matches in two places.
      [constants.ZSTD_c_windowLog]: FRAME_LOG,
    },
  });
}
