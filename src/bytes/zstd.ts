import { createBlockStreams } from './block-streams.ts';
import type { Blockable } from './blocks.ts';
import { checkLevel } from './gzip.ts';
import type { Bytes } from './stream.ts';
import { createThreads } from './threads.ts';
import { zstdInThread } from './zstd-thread.ts';

const DEFAULT_LEVEL = 2;
/** Levels above need windows to unpack that readers refuse. */
const HIGHEST_LEVEL = 19;
/** A larger frame is a little smaller in the end, and takes as much more memory. */
const FRAME_LOG = 21;
const FRAME_BYTES = 2 ** FRAME_LOG;
/** What a frame may grow by: a 256th, and its head and checksum (zstd.h, ZSTD_COMPRESSBOUND). */
const GROWTH_BYTES = FRAME_BYTES / 256 + 1024;

/** Frames of all streams of this process. */
export const frames = createBlockStreams({
  blockBytes: FRAME_BYTES,
  begin: 0,
  memoryBytes: FRAME_BYTES + GROWTH_BYTES,
  threads: createThreads(zstdInThread, async () => ({ windowLog: FRAME_LOG })),
});

/**
 * Compresses into zstd frames (RFC 8878) of 2 MiB each with checksums, several at a time. The
 * result depends on the bytes, the level and the release of zstd alone. The memory of a chunk is
 * filled again once the next one is asked for.
 *
 * @throws SlipwayError `USAGE` for a level that isn't offered
 */
export async function* zstd(bytes: Blockable, { level = DEFAULT_LEVEL } = {}): Bytes {
  checkLevel('zstd', level, HIGHEST_LEVEL);
  yield* frames.compress(
    bytes,
    ({ buffer, bytes: { byteLength } }) => ({
      buffer,
      frameBytes: byteLength,
      level,
    }),
    { level },
  );
}
