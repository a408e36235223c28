import { type FileHandle, open } from 'node:fs/promises';
import { SlipwayError, systemCode } from '../errors.ts';

/**
 * Bytes as they come: chunks of any length, read once. Nothing is opened before the first chunk is
 * asked for, and leaving the loop closes what was opened.
 */
export type Bytes = AsyncIterable<Uint8Array>;

/** How much is read from a file at once: large enough for full speed, small enough for memory. */
export const CHUNK_BYTES = 256 * 1024;
const FIRST_CHUNK_BYTES = 16 * 1024;
/** The same, where the memory is there anyway. */
const ROOM_BYTES = 1024 * 1024;

/** Bytes that are in memory, from `offset` on. */
export async function* fromMemory(bytes: Uint8Array, offset = 0): Bytes {
  if (offset < bytes.byteLength) yield bytes.subarray(offset);
}

/**
 * Bytes whose reading ends at once when `signal` is aborted, also while a pipe says nothing. What is
 * behind them is then let go of without waiting for it.
 *
 * @throws the signal's reason (from the iteration)
 */
export async function* untilAborted(bytes: Bytes, signal: AbortSignal | undefined): Bytes {
  if (signal === undefined) {
    yield* bytes;
    return;
  }
  const iterator = bytes[Symbol.asyncIterator]();
  let giveUp = (_reason: unknown): void => {};
  const onAbort = () => giveUp(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      // A race with one promise for the abort would keep every chunk until that promise goes.
      const { done, value } = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        giveUp = reject;
        // It may still end after nobody waits for it.
        iterator.next().then(resolve, reject);
      });
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    const leaving = iterator.return?.();
    if (signal.aborted) leaving?.catch(() => {});
    else await leaving;
  }
}

/**
 * Memory that a reader offers for the bytes that it asks for, so that a source that fills memory
 * anyway, as a file does, needn't take its own and have all of it copied.
 */
export interface Room {
  /**
   * Memory for the next bytes, at most `mostBytes` of it. Who takes it fills it from its start, and
   * whole unless the bytes end there, and gives what it filled as its next chunks.
   */
  take(mostBytes: number): Uint8Array;
}

/** The part of a file that is wanted: bytes, from the start to the end if left out. */
export interface FileRange {
  readonly start?: number;
  readonly length?: number;
  /** the most that is read at once, {@link CHUNK_BYTES} if left out */
  readonly chunkBytes?: number | undefined;
  /** where it is read into: memory of its own for each chunk if left out */
  readonly into?: Room | undefined;
}

/**
 * Reads a part of a file.
 *
 * @throws SlipwayError `FILE_NOT_FOUND` if it isn't there, `SIZE_MISMATCH` if it ends before
 * `length` bytes were read
 */
export async function* readFileBytes(path: string, range: FileRange = {}): Bytes {
  const handle = await openForReading(path);
  try {
    yield* readHandleBytes(handle, path, range);
  } finally {
    await handle.close();
  }
}

/** Like {@link readFileBytes}, from a file that is open and stays so. `path` is for errors. */
export async function* readHandleBytes(
  handle: FileHandle,
  path: string,
  range: FileRange = {},
): Bytes {
  const { start = 0, length = Number.POSITIVE_INFINITY, into } = range;
  const { chunkBytes = into === undefined ? CHUNK_BYTES : ROOM_BYTES } = range;
  let position = start;
  const end = start + length;
  // Most files are small: a long buffer for each of them would be what memory is full of.
  let bufferBytes = FIRST_CHUNK_BYTES;
  while (position < end) {
    const wanted = Math.min(chunkBytes, end - position);
    const buffer = into?.take(wanted) ?? Buffer.allocUnsafeSlow(Math.min(bufferBytes, wanted));
    bufferBytes *= 4;
    for (let filled = 0; filled < buffer.byteLength; ) {
      const { bytesRead } = await handle.read(buffer, filled, buffer.byteLength - filled, position);
      if (bytesRead === 0) {
        if (end === Number.POSITIVE_INFINITY) return;
        throw new SlipwayError(
          'SIZE_MISMATCH',
          `${path} ends at byte ${position}; ${end - position} more were expected`,
          { path },
        );
      }
      position += bytesRead;
      filled += bytesRead;
      yield buffer.subarray(filled - bytesRead, filled);
    }
  }
}

/**
 * Opens a local file that the user named.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`
 */
export async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw fileError(path, cause);
  }
}

/** What a failure of the file system means, in our words. */
export function fileError(path: string, cause: unknown): unknown {
  const reasons: Record<string, string> = {
    ENOENT: 'no such file or folder',
    ENOTDIR: 'a part of the path is not a folder',
    EISDIR: 'is a folder',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ELOOP: 'too many symbolic links',
    ENAMETOOLONG: 'the name is too long',
  };
  const code = systemCode(cause);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new SlipwayError('NO_SPACE', `no space left on this machine to write ${path}`, {
      path,
      hint: 'free some space, or set SLIPWAY_HOME to a folder on a larger disk',
      cause,
    });
  }
  const reason = code === undefined ? undefined : reasons[code];
  if (reason === undefined) return cause;
  return new SlipwayError('FILE_NOT_FOUND', `${path}: ${reason}`, { path, cause });
}

/**
 * Reads everything into memory, for documents and error bodies.
 *
 * @param maxBytes one byte more is an error
 * @throws SlipwayError `LIMIT_EXCEEDED`
 */
export async function collect(bytes: Bytes, maxBytes: number, what: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.byteLength;
    if (size > maxBytes) {
      throw new SlipwayError('LIMIT_EXCEEDED', `${what} is longer than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
