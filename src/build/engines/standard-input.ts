import type { FileHandle } from 'node:fs/promises';
import { spool } from '../../bytes/spool.ts';
import { fromMemory } from '../../bytes/stream.ts';
import type { BuildOptions, BuildRequest } from '../engine.ts';

/** Gives `work` the file that a builder reads: a context that is a tar, or a Dockerfile that is no file. */
export async function withStandardInput<T>(
  { context, dockerfile }: BuildRequest,
  { spoolDir, signal }: BuildOptions,
  work: (stdin: FileHandle | undefined) => Promise<T>,
): Promise<T> {
  if (context.kind === 'tar') return await work(context.handle);
  if (context.kind === 'git' || dockerfile === undefined || dockerfile.path !== undefined) {
    return await work(undefined);
  }
  const bytes = fromMemory(dockerfile.bytes);
  const file = await spool(bytes, { dir: spoolDir, what: dockerfile.name, signal });
  try {
    return await work(file.handle);
  } finally {
    await file.close();
  }
}
