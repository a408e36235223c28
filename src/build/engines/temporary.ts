import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Folders of builds that were killed are removed when they are so old: no build takes longer. */
const FORGOTTEN_MS = 24 * 60 * 60 * 1000;
const PREFIX = 'build-';

async function removeForgotten(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!new RegExp(`^${PREFIX}[A-Za-z0-9]{6}$`).test(name)) continue;
    const folder = join(parent, name);
    const found = await stat(folder).catch(() => undefined);
    if (found === undefined || Date.now() - found.mtimeMs < FORGOTTEN_MS) continue;
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

/** A folder of its own for `work`, removed at the end. */
export async function withTemporaryFolder<T>(
  parent: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  await removeForgotten(parent);
  const folder = await mkdtemp(join(parent, PREFIX));
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
