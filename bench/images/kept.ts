import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/**
 * Gives the folder of a prepared image, which `make` fills if it isn't there yet. It is renamed
 * into its place when it is whole, so a run that was interrupted leaves nothing that is used.
 *
 * @param key what the content depends on
 */
export async function kept(
  images: string,
  key: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  await mkdir(images, { recursive: true, mode: 0o700 });
  // Its name can be foreseen, and the temporary folder is everybody's.
  const { uid } = await lstat(images);
  if (process.getuid !== undefined && uid !== process.getuid()) {
    throw new Error(`${images} belongs to somebody else: choose another folder with --images`);
  }
  const folder = path.join(images, key);
  if ((await lstat(folder).catch(() => undefined)) !== undefined) return folder;
  const draft = `${folder}.draft-${process.pid}`;
  try {
    await mkdir(draft);
    await make(draft);
    await rename(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return folder;
}
