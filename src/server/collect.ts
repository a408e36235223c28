import { stat } from 'node:fs/promises';
import { join, resolve as resolvePath } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';
import { openLayout, type Pruned } from '../layout/layout.ts';
import { repositoryNames } from './repository-names.ts';
import { createSessions } from './sessions.ts';
import { createUploadFiles } from './upload-files.ts';

/** What a garbage collection removes. */
export interface CollectOptions {
  /** folder of the repositories, as `startRegistry` has it */
  readonly storage: string;
  /** leave what was pushed, or looked at, less than so long ago, in milliseconds */
  readonly minAgeMs: number;
  /** also remove manifests that have no tag and describe none that has */
  readonly untagged?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was removed from one repository. */
export interface Collected extends Pruned {
  readonly repository: string;
}

/**
 * Removes blobs that no manifest needs, repository by repository, and uploads that were given up.
 * Registries may serve the storage, and clients push to it, meanwhile.
 *
 * @throws SlipwayError `FILE_NOT_FOUND` if the storage isn't a folder
 */
export async function* collectGarbage(options: CollectOptions): AsyncGenerator<Collected> {
  const { minAgeMs, untagged = false, dryRun = false, signal } = options;
  const storage = resolvePath(options.storage);
  await checkFolder(storage);
  for await (const repository of repositoryNames(storage)) {
    signal?.throwIfAborted();
    const layout = await openLayout(join(storage, ...repository.split('/')));
    try {
      const how = { unnamed: untagged, dryRun, minAgeMs, ...(signal && { signal }) };
      yield { repository, ...(await layout.prune(how)) };
    } finally {
      await layout.close();
    }
  }
  if (dryRun) return;
  const sessions = createSessions(createUploadFiles(storage), {
    maxSessions: 0,
    expireMs: minAgeMs,
    fileMode: 0o600,
    readOnly: false,
  });
  try {
    await sessions.sweep();
  } finally {
    await sessions.close();
  }
}

async function checkFolder(storage: string): Promise<void> {
  const found = await stat(storage).catch((cause: unknown) => {
    throw fileError(storage, cause);
  });
  if (found.isDirectory()) return;
  throw new SlipwayError(
    'FILE_NOT_FOUND',
    `${storage} is a file, and a registry's storage a folder`,
    {
      path: storage,
    },
  );
}
