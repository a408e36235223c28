import { type FileHandle, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Writable } from 'node:stream';
import { SlipwayError, systemCode } from '../errors.ts';
import { syncFolder, unlessMissing, writeError } from '../layout/files.ts';
import { draftPath, removeDeadDrafts } from './draft.ts';

/** Where an archive's bytes go. */
export interface Sink {
  /** for people */
  readonly name: string;
  /** Appends. */
  write(chunk: Uint8Array): Promise<void>;
  /** How much has been written, in bytes. */
  readonly position: number;
  /** Takes back what was written after `position`; false if it is gone already. */
  rewind(position: number): boolean;
  /** Makes what was written final. */
  finish(): Promise<void>;
  /** Drops what was written. Does nothing after `finish`. */
  abort(): Promise<void>;
}

/**
 * A file that appears under its name when it is whole, or a stream that is left open.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `NO_SPACE`
 */
export async function openSink(to: string | Writable): Promise<Sink> {
  if (typeof to !== 'string') return streamSink(to, 'standard output');
  try {
    const path = await archivePath(to);
    const found = await unlessMissing(stat(path));
    // A device or pipe is written to, never replaced.
    if (found !== undefined && !found.isFile()) return await deviceSink(path, to);
    await removeDeadDrafts(path);
    const draft = draftPath(path);
    return draftSink(await open(draft, 'wx', 0o644), draft, path);
  } catch (cause) {
    throw writeError(to, cause);
  }
}

/**
 * The file that an archive is written to: what a link names is replaced, not the link.
 *
 * @throws SlipwayError `FILE_NOT_FOUND` if that is a folder
 */
export async function archivePath(to: string): Promise<string> {
  const path = (await unlessMissing(realpath(to))) ?? to;
  const found = await unlessMissing(stat(path));
  if (found?.isDirectory() !== true) return path;
  throw new SlipwayError('FILE_NOT_FOUND', `${to} is a folder, and an archive is a file`, {
    path: to,
    side: 'destination',
    hint: `to write a folder, name it as oci:${to}`,
  });
}

function draftSink(handle: FileHandle, draft: string, path: string): Sink {
  let position = 0;
  let isOpen = true;
  let isFinal = false;
  const close = async () => {
    if (!isOpen) return;
    isOpen = false;
    await handle.close();
  };
  return {
    name: path,
    get position() {
      return position;
    },
    async write(chunk) {
      await writeFully(handle, chunk, position, path);
      position += chunk.byteLength;
    },
    rewind(to) {
      position = to;
      return true;
    },
    async finish() {
      try {
        // Something longer may have been taken back.
        await handle.truncate(position);
        await handle.sync();
        await close();
        await rename(draft, path);
        isFinal = true;
        await syncFolder(dirname(path));
      } catch (cause) {
        throw writeError(path, cause);
      }
    },
    async abort() {
      await close();
      if (isFinal) return;
      await unlessMissing(unlink(draft));
    },
  };
}

async function writeFully(
  handle: FileHandle,
  chunk: Uint8Array,
  position: number | null,
  path: string,
): Promise<void> {
  for (let done = 0; done < chunk.byteLength; ) {
    const at = position === null ? null : position + done;
    const { bytesWritten } = await handle
      .write(chunk, done, chunk.byteLength - done, at)
      .catch((cause: unknown) => {
        throw systemCode(cause) === 'EPIPE' ? readerGone(path, cause) : writeError(path, cause);
      });
    done += bytesWritten;
  }
}

async function deviceSink(path: string, name: string): Promise<Sink> {
  const handle = await open(path, 'w');
  let position = 0;
  const close = async () => {
    await handle.close().catch(() => {});
  };
  return {
    name,
    get position() {
      return position;
    },
    async write(chunk) {
      await writeFully(handle, chunk, null, name);
      position += chunk.byteLength;
    },
    rewind: (to) => to === position,
    finish: close,
    abort: close,
  };
}

function streamSink(stream: Writable, name: string): Sink {
  let position = 0;
  let failure: unknown;
  // An error that nobody listens to would end the process.
  const note = (error: unknown) => {
    failure ??= error;
  };
  stream.on('error', note);
  const leave = async () => {
    stream.off('error', note);
  };
  return {
    name,
    get position() {
      return position;
    },
    async write(chunk) {
      await new Promise<void>((resolve, reject) => {
        if (failure !== undefined || stream.destroyed) {
          reject(readerGone(name, failure));
          return;
        }
        const gone = () => reject(readerGone(name, failure));
        stream.once('close', gone);
        stream.write(chunk, (error) => {
          stream.off('close', gone);
          if (error == null) resolve();
          else reject(readerGone(name, error));
        });
      });
      position += chunk.byteLength;
    },
    rewind: (to) => to === position,
    finish: leave,
    abort: leave,
  };
}

function readerGone(name: string, cause: unknown): SlipwayError {
  return new SlipwayError('INTERRUPTED', `whoever reads ${name} has stopped reading`, {
    side: 'destination',
    cause,
  });
}
