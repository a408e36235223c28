import { constants, createZstdCompress } from 'node:zlib';
import { blocksOf } from './blocks.ts';
import { startReading, throughCodec } from './codec.ts';
import { checkLevel, gzip } from './gzip.ts';
import type { CompressionFormat } from './inflate.ts';
import type { Bytes } from './stream.ts';

/** How hard to try; formats have their own scales and defaults (gzip 1–9: 4; zstd 1–19: 3). */
export interface CompressOptions {
  readonly level?: number;
}

/**
 * What makes the bytes of each format, defaults included: while this stays the same, the same bytes
 * and level give the same result.
 */
export const COMPRESSORS: Readonly<Record<CompressionFormat, string>> = {
  gzip: 'libdeflate-1.23-slipway-1',
  zstd: process.versions.zstd ?? '',
};

const CHUNK_BYTES = 128 * 1024;

/**
 * Compresses; the same bytes and level always give the same result.
 *
 * @throws SlipwayError `USAGE` for a level that the format hasn't
 */
export function compress(
  bytes: Bytes,
  format: CompressionFormat,
  options: CompressOptions = {},
): Bytes {
  return format === 'gzip' ? gzip(bytes, options) : zstd(bytes, options);
}

/**
 * Compresses into one zstd frame (RFC 8878) with a checksum. Levels above 19 need more memory to
 * unpack than readers have to give, so they aren't offered.
 *
 * @throws SlipwayError `USAGE` for a level that isn't offered
 */
async function* zstd(bytes: Bytes, { level = 3 }: CompressOptions = {}): Bytes {
  checkLevel('zstd', level, 19);
  const encoder = createZstdCompress({
    chunkSize: CHUNK_BYTES,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
  const reading = startReading(evenChunks(bytes));
  try {
    yield* throughCodec(encoder, reading);
  } finally {
    await reading.close();
  }
}

/** Chunks of one length, so that how the bytes came in can't show in what comes out. */
async function* evenChunks(bytes: Bytes): Bytes {
  for await (const block of blocksOf(bytes, 2 * CHUNK_BYTES)) {
    if (block.bytes.byteLength > 0) yield block.bytes;
  }
}
