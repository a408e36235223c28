/**
 * Compresses files with Slipway's own compressor, as many at a time as there are cores, and throws
 * the result away: the least time in which a push that compresses them could be done.
 *
 *     node bench/compress-alone.ts gzip|zstd FILE…
 */
import { availableParallelism } from 'node:os';
import { compress } from '../src/bytes/compress.ts';
import type { CompressionFormat } from '../src/bytes/inflate.ts';
import { readChunks } from './read-chunks.ts';

const [format = 'gzip', ...files] = process.argv.slice(2);
const lane = async (): Promise<void> => {
  for (let file = files.shift(); file !== undefined; file = files.shift()) {
    for await (const _ of compress(readChunks(file), format as CompressionFormat));
  }
};
await Promise.all(Array.from({ length: availableParallelism() }, lane));
