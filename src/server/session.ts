import { type FileHandle, open } from 'node:fs/promises';
import { fileError } from '../bytes/stream.ts';
import { digestOfFile } from '../layout/blobs.ts';
import { type Digest, type Digester, digestAlgorithm, startDigest } from '../oci/digest.ts';
import type { UploadFiles, UploadRecord } from './upload-files.ts';

/** An upload that one request is working on. */
export interface Session extends UploadRecord {
  readonly id: string;
  /** where the bytes are */
  readonly file: string;
  /** bytes that have arrived */
  readonly sizeBytes: number;
  /** the hash of all that has arrived, unless it began in another process */
  readonly hashed: Digester | undefined;
  /** it was ended */
  readonly isOver: boolean;
  write(chunk: Uint8Array): Promise<void>;
  /** The digest of what has arrived, by the algorithm of `like`, once it is safe on disk. */
  finish(like: Digest): Promise<Digest>;
  /** Ends the upload and removes what is left of it. */
  drop(): Promise<void>;
  /** Ends the request's work; what arrived stays. */
  close(): Promise<void>;
}

/**
 * Opens a session for one request, which holds it.
 *
 * @param known the hash as this process left it
 */
export async function openSession(
  files: UploadFiles,
  upload: UploadRecord & { readonly id: string },
  known: Digester | undefined,
  fileMode: number,
): Promise<Session> {
  const { id, algorithm } = upload;
  const file = files.dataPath(id);
  let sizeBytes = await files.heldBytes(id);
  // Another process may have gone on with it since.
  let hashed = known?.size === sizeBytes ? known : undefined;
  if (sizeBytes === 0) hashed ??= startDigest(algorithm);
  let handle: FileHandle | undefined;
  let isOver = false;

  const opened = async (): Promise<FileHandle> => {
    try {
      handle ??= await open(file, 'a+', fileMode);
      return handle;
    } catch (cause) {
      throw fileError(file, cause);
    }
  };

  return {
    ...upload,
    file,
    get sizeBytes() {
      return sizeBytes;
    },
    get hashed() {
      return hashed;
    },
    get isOver() {
      return isOver;
    },
    async write(chunk) {
      const writing = append(await opened(), chunk);
      // Hashed on this thread while another one writes.
      hashed?.update(chunk);
      try {
        await writing;
      } catch (cause) {
        throw fileError(file, cause);
      }
      sizeBytes += chunk.byteLength;
    },
    async finish(like) {
      const data = await opened();
      await data.datasync();
      return hashed !== undefined && digestAlgorithm(like) === algorithm
        ? hashed.digest()
        : await digestOfFile(data, file, like);
    },
    async drop() {
      isOver = true;
      await files.remove(id);
    },
    async close() {
      await handle?.close();
    },
  };
}

async function append(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.byteLength; ) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.byteLength - done);
    done += bytesWritten;
  }
}
