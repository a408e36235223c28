import { randomUUID } from 'node:crypto';
import { type FileHandle, open, statfs, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SlipwayError, systemCode } from '../errors.ts';
import { type Bytes, type FileRange, fileError, readHandleBytes } from './stream.ts';

/** Where and how much a spool takes. */
export interface SpoolOptions {
  /** folder on whose disk it is kept, the system's temporary folder if left out */
  readonly dir?: string | undefined;
  /** how many bytes will come at least: the space for them is checked before the first one */
  readonly atLeastBytes?: number | undefined;
  /** what is spooled, for errors */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes that were written to a nameless file and can be read at any place, as often as needed. */
export interface Spool {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
  read(range?: FileRange): Bytes;
  /** Gives the space back. */
  close(): Promise<void>;
}

/** How much is written between two looks at the free space. */
const CHECK_EVERY_BYTES = 64 * 1024 * 1024;

/**
 * Writes bytes into a file that has no name any more (mode 0600), so that nothing is left behind
 * whatever ends the process.
 *
 * @throws SlipwayError `NO_SPACE` if the disk can't hold them, and what reading `bytes` throws;
 * `FILE_NOT_FOUND` for a folder that can't be used
 */
export async function spool(bytes: Bytes, options: SpoolOptions): Promise<Spool> {
  const { dir = tmpdir(), what, signal } = options;
  await checkSpace(dir, options.atLeastBytes ?? 0, what);
  const handle = await openNameless(dir);
  try {
    const sizeBytes = await writeAll(handle, bytes, { ...options, dir, signal });
    return {
      handle,
      sizeBytes,
      read: ({ start = 0, length = sizeBytes - start } = {}) =>
        readHandleBytes(handle, what, { start, length }),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function writeAll(
  handle: FileHandle,
  bytes: Bytes,
  { dir, what, atLeastBytes = 0, signal }: SpoolOptions & { readonly dir: string },
): Promise<number> {
  let written = 0;
  let checkedAt = 0;
  for await (const chunk of bytes) {
    signal?.throwIfAborted();
    if (written >= atLeastBytes && written - checkedAt >= CHECK_EVERY_BYTES) {
      await checkSpace(dir, CHECK_EVERY_BYTES, what, written);
      checkedAt = written;
    }
    for (let done = 0; done < chunk.byteLength; ) {
      const left = chunk.byteLength - done;
      const { bytesWritten } = await handle
        .write(chunk, done, left, written + done)
        .catch((error: unknown) => {
          throw isFull(error) ? noSpace(dir, what, written, error) : fileError(dir, error);
        });
      done += bytesWritten;
    }
    written += chunk.byteLength;
  }
  return written;
}

async function openNameless(dir: string): Promise<FileHandle> {
  const path = join(dir, `.slipway-spool-${randomUUID()}`);
  try {
    const handle = await open(path, 'wx+', 0o600);
    await unlink(path).catch(async (error: unknown) => {
      await handle.close();
      throw error;
    });
    return handle;
  } catch (error) {
    throw fileError(dir, error);
  }
}

/**
 * Makes sure that a folder's disk has room.
 *
 * @param written bytes of the same file that are there already, for the message
 * @throws SlipwayError `NO_SPACE`; `FILE_NOT_FOUND` if the folder can't be used
 */
async function checkSpace(
  dir: string,
  neededBytes: number,
  what: string,
  written = 0,
): Promise<void> {
  const { bavail, bsize } = await statfs(dir).catch((error: unknown) => {
    throw fileError(dir, error);
  });
  const freeBytes = bavail * bsize;
  if (freeBytes < neededBytes) throw noSpace(dir, what, written, undefined, neededBytes, freeBytes);
}

function noSpace(
  dir: string,
  what: string,
  written: number,
  cause: unknown,
  neededBytes?: number,
  freeBytes?: number,
): SlipwayError {
  const after = written > 0 ? ` after ${written} bytes` : '';
  const numbers =
    neededBytes === undefined ? '' : `: ${neededBytes} bytes are needed, ${freeBytes} are free`;
  return new SlipwayError('NO_SPACE', `no space in ${dir} to unpack ${what}${after}${numbers}`, {
    path: dir,
    hint: 'free some space, or set TMPDIR or SLIPWAY_HOME to a folder on a larger disk',
    ...(cause === undefined ? {} : { cause }),
  });
}

function isFull(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}
