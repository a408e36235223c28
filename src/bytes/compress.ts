import type { Blockable } from './blocks.ts';
import { gzip } from './gzip.ts';
import type { CompressionFormat } from './inflate.ts';
import type { Bytes } from './stream.ts';
import { frames, zstd } from './zstd.ts';

/** How hard to try; formats have their own scales and defaults (gzip 1–9: 1; zstd 1–19: 2). */
export interface CompressOptions {
  readonly level?: number;
}

/**
 * What makes the bytes of each format, defaults included: while this stays the same, the same bytes
 * and level give the same result.
 */
export const COMPRESSORS: Readonly<Record<CompressionFormat, string>> = {
  gzip: 'libdeflate-1.23-slipway-2',
  zstd: `${process.versions.zstd}-slipway-3`,
};

/**
 * Compresses; the same bytes and level always give the same result. The memory of a chunk is filled
 * again once the next one is asked for.
 *
 * @throws SlipwayError `USAGE` for a level that the format hasn't
 */
export function compress(
  bytes: Blockable,
  format: CompressionFormat,
  options: CompressOptions = {},
): Bytes {
  return format === 'gzip' ? gzip(bytes, options) : zstd(bytes, options);
}

/**
 * Starts what compresses streams of these lengths in bytes, so that it is there when they are: a
 * thread takes 60 ms to start, and a registry is asked meanwhile.
 */
export async function prepareCompression(
  format: CompressionFormat,
  sizes: readonly number[],
  { level = 1 }: CompressOptions = {},
): Promise<void> {
  const prepare = async (): Promise<void> => {
    const streams = format === 'gzip' ? (await import('./deflate.ts')).blocks : frames;
    await streams.prepare(sizes, { level });
  };
  // What fails here fails again where it matters.
  await prepare().catch(() => {});
}
