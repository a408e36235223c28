import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import { isServedName } from './target.ts';

/** A storage with more folders than this is searched no further. */
const MAX_FOLDERS = 20_000;

/**
 * The names of the repositories below a folder: every folder that is a layout. A repository may
 * stand below another one. Links are passed: they may lead anywhere.
 */
export async function* repositoryNames(dir: string): AsyncGenerator<string> {
  const waiting = [''];
  let seen = 0;
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    seen += 1;
    if (seen > MAX_FOLDERS) return;
    const { below, isLayout } = await look(join(dir, name), name);
    if (isLayout && name !== '') yield name;
    waiting.push(...below);
  }
}

async function look(
  folder: string,
  name: string,
): Promise<{ readonly below: readonly string[]; readonly isLayout: boolean }> {
  const below: string[] = [];
  let isLayout = false;
  try {
    for await (const entry of await opendir(folder)) {
      if (entry.isFile() && entry.name === 'oci-layout') isLayout = true;
      const child = name === '' ? entry.name : `${name}/${entry.name}`;
      if (entry.isDirectory() && isServedName(child)) below.push(child);
    }
  } catch (error) {
    // It was removed meanwhile, or isn't ours to read.
    if (!['ENOENT', 'EACCES'].includes(systemCode(error) ?? '')) throw error;
  }
  return { below, isLayout };
}
