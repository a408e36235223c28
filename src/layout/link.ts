import { type FileHandle, link, lstat, lutimes, unlink } from 'node:fs/promises';
import { readHandleBytes } from '../bytes/stream.ts';
import type { Signalled } from '../content/transport.ts';
import { digestMismatch } from '../content/verify.ts';
import { systemCode } from '../errors.ts';
import { type Digest, digestAlgorithm } from '../oci/digest.ts';
import { blobPath, blobSize, digestOfFile, freshen, freshSeconds, placeBlob } from './blobs.ts';
import { openRegular, unlessMissing, writeError } from './files.ts';
import { startIngest } from './ingest.ts';
import type { Workspace } from './workspace.ts';

export interface LinkOptions extends Signalled {
  /** both layouts are the caller's own: the bytes aren't read again before they are linked */
  readonly trusted?: boolean;
}

/** What the system says where a link can't be made and a copy can: of what just went, too. */
const UNLINKABLE = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'ENOSYS', 'ENOENT']);

/**
 * Takes a blob of another layout: by hard link, or by copy across file systems and from files that
 * somebody else could change. False if it isn't there.
 */
export async function linkBlob(
  workspace: Workspace,
  fromDir: string,
  digest: Digest,
  { trusted = false, signal }: LinkOptions,
): Promise<boolean> {
  const size = await blobSize(fromDir, digest);
  if (size === undefined) return false;
  const lease = await workspace.lease({ signal });
  const blob = { mediaType: '', digest, size };
  if (await freshen(workspace.dir, blob, lease)) return true;

  const path = blobPath(fromDir, digest);
  const handle = await unlessMissing(openRegular(path));
  if (handle === undefined) return false;
  try {
    if (!(await isOwn(handle, path))) {
      await copy(workspace, handle, path, digest, signal);
      return true;
    }
    if (!trusted) {
      const found = await digestOfFile(handle, path, digest);
      if (found !== digest) throw digestMismatch(blob, found).with({ side: 'source', path });
      await handle.datasync();
    }
    const draft = workspace.ingestPath(lease);
    try {
      await link(path, draft);
      const seconds = freshSeconds(lease);
      await lutimes(draft, seconds, seconds);
      await placeBlob(workspace.dir, digest, draft, workspace.dirMode);
    } catch (cause) {
      if (!UNLINKABLE.has(systemCode(cause) ?? '')) throw writeError(workspace.dir, cause);
      await copy(workspace, handle, path, digest, signal);
    } finally {
      // A rename onto another link of the same file leaves both names.
      await unlink(draft).catch(() => {});
    }
    return true;
  } finally {
    await handle.close();
  }
}

/** True if nobody else can change the file, and the name is the file itself. */
async function isOwn(handle: FileHandle, path: string): Promise<boolean> {
  const [opened, found] = await Promise.all([handle.stat(), unlessMissing(lstat(path))]);
  const isMine = process.getuid === undefined || opened.uid === process.getuid();
  return isMine && opened.ino === found?.ino && (opened.mode & 0o022) === 0;
}

async function copy(
  workspace: Workspace,
  handle: FileHandle,
  path: string,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ingest = await startIngest(workspace, {
    algorithm: digestAlgorithm(digest),
    signal,
  });
  try {
    for await (const chunk of readHandleBytes(handle, path)) await ingest.write(chunk);
    await ingest.commit({ digest });
  } catch (error) {
    await ingest.abort();
    throw error;
  }
}
