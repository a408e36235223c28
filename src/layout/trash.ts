import { lstat, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, isDigest } from '../oci/digest.ts';
import { blobPath } from './blobs.ts';
import { unlessMissing } from './files.ts';
import type { Workspace } from './workspace.ts';

/**
 * Removes a blob unless it is used from `thresholdMs` on. Pushes take no lock: one may have taken
 * the blob for present after we looked. So it is moved away first, which a push can't overlook,
 * then looked at again, and put back if it was used. False if it was kept.
 */
export async function removeUnused(
  { dir, trashDir }: Workspace,
  digest: Digest,
  thresholdMs: number,
): Promise<boolean> {
  const path = blobPath(dir, digest);
  const moved = join(trashDir, digest);
  await rename(path, moved);
  if ((await lstat(moved)).mtimeMs >= thresholdMs) {
    await rename(moved, path);
    return false;
  }
  await unlink(moved);
  return true;
}

/**
 * Puts back what a killed prune had moved away and not yet looked at again. The caller holds the
 * lock. True if there was anything.
 */
export async function restoreTrash({ dir, trashDir }: Workspace): Promise<boolean> {
  let found = false;
  for (const name of (await unlessMissing(readdir(trashDir))) ?? []) {
    if (!isDigest(name)) continue;
    await rename(join(trashDir, name), blobPath(dir, name));
    found = true;
  }
  return found;
}
