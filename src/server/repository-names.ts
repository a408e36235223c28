import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import { isServedName } from './target.ts';

/** A storage with more folders than this is searched no further. */
const MAX_FOLDERS = 20_000;
const AT_ONCE = 16;

/**
 * The names of the repositories below a folder: every folder that is a layout. A repository may
 * stand below another one. Links are passed: they may lead anywhere.
 */
export async function* repositoryNames(dir: string): AsyncGenerator<string> {
  const waiting = [''];
  for (let seen = 0; waiting.length > 0 && seen < MAX_FOLDERS; ) {
    const names = waiting.splice(-AT_ONCE);
    seen += names.length;
    const folders = await Promise.all(names.map((name) => look(join(dir, name), name)));
    for (const { name, isLayout, below } of folders) {
      if (isLayout && name !== '') yield name;
      waiting.push(...below);
    }
  }
}

async function look(
  folder: string,
  name: string,
): Promise<{
  readonly name: string;
  readonly below: readonly string[];
  readonly isLayout: boolean;
}> {
  const below: string[] = [];
  let isLayout = false;
  try {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.isFile() && entry.name === 'oci-layout') isLayout = true;
      const child = name === '' ? entry.name : `${name}/${entry.name}`;
      if (entry.isDirectory() && isServedName(child)) below.push(child);
    }
  } catch (error) {
    // It was removed meanwhile, or isn't ours to read.
    if (!['ENOENT', 'EACCES'].includes(systemCode(error) ?? '')) throw error;
  }
  return { name, below, isLayout };
}
