import type { FileHandle } from 'node:fs/promises';
import { lutimes, mkdir, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Bytes, fileError, fromMemory, readHandleBytes } from '../bytes/stream.ts';
import type { FetchOptions } from '../content/transport.ts';
import { digestMismatch } from '../content/verify.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import {
  type Digest,
  type DigestAlgorithm,
  digestAlgorithm,
  digestHex,
  startDigest,
} from '../oci/digest.ts';
import type { Lease } from '../state/lease.ts';
import { openRegular, syncFolder, unlessMissing } from './files.ts';

/** The folder of the blobs of one algorithm (image-spec, image-layout.md "Blobs"). */
export function blobsDir(dir: string, algorithm: DigestAlgorithm): string {
  return join(dir, 'blobs', algorithm);
}

/** Where a blob is kept. A {@link Digest} was parsed, so this can't leave the folder. */
export function blobPath(dir: string, digest: Digest): string {
  return join(blobsDir(dir, digestAlgorithm(digest)), digestHex(digest));
}

/** The size of a blob that is there, in bytes, or undefined. */
export async function blobSize(dir: string, digest: Digest): Promise<number | undefined> {
  const path = blobPath(dir, digest);
  try {
    const found = await unlessMissing(stat(path));
    return found?.isFile() ? found.size : undefined;
  } catch (cause) {
    throw fileError(path, cause);
  }
}

/**
 * True if the blob is there with this size. Its time is set to now, so that a prune that runs
 * beside takes it for something that is used.
 */
export async function freshen(dir: string, blob: Descriptor, lease: Lease): Promise<boolean> {
  const path = blobPath(dir, blob.digest);
  const seconds = freshSeconds(lease);
  try {
    await lutimes(path, seconds, seconds);
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return false;
    // Another user's file, say: it is there, and whether it is whole is seen below.
  }
  return (await blobSize(dir, blob.digest)) === blob.size;
}

/** Now, in seconds, and after the start of the lease even if the clock was set back since. */
export function freshSeconds(lease: Lease): number {
  return Math.max(Date.now(), Math.ceil(lease.startMs) + 1) / 1000;
}

/**
 * Reads a blob's file from an offset on.
 *
 * @throws SlipwayError (from the iteration) `NOT_FOUND`, `FILE_NOT_FOUND`, `ARCHIVE_INVALID`,
 * `DIGEST_MISMATCH` behind a link
 */
export async function* fetchBlob(
  dir: string,
  descriptor: Descriptor,
  { offset = 0, chunkBytes, into, signal }: FetchOptions = {},
): Bytes {
  signal?.throwIfAborted();
  if (descriptor.data !== undefined) {
    yield* fromMemory(Buffer.from(descriptor.data, 'base64'), offset);
    return;
  }
  const path = blobPath(dir, descriptor.digest);
  const handle = await openBlob(path, descriptor);
  try {
    const range = { start: offset, chunkBytes, into };
    for await (const chunk of readHandleBytes(handle, path, range)) {
      signal?.throwIfAborted();
      yield chunk;
    }
  } finally {
    await handle.close();
  }
}

async function openBlob(path: string, descriptor: Descriptor): Promise<FileHandle> {
  try {
    return await openRegular(path, { follow: false });
  } catch (cause) {
    if (systemCode(cause) === 'ELOOP') return openLinked(path, descriptor);
    if (systemCode(cause) !== 'ENOENT') throw sourceError(path, cause);
    throw new SlipwayError('NOT_FOUND', `${descriptor.digest} is not in the layout`, {
      side: 'source',
      digest: descriptor.digest,
      path,
    });
  }
}

/**
 * Some build tools make layouts of links. A stranger's link could point to any file of the user,
 * so nothing of it is handed on before its digest was seen to be right.
 */
async function openLinked(path: string, descriptor: Descriptor): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await openRegular(path);
  } catch (cause) {
    throw sourceError(path, cause);
  }
  try {
    const found = await digestOfFile(handle, path, descriptor.digest);
    if (found === descriptor.digest) return handle;
    throw digestMismatch(descriptor, found).with({ side: 'source', path });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The digest of an open file's bytes, of the same algorithm as `like`. */
export async function digestOfFile(
  handle: FileHandle,
  path: string,
  like: Digest,
): Promise<Digest> {
  const digester = startDigest(digestAlgorithm(like));
  for await (const chunk of readHandleBytes(handle, path)) digester.update(chunk);
  return digester.digest();
}

/** Gives a finished file its place among the blobs. A blob that is there is replaced by its equal. */
export async function placeBlob(
  dir: string,
  digest: Digest,
  file: string,
  dirMode: number,
): Promise<void> {
  const path = blobPath(dir, digest);
  try {
    await rename(file, path);
  } catch (cause) {
    if (systemCode(cause) !== 'ENOENT') throw cause;
    await mkdir(dirname(path), { recursive: true, mode: dirMode });
    await syncFolder(join(dir, 'blobs'));
    await rename(file, path);
  }
}

/** Removes a blob's file. False if it wasn't there. */
export async function removeBlob(dir: string, digest: Digest): Promise<boolean> {
  const path = blobPath(dir, digest);
  try {
    await unlink(path);
    return true;
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return false;
    throw fileError(path, cause);
  }
}

function sourceError(path: string, cause: unknown): unknown {
  const error = fileError(path, cause);
  return error instanceof SlipwayError ? error.with({ side: 'source' }) : error;
}
