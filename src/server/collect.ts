import { stat } from 'node:fs/promises';
import { join, resolve as resolvePath } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import { openLayout, type Pruned, type PruneOptions } from '../layout/layout.ts';
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
 * Registries may serve the storage, and clients push to it, meanwhile. Of a repository that is
 * damaged nothing is removed, and the first such is told at the end: all others come first.
 *
 * @throws SlipwayError `FILE_NOT_FOUND` if the storage isn't a folder; what a repository is damaged by
 */
export async function* collectGarbage(options: CollectOptions): AsyncGenerator<Collected> {
  const { minAgeMs, untagged = false, dryRun = false, signal } = options;
  const storage = resolvePath(options.storage);
  await checkFolder(storage);
  const how = { unnamed: untagged, dryRun, minAgeMs, ...(signal && { signal }) };
  const failures: unknown[] = [];
  for await (const repository of repositoryNames(storage)) {
    signal?.throwIfAborted();
    const dir = join(storage, ...repository.split('/'));
    const pruned = await prune(dir, how).catch(async (error: unknown) => {
      signal?.throwIfAborted();
      if (!(await isGone(dir))) failures.push(error);
      return undefined;
    });
    if (pruned !== undefined) yield { repository, ...pruned };
  }
  if (!dryRun) await sweepUploads(storage, minAgeMs);
  if (failures.length > 0) throw failures[0];
}

async function prune(dir: string, options: PruneOptions): Promise<Pruned> {
  const layout = await openLayout(dir);
  try {
    return await layout.prune(options);
  } finally {
    await layout.close();
  }
}

async function isGone(dir: string): Promise<boolean> {
  const found = await stat(dir).catch((cause: unknown) => systemCode(cause));
  return found === 'ENOENT';
}

async function sweepUploads(storage: string, minAgeMs: number): Promise<void> {
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
