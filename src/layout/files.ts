import { constants } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { fileError } from '../bytes/stream.ts';
import { SlipwayError, systemCode } from '../errors.ts';

const { O_RDONLY } = constants;
const O_NONBLOCK = constants.O_NONBLOCK ?? 0;
const O_NOFOLLOW = constants.O_NOFOLLOW ?? 0;

/** Undefined in place of a file that isn't there. */
export async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}

/**
 * Opens a file of a layout for reading. A folder can hold anything: a pipe would block, a device
 * never end.
 *
 * @throws SlipwayError `ARCHIVE_INVALID` if it isn't a regular file; otherwise the system's error
 */
export async function openRegular(
  path: string,
  { follow = true }: { readonly follow?: boolean } = {},
): Promise<FileHandle> {
  const handle = await open(path, O_RDONLY | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW));
  try {
    if ((await handle.stat()).isFile()) return handle;
    throw new SlipwayError('ARCHIVE_INVALID', `${path} is not a regular file`, { path });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Reads a small file, or undefined if it isn't there.
 *
 * @throws SlipwayError `LIMIT_EXCEEDED`, `ARCHIVE_INVALID`, `FILE_NOT_FOUND`
 */
export async function readSmallFile(
  path: string,
  maxBytes: number,
  how: { readonly follow?: boolean } = {},
): Promise<Buffer | undefined> {
  try {
    const handle = await unlessMissing(openRegular(path, how));
    if (handle === undefined) return undefined;
    try {
      return await readCapped(handle, path, maxBytes);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw fileError(path, cause);
  }
}

async function readCapped(handle: FileHandle, path: string, maxBytes: number): Promise<Buffer> {
  const { size } = await handle.stat();
  if (size <= maxBytes) {
    // One byte more than is there, to see the end: it may have grown since.
    const buffer = Buffer.allocUnsafe(size + 1);
    let filled = 0;
    while (filled <= size) {
      const { bytesRead } = await handle.read(buffer, filled, size + 1 - filled, filled);
      if (bytesRead === 0) return buffer.subarray(0, filled);
      filled += bytesRead;
    }
  }
  throw new SlipwayError('LIMIT_EXCEEDED', `${path} is longer than ${maxBytes} bytes`, { path });
}

/**
 * Replaces a file in one step: readers see the old or the new one, also after a crash.
 *
 * @param draft a path of the same file system that only the caller uses
 * @throws SlipwayError `NO_SPACE`, `FILE_NOT_FOUND`; the old file is still there then
 */
export async function replaceFile(
  path: string,
  draft: string,
  bytes: Uint8Array,
  mode: number,
): Promise<void> {
  try {
    const handle = await open(draft, 'w', mode);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, path);
  } catch (cause) {
    await unlink(draft).catch(() => {});
    throw writeError(path, cause);
  }
}

/** Makes the names in a folder survive a power failure. */
export async function syncFolder(dir: string): Promise<void> {
  const handle = await unlessMissing(open(dir, O_RDONLY));
  if (handle === undefined) return;
  try {
    await handle.sync();
  } catch (cause) {
    // Some file systems can't, and have no such need.
    if (systemCode(cause) !== 'EINVAL' && systemCode(cause) !== 'ENOTSUP') throw cause;
  } finally {
    await handle.close();
  }
}

/** What a failure to write means, in our words. */
export function writeError(path: string, cause: unknown): unknown {
  const error = fileError(path, cause);
  return error instanceof SlipwayError ? error.with({ side: 'destination' }) : error;
}
