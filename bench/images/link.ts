import { copyFile, link } from 'node:fs/promises';

/** Gives a file a second place, by a copy where that is another file system. */
export async function linkOrCopy(file: string, place: string): Promise<void> {
  try {
    await link(file, place);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EXDEV') await copyFile(file, place);
    else if (code !== 'EEXIST') throw error;
  }
}
