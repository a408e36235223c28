import { open, unlink, utimes } from 'node:fs/promises';
import { readHandleBytes } from '../bytes/stream.ts';
import type { Signalled } from '../content/transport.ts';
import { systemCode } from '../errors.ts';
import { type Digest, digestAlgorithm } from '../oci/digest.ts';
import { freshSeconds, placeBlob } from './blobs.ts';
import { writeError } from './files.ts';
import { startIngest } from './ingest.ts';
import type { Workspace } from './workspace.ts';

/**
 * Makes a finished file a blob: by rename, or by copy from another file system. The caller has
 * hashed its bytes and has synced them to disk.
 */
export async function adoptFile(
  workspace: Workspace,
  file: string,
  digest: Digest,
  { signal }: Signalled = {},
): Promise<void> {
  const lease = await workspace.lease({ signal });
  try {
    // Younger than our lease, so that a prune that runs beside leaves it.
    const seconds = freshSeconds(lease);
    await utimes(file, seconds, seconds);
    await placeBlob(workspace.dir, digest, file, workspace.dirMode);
  } catch (cause) {
    if (systemCode(cause) !== 'EXDEV') throw writeError(workspace.dir, cause);
    await copy(workspace, file, digest, signal);
    await unlink(file);
  }
}

async function copy(
  workspace: Workspace,
  file: string,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const handle = await open(file, 'r');
  try {
    const ingest = await startIngest(workspace, { algorithm: digestAlgorithm(digest), signal });
    try {
      for await (const chunk of readHandleBytes(handle, file)) await ingest.write(chunk);
      await ingest.commit({ digest });
    } finally {
      await ingest.abort();
    }
  } finally {
    await handle.close();
  }
}
