import { type FileHandle, open, unlink } from 'node:fs/promises';
import { type Bytes, fileError, type Room, readHandleBytes } from '../bytes/stream.ts';
import type { Ingest, IngestExpectation, IngestOptions } from '../content/ingest.ts';
import { digestMismatch, sizeMismatch } from '../content/verify.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import { type Digest, startDigest } from '../oci/digest.ts';
import { blobPath, freshSeconds, placeBlob } from './blobs.ts';
import { writeError } from './files.ts';
import type { Workspace } from './workspace.ts';

/** Starts to write a blob. See {@link Ingest}. */
export async function startIngest(
  workspace: Workspace,
  { algorithm, signal }: IngestOptions = {},
): Promise<Ingest> {
  const { dir } = workspace;
  const lease = await workspace.lease({ signal });
  signal?.throwIfAborted();
  const file = workspace.ingestPath(lease);
  const digester = startDigest(algorithm);
  let handle: FileHandle;
  try {
    handle = await open(file, 'wx', workspace.fileMode);
  } catch (cause) {
    throw writeError(dir, cause);
  }

  let size = 0;
  let state: 'writing' | 'ending' | 'committed' | 'aborted' = 'writing';
  /** no more comes */
  let isWhole = false;
  let digest: Digest | undefined;
  let waiting: (() => void)[] = [];
  const wake = () => {
    const readers = waiting;
    waiting = [];
    for (const reader of readers) reader();
  };

  const write = async (chunk: Uint8Array) => {
    signal?.throwIfAborted();
    if (state !== 'writing' || isWhole) throw ended(state);
    const writing = writeAll(handle, chunk, size);
    // Hashed on this thread while another one writes.
    digester.update(chunk);
    try {
      await writing;
    } catch (cause) {
      throw writeError(dir, cause);
    }
    size += chunk.byteLength;
    wake();
  };

  const end = () => {
    if (state !== 'writing' || isWhole) throw ended(state);
    isWhole = true;
    digest = digester.digest();
    wake();
    return { digest, size };
  };

  const commit = async (expected: IngestExpectation = {}) => {
    if (state !== 'writing') throw ended(state);
    try {
      signal?.throwIfAborted();
      state = 'ending';
      digest ??= digester.digest();
      const wanted = { mediaType: '', digest, size, ...expected };
      if (size !== wanted.size) throw sizeMismatch(wanted, size);
      if (digest !== wanted.digest) throw digestMismatch(wanted, digest);
      try {
        await handle.datasync();
        if (Date.now() < lease.startMs) {
          // The clock was set back; a prune must still see that this is younger than our lease.
          const seconds = freshSeconds(lease);
          await handle.utimes(seconds, seconds);
        }
        await placeBlob(dir, digest, file, workspace.dirMode);
      } catch (cause) {
        throw writeError(dir, cause);
      }
      path = blobPath(dir, digest);
      state = 'committed';
      isWhole = true;
      await handle.close();
      wake();
      return { digest, size };
    } catch (error) {
      await abort();
      throw error;
    }
  };

  const abort = async () => {
    if (state === 'committed' || state === 'aborted') return;
    state = 'aborted';
    await handle.close().catch(() => {});
    await unlink(file).catch(() => {});
    wake();
  };

  let path = file;
  /** The file may be renamed between the look at its name and the opening. */
  const openCurrent = async (): Promise<FileHandle> => {
    for (;;) {
      if (state === 'aborted') throw ended(state);
      const tried = path;
      try {
        return await open(tried, 'r');
      } catch (cause) {
        const isRenamed = state !== 'committed' || tried !== path;
        if (systemCode(cause) !== 'ENOENT' || !isRenamed) throw fileError(tried, cause);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  };

  return {
    get size() {
      return size;
    },
    write,
    end,
    commit,
    abort,
    open: async function* follow(offset: number, into?: Room): Bytes {
      const reader = await openCurrent();
      try {
        let position = offset;
        for (;;) {
          if (state === 'aborted') throw ended(state);
          if (position < size) {
            const range = { start: position, length: size - position, into };
            for await (const chunk of readHandleBytes(reader, path, range)) {
              position += chunk.byteLength;
              yield chunk;
            }
          } else if (isWhole) return;
          else await new Promise<void>((resolve) => waiting.push(resolve));
        }
      } finally {
        await reader.close();
      }
    },
  };
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < chunk.byteLength) {
    const { bytesWritten } = await handle.write(
      chunk,
      done,
      chunk.byteLength - done,
      position + done,
    );
    done += bytesWritten;
  }
}

function ended(state: string): SlipwayError {
  if (state === 'aborted') {
    return new SlipwayError('CONTENT_MISSING', 'the blob was given up while it was being written', {
      side: 'source',
    });
  }
  return new SlipwayError('INTERNAL', 'the blob has been written to its end');
}
