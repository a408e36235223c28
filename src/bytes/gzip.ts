import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, deflateRawSync } from 'node:zlib';
import { SlipwayError } from '../errors.ts';
import { type Block, blocksOf } from './blocks.ts';
import type { Bytes } from './stream.ts';

/** How a stream is compressed. */
export interface GzipOptions {
  /** 1 (fast) to 9 (small), 6 if left out */
  readonly level?: number;
  /** blocks of 1 MiB that are compressed at the same time; the result doesn't depend on it */
  readonly inFlight?: number;
}

const BLOCK_BYTES = 1024 * 1024;
/** How far deflate can look back (RFC 1951): what a block needs to know of the one before. */
const WINDOW_BYTES = 32 * 1024;
/** Magic, deflate, no flags, no time, no hint, "unknown" system: the same bytes on every machine. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
const STORED_BYTES = 0xffff;
/** Threads that Node compresses on, however many cores there are (UV_THREADPOOL_SIZE). */
const THREADS = 4;

const deflate = promisify<Uint8Array, object, Buffer>(deflateRaw);

/**
 * Compresses into one gzip member (RFC 1952), several blocks at a time.
 *
 * The result depends on the bytes and the level alone: not on how the bytes are cut into chunks,
 * nor on the machine's cores. Memory is bounded by `inFlight`, by default one more than can be
 * compressed at the same time.
 *
 * @throws SlipwayError `USAGE` for a level that gzip hasn't
 * @example
 * for await (const chunk of gzip(readFileBytes('layer.tar'))) hash.update(chunk);
 */
export async function* gzip(bytes: Bytes, options: GzipOptions = {}): Bytes {
  const { level = 6, inFlight = Math.min(availableParallelism(), THREADS) + 1 } = options;
  checkLevel('gzip', level, 9);
  const making: Promise<Uint8Array>[] = [];
  let window: Uint8Array = new Uint8Array(0);
  let checksum = 0;
  let size = 0;
  yield HEADER;
  for await (const block of blocksOf(bytes, BLOCK_BYTES)) {
    checksum = crc32(block.bytes, checksum);
    size += block.bytes.byteLength;
    const made = compressBlock(block, window, level);
    // A reader that leaves early never awaits it.
    made.catch(() => {});
    making.push(made);
    window = block.bytes.subarray(-WINDOW_BYTES);
    if (making.length >= Math.max(1, inFlight)) yield await (making.shift() as Promise<Uint8Array>);
  }
  for (const made of making) yield await made;
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

async function compressBlock(
  { bytes, last }: Block,
  dictionary: Uint8Array,
  level: number,
): Promise<Uint8Array> {
  if (!looksCompressible(bytes)) return stored(bytes, last);
  // A sync flush ends on a byte, so the next block can simply follow.
  const finishFlush = last ? constants.Z_FINISH : constants.Z_SYNC_FLUSH;
  const chunkSize = BLOCK_BYTES / 2;
  return deflate(bytes, {
    level,
    finishFlush,
    chunkSize,
    ...(dictionary.byteLength > 0 ? { dictionary } : {}),
  });
}

const SAMPLES = 8;
const SAMPLE_BYTES = 8 * 1024;

/**
 * Looks at samples of a block: what is compressed or encrypted already would take as long as
 * anything else to come out no smaller.
 */
function looksCompressible(bytes: Uint8Array): boolean {
  if (bytes.byteLength < 2 * SAMPLES * SAMPLE_BYTES) return true;
  const step = Math.floor((bytes.byteLength - SAMPLE_BYTES) / (SAMPLES - 1));
  for (let sample = 0; sample < SAMPLES; sample++) {
    const part = bytes.subarray(sample * step, sample * step + SAMPLE_BYTES);
    if (deflateRawSync(part, { level: 1 }).byteLength < SAMPLE_BYTES * 0.98) return true;
  }
  return false;
}

/** Deflate's stored form (RFC 1951, 3.2.4). It starts on a byte, where every block of ours ends. */
function stored(bytes: Uint8Array, last: boolean): Uint8Array {
  const parts = Math.max(1, Math.ceil(bytes.byteLength / STORED_BYTES));
  const out = Buffer.allocUnsafeSlow(bytes.byteLength + 5 * parts);
  let position = 0;
  for (let part = 0; part < parts; part++) {
    const data = bytes.subarray(part * STORED_BYTES, (part + 1) * STORED_BYTES);
    out.writeUInt8(last && part === parts - 1 ? 1 : 0, position);
    out.writeUInt16LE(data.byteLength, position + 1);
    out.writeUInt16LE(~data.byteLength & 0xffff, position + 3);
    out.set(data, position + 5);
    position += 5 + data.byteLength;
  }
  return out;
}

function trailer(checksum: number, size: number): Uint8Array {
  const out = Buffer.alloc(8);
  out.writeUInt32LE(checksum, 0);
  out.writeUInt32LE(size % 2 ** 32, 4);
  return out;
}
