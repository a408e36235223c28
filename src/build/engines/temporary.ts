import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A folder of its own for `work`, removed at the end. */
export async function withTemporaryFolder<T>(
  parent: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(parent, 'build-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A file in a folder of its own, which has an empty folder `empty` beside it. */
export async function withTemporaryFile<T>(
  parent: string,
  name: string,
  content: Uint8Array,
  work: (path: string) => Promise<T>,
): Promise<T> {
  return await withTemporaryFolder(parent, async (folder) => {
    await mkdir(join(folder, 'empty'));
    const path = join(folder, name);
    await writeFile(path, content, { mode: 0o600, flag: 'wx' });
    return await work(path);
  });
}
