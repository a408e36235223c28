import { crc32 } from 'node:zlib';
import { SlipwayError } from '../errors.ts';
import type { Blockable } from './blocks.ts';
import type { Bytes } from './stream.ts';

/** How a stream is compressed. */
export interface GzipOptions {
  /** 1 (fast) to 9 (small), 1 if left out */
  readonly level?: number;
  /** blocks of 1 MiB that are compressed at the same time; the result doesn't depend on it */
  readonly inFlight?: number;
}

/** Magic, deflate, no flags, no time, no hint, "unknown" system: the same bytes on every machine. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
const DEFAULT_LEVEL = 1;

/**
 * Compresses into one gzip member (RFC 1952), several blocks at a time. The memory of a chunk is
 * filled again once the next one is asked for.
 *
 * The result depends on the bytes and the level alone: not on how the bytes are cut into chunks,
 * nor on the machine, its cores or the release of Node. Memory is bounded by `inFlight`, by default
 * enough to keep all threads busy while what they made is written.
 *
 * @throws SlipwayError `USAGE` for a level that gzip hasn't
 * @example
 * for await (const chunk of gzip(readFileBytes('layer.tar'))) hash.update(chunk);
 */
export async function* gzip(bytes: Blockable, options: GzipOptions = {}): Bytes {
  const { level = DEFAULT_LEVEL } = options;
  checkLevel('gzip', level, 9);
  // A command that compresses nothing has no use for it.
  const { blocks, WINDOW_BYTES } = await import('./deflate.ts');
  let window: Uint8Array = new Uint8Array(0);
  let checksum = 0;
  let size = 0;
  yield HEADER;
  yield* blocks.compress(
    bytes,
    ({ buffer, bytes: block, last }) => {
      checksum = crc32(block, checksum);
      size += block.byteLength;
      const dictionaryBytes = window.byteLength;
      new Uint8Array(buffer).set(window, WINDOW_BYTES - dictionaryBytes);
      // What the block becomes is written over it.
      window = block.slice(-WINDOW_BYTES);
      return { buffer, dictionaryBytes, blockBytes: block.byteLength, level, last };
    },
    { level, inFlight: options.inFlight },
  );
  yield trailer(checksum, size);
}

/**
 * Refuses a compression level that doesn't exist.
 *
 * @throws SlipwayError `USAGE`
 */
export function checkLevel(format: string, level: number, highest: number): void {
  if (Number.isInteger(level) && level >= 1 && level <= highest) return;
  throw new SlipwayError('USAGE', `${format} has no compression level ${level}`, {
    hint: `levels of ${format} go from 1 to ${highest}`,
  });
}

function trailer(checksum: number, size: number): Uint8Array {
  const out = Buffer.alloc(8);
  out.writeUInt32LE(checksum, 0);
  out.writeUInt32LE(size % 2 ** 32, 4);
  return out;
}
