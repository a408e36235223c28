import type { FileHandle } from 'node:fs/promises';
import { type Reading, startReading } from '../bytes/codec.ts';
import { decompress, SNIFF_BYTES, sniffCompression } from '../bytes/inflate.ts';
import { spool } from '../bytes/spool.ts';
import {
  type Bytes,
  CHUNK_BYTES,
  fileError,
  openForReading,
  untilAborted,
} from '../bytes/stream.ts';
import type { Signalled } from '../content/transport.ts';
import { folderIsNoArchive, notAnArchive } from './not-an-archive.ts';

/** The tar file of an archive, open for reading at any place. */
export interface ArchiveInput {
  /** for people */
  readonly name: string;
  readonly handle: FileHandle;
  readonly sizeBytes: number;
  close(): Promise<void>;
}

export interface ArchiveInputOptions extends Signalled {
  /** folder on whose disk a compressed archive is unpacked, the temporary folder if left out */
  readonly spoolDir?: string | undefined;
  /** what `-` reads, the process's standard input if left out */
  readonly stdin?: Bytes | undefined;
  /** what that is, for people, if it isn't the standard input */
  readonly stdinName?: string | undefined;
}

/**
 * Opens an archive's tar file. A plain one is used where it is. What is compressed, or can be read
 * only once, is unpacked into a nameless file first.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `ARCHIVE_INVALID`, `SIZE_MISMATCH`, `LIMIT_EXCEEDED`,
 * `NO_SPACE`
 */
export async function openInput(path: string, options: ArchiveInputOptions): Promise<ArchiveInput> {
  if (path === '-') {
    const { stdin = process.stdin, stdinName = 'standard input' } = options;
    return spoolAll(stdin, stdinName, 0, options);
  }
  const handle = await openForReading(path);
  let isKept = false;
  try {
    const found = await handle.stat();
    if (found.isDirectory()) throw await folderIsNoArchive(path);
    if (!found.isFile()) return await spoolAll(sequential(handle, path), path, 0, options);
    const head = Buffer.alloc(SNIFF_BYTES);
    const { bytesRead } = await handle.read(head, 0, SNIFF_BYTES, 0);
    if (sniffCompression(head.subarray(0, bytesRead)) !== 'none') {
      return await spoolAll(sequential(handle, path), path, found.size, options);
    }
    isKept = true;
    return { name: path, handle, sizeBytes: found.size, close: () => handle.close() };
  } finally {
    if (!isKept) {
      const closing = handle.close();
      // While a pipe says nothing, that would wait for the read that nobody wants any more.
      if (options.signal?.aborted) closing.catch(() => {});
      else await closing;
    }
  }
}

async function spoolAll(
  bytes: Bytes,
  name: string,
  atLeastBytes: number,
  { spoolDir: dir, signal }: ArchiveInputOptions,
): Promise<ArchiveInput> {
  const reading = startReading(untilAborted(bytes, signal));
  try {
    const head = await peek(reading, SNIFF_BYTES);
    if (head.byteLength === 0) throw notAnArchive(name, head);
    const format = sniffCompression(head);
    const rest = restOf(reading);
    const tar = format === 'none' ? rest : decompress(rest, format, { what: name });
    const { handle, sizeBytes, close } = await spool(tar, {
      dir,
      atLeastBytes,
      what: name,
      signal,
    });
    return { name, handle, sizeBytes, close };
  } finally {
    await reading.close();
  }
}

async function peek(reading: Reading, length: number): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array(0);
  while (head.byteLength < length) {
    const chunk = await reading.next();
    if (chunk === undefined) break;
    head = head.byteLength === 0 ? chunk : Buffer.concat([head, chunk]);
  }
  if (head.byteLength > 0) reading.unread(head);
  return head;
}

async function* restOf(reading: Reading): Bytes {
  for (let chunk = await reading.next(); chunk !== undefined; chunk = await reading.next()) {
    yield chunk;
  }
}

/** Reads on from where the file stands: a pipe has no other places. */
async function* sequential(handle: FileHandle, path: string): Bytes {
  for (;;) {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const { bytesRead } = await handle
      .read(buffer, 0, CHUNK_BYTES, null)
      .catch((error: unknown) => {
        throw fileError(path, error);
      });
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
