import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { SlipwayError, systemCode } from '../errors.ts';
import { type Codec, type Reading, startReading, throughCodec } from './codec.ts';
import type { Bytes } from './stream.ts';

/** How bytes are packed. */
export type CompressionFormat = 'gzip' | 'zstd';

/** Bounds of what comes out of {@link decompress}. */
export interface DecompressOptions {
  /** bytes out for each byte in, once 10 MiB have come out; 200 if left out */
  readonly maxRatio?: number;
  /** bytes out in all */
  readonly maxBytes?: number;
  /** names the bytes in errors */
  readonly what?: string;
}

/** How much of the start {@link sniffCompression} wants to see. */
export const SNIFF_BYTES = 4;

const CHUNK_BYTES = 128 * 1024;
const RATIO_FREE_BYTES = 10 * 1024 * 1024;
const DEFAULT_RATIO = 200;
/** log2 of the largest zstd window: 128 MiB, as RFC 8878 (3.1.1.1.2) lets decoders decide. */
const MAX_WINDOW_LOG = 27;

/** The format that the first bytes of a stream announce (RFC 1952, RFC 8878), or `none`. */
export function sniffCompression(head: Uint8Array): CompressionFormat | 'none' {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  // 0xFD2FB528 little-endian, and the skippable frames that may come first.
  const [a = 0, b, c, d] = head;
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return 'zstd';
  if ((a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) return 'zstd';
  return 'none';
}

/**
 * Unpacks one level of compression. All gzip members and zstd frames are read, as gzip and zstd do.
 *
 * @throws SlipwayError (from the iteration) `ARCHIVE_INVALID` for bytes that aren't of the format, a
 * wrong checksum, or anything after the end; `SIZE_MISMATCH` if they end too early;
 * `LIMIT_EXCEEDED` for a bomb or a zstd window over 128 MiB
 */
export async function* decompress(
  bytes: Bytes,
  format: CompressionFormat,
  options: DecompressOptions = {},
): Bytes {
  const { maxRatio = DEFAULT_RATIO, maxBytes = Number.POSITIVE_INFINITY } = options;
  const what = options.what ?? `the ${format} stream`;
  let taken = 0;
  let given = 0;
  const counted = async function* (): Bytes {
    for await (const chunk of bytes) {
      taken += chunk.byteLength;
      yield chunk;
    }
  };
  const reading = startReading(counted());
  try {
    for await (const chunk of unpack(reading, format, what)) {
      given += chunk.byteLength;
      if (given > maxBytes) {
        throw new SlipwayError('LIMIT_EXCEEDED', `${what} unpacks to more than ${maxBytes} bytes`);
      }
      if (given > RATIO_FREE_BYTES && given > taken * maxRatio) {
        throw new SlipwayError(
          'LIMIT_EXCEEDED',
          `${what} unpacks to more than ${maxRatio} times its size`,
          { hint: 'this is how a decompression bomb looks; unpack it yourself if you trust it' },
        );
      }
      yield chunk;
    }
  } finally {
    await reading.close();
  }
}

async function* unpack(reading: Reading, format: CompressionFormat, what: string): Bytes {
  try {
    yield* throughCodec(createDecoder(format), reading);
    // Node's zstd decoder stops after a frame; what it left is the next one. Its gunzip reads all
    // members, so what is left there is none.
    for (let rest = await reading.next(); rest !== undefined; rest = await reading.next()) {
      if (format === 'gzip') {
        throw new SlipwayError('ARCHIVE_INVALID', `${what} has other bytes after its end`);
      }
      reading.unread(rest);
      yield* throughCodec(createDecoder(format), reading);
    }
  } catch (error) {
    throw codecError(error, format, what);
  }
}

function createDecoder(format: CompressionFormat): Codec {
  if (format === 'gzip') return createGunzip({ chunkSize: CHUNK_BYTES });
  return createZstdDecompress({
    chunkSize: CHUNK_BYTES,
    params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
  });
}

function codecError(error: unknown, format: CompressionFormat, what: string): unknown {
  const code = systemCode(error);
  if (code === 'Z_BUF_ERROR') {
    return new SlipwayError('SIZE_MISMATCH', `${what} ends too early`, {
      hint: 'it was cut off while it was written or copied; get it again',
      cause: error,
    });
  }
  if (code === 'ZSTD_error_frameParameter_windowTooLarge') {
    return new SlipwayError('LIMIT_EXCEEDED', `${what} needs more than 128 MiB of memory`, {
      cause: error,
    });
  }
  if (code?.startsWith('Z_') || code?.startsWith('ZSTD_')) {
    return new SlipwayError('ARCHIVE_INVALID', `${what} is not valid ${format}`, {
      hint: 'the copy that was read is damaged; get it again from where it was made',
      cause: error,
    });
  }
  return error;
}
